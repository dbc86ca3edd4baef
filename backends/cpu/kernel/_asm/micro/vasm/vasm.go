// Package vasm is a small assembler for vectors of float32s, with printers for AVX-512, AVX2
// and NEON. A microkernel is described once, in calls of a Func's methods, and printed for
// each tier in the language of Go's assembler.
//
// The unit is a block of 16 lanes: one register of AVX-512, two of AVX2, four of NEON. What a
// tier can hold (Tier.Regs) and how a kernel spreads over it differs, so a kernel takes its
// shape as parameters; everything else is the same text.
//
// Arithmetic is that of x86 in every tier: MaxZero passes NaN and -0, a comparison says what it
// does with NaN, a fused multiply-add rounds once and nothing else is fused. So all tiers give
// the same bits, but for those of a NaN.
//
// The instructions of one operation on vectors are printed on one line.
package vasm

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"strings"
)

// Tier is an instruction set.
type Tier struct {
	Suffix string // in the names of functions
	Arch   string // GOARCH
	Per    int    // registers a block
	Regs   int    // vector registers
}

// The tiers.
var (
	AVX512 = &Tier{"512", "amd64", 1, 32}
	AVX2   = &Tier{"256", "amd64", 2, 16}
	NEON   = &Tier{"NEON", "arm64", 4, 32}
)

// bytes is the size of a register.
func (t *Tier) bytes() int { return 64 / t.Per }

// Reg is a general register; V a vector register.
type (
	Reg int
	V   int
)

// noReg is the index of an address that has none.
const noReg Reg = -1

// Addr is a place in memory: Base + Index*Scale + Field + Disp. Field names an offset as go_asm.h
// does, for instance tile_w for tile.w. NEON has no index beside an offset.
type Addr struct {
	Base, Index Reg
	Scale, Disp int
	Field       string
	arg         string // a parameter in place of all that
}

// At is the place disp bytes behind a register.
func At(base Reg, disp int) Addr { return Addr{Base: base, Index: noReg, Disp: disp} }

// Indexed is the place at the sum of two registers.
func Indexed(base, index Reg) Addr { return Addr{Base: base, Index: index, Scale: 1} }

// Field is a member of the struct at a register, by its name in go_asm.h.
func Field(base Reg, name string) Addr { return Addr{Base: base, Index: noReg, Field: name} }

// Plus is the address n bytes further.
func (a Addr) Plus(n int) Addr {
	a.Disp += n
	return a
}

// File is one file of assembly and the Go declarations of its functions.
type File struct {
	Arch             string
	text, stub, data bytes.Buffer
	known            map[string]bool // constants
}

// machine prints the instructions of an architecture. Func documents its methods.
type machine interface {
	load(d []V, a Addr)
	store(s []V, a Addr)
	copyV(d, s V)
	zero(d V)
	fma(d, a, b V)
	fmaMem(d, a V, b Addr)
	fnma(d, a, b V)
	fmaConst(d, a V, c float32, negative bool)
	loadConsts(c []float32)
	constant(d V, c float32)
	broadcastArg(d V, name string, off int)
	scaleAdd(d []V, scale V, a Addr)
	maxZero(d, zero V)
	limit(d, most V)
	keepPositive(d []V, a Addr, zero V, n int)
	broadcast(d V, a Addr)
	multiplyAdd(acc, weights []V, x *Scalars, line, element int)
	multiplyAddMem(acc, x []V, a Addr)
	multiplyAddSpread(s *Spread, a Addr, acc, weights [][]V)
	prefetch(level int, a Addr)

	// Blocks: block.go.
	do(op Op, d, a Block, x any)
	sqrt(d, a Block)
	shift(s Shift, d, a Block, n int)
	reduce(op Op, b Block)
	compare(m Mask, p Predicate, a, b Block)
	compareIn(m, in Mask, p Predicate, a, b Block)
	newMaximum(m Mask, x, best Block)
	combine(op string, m, o Mask)
	merge(d, x Block, m Mask)
	keep(d, x Block, m Mask)
	addWhere(d, x Block, m Mask)
	storeMask(m Mask, a Addr)
	loadMask(m Mask, a Addr)
	anySelected(r Reg, m Mask)
	drop(d Block, m Mask)
	gather(d Block, base Reg, index Block)
	wideMasks() (even, odd Mask)
	mulWide(lo, hi, x V, w *WideMul)
	interleave(d, a, b V, high, pairs bool)
	fillBits(d V, c Bits)

	// Bytes: bytes.go.
	intsToFloats(x []V)
	floatsToInts(x []V)
	clamp(x, low, high V)
	storeBytes(x []V, a Addr)
	loadBytes(x []V, a Addr)
	maxBytes(n int, dst, a, b, c Addr)

	arg(d Reg, name string, off int)
	loadInt(d Reg, a Addr)
	storeInt(s Reg, a Addr)
	addMem(d Reg, a Addr)
	addToMem(a Addr, s Reg)
	repeatMem(a Addr, label string)
	subtractIf(r Reg, n int, less bool, label string)
	move(d, s Reg)
	add(d, s Reg)
	addScaled(d, a, s Reg, scale int)
	addInt(d Reg, n int)
	leaInt(d, s Reg, n int)
	setInt(d Reg, n int)
	sub(d, s Reg)
	mulInt(d, s Reg, n int)
	shiftLeft(d Reg, n int)
	jumpCompare(r Reg, n int, less bool, label string)
	shiftRight(d Reg, n int)
	andMask(d Reg, mask string)
	jump(label string)
	jumpIfZero(r Reg, zero bool, label string)
	jumpIfMask(r Reg, mask string, any bool, label string)
	subtractJump(r Reg, n int, label string)
	align(n int)
	ret()
}

// Func is a function under construction.
type Func struct {
	machine
	Tier  *Tier
	f     *File
	free  []V
	gp    []Reg
	args  map[string]int
	temps []V // those that the printer uses by turns
	turn  int

	types  map[string]string // of parameters
	result string            // its name among args, if there is one
	masks  []int             // AVX-512: mask registers
	labels int

	depth        int      // of operations under way
	codes, texts []string // their instructions, and what words mean

	consts  map[float32]V // arm64: where a constant is, and its element
	element map[float32]int
}

// Func describes a function without results: build is called once.
// The parameters are those of the Go declaration, each with its type, as in "t *byte, n int".
func (f *File) Func(t *Tier, name, params string, build func(f *Func)) {
	f.Returning(t, name, params, "", build)
}

// Returning describes a function with a result of type int or float32, or none ("").
func (f *File) Returning(t *Tier, name, params, result string, build func(f *Func)) {
	if t.Arch != f.Arch {
		panic(name + ": a tier of another architecture")
	}
	k := &Func{Tier: t, f: f, args: map[string]int{}, types: map[string]string{}, masks: []int{1, 2, 3, 4, 5, 6, 7}}
	for i := range t.Regs {
		k.free = append(k.free, V(i))
	}
	if t.Arch == "amd64" {
		k.machine, k.gp = &amd64{k}, amd64Regs()
	} else {
		k.machine, k.gp = &arm64{k: k}, arm64Regs()
	}
	size := 0
	for p := range strings.SplitSeq(params, ", ") {
		name, typ, _ := strings.Cut(p, " ")
		size = k.parameter(name, typ, size)
	}
	declared := params + ")"
	if result != "" {
		k.result = "ret"
		size = k.parameter(k.result, result, (size+7)/8*8)
		declared += " " + result
	}
	fmt.Fprintf(&f.stub, "\n//go:noescape\nfunc %s(%s\n", name, declared)
	fmt.Fprintf(&f.text, "\n// func %s(%s\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", name, declared, name, size)
	build(k)
}

// parameter notes where a parameter lies in the frame, and returns where it ends.
func (k *Func) parameter(name, typ string, at int) (end int) {
	n := 8
	switch {
	case typ == "float32" || typ == "uint32":
		n = 4
	case typ == "[]float32":
		at = (at + 7) / 8 * 8
		for i, part := range []string{"_base", "_len", "_cap"} {
			k.args[name+part] = at + 8*i
		}
		return at + 24
	case typ != "int" && !strings.HasPrefix(typ, "*"):
		panic("parameter " + name + " of type " + typ)
	}
	at = (at + n - 1) / n * n
	k.args[name], k.types[name] = at, typ
	return at + n
}

// Empty reports whether the file has no functions.
func (f *File) Empty() bool { return f.text.Len() == 0 }

// Assembly is the file for Go's assembler; command is what writes it.
func (f *File) Assembly(command string) []byte {
	return fmt.Appendf(nil, "// Code generated by command: %s. DO NOT EDIT.\n\n//go:build %s\n\n#include \"go_asm.h\"\n#include \"textflag.h\"\n%s%s", command, f.Arch, f.data.Bytes(), f.text.Bytes())
}

// Declarations is the Go file with the declarations of the functions.
func (f *File) Declarations(command, pkg string) []byte {
	return fmt.Appendf(nil, "// Code generated by command: %s. DO NOT EDIT.\n\n//go:build %s\n\npackage %s\n%s", command, f.Arch, pkg, f.stub.Bytes())
}

// bytesOf declares a constant of n equal words in read-only memory, and returns its name.
func (f *File) bytesOf(bits uint32, n int) string {
	name := fmt.Sprintf("f32x%d_%08x", n, bits)
	if !f.known[name] {
		if f.known == nil {
			f.known = map[string]bool{}
		}
		f.known[name] = true
		f.data.WriteByte('\n')
		for i := range n {
			fmt.Fprintf(&f.data, "DATA %s<>+%d(SB)/4, $0x%08x\n", name, 4*i, bits)
		}
		fmt.Fprintf(&f.data, "GLOBL %s<>(SB), RODATA|NOPTR, $%d\n", name, 4*n)
	}
	return name + "<>(SB)"
}

// lanesOf declares a constant of 16 words in read-only memory, and returns its name.
func (f *File) lanesOf(l Lanes) string {
	h := fnv.New32a()
	for _, w := range l {
		h.Write([]byte{byte(w), byte(w >> 8), byte(w >> 16), byte(w >> 24)})
	}
	name := fmt.Sprintf("lanes_%08x", h.Sum32())
	if !f.known[name] {
		if f.known == nil {
			f.known = map[string]bool{}
		}
		f.known[name] = true
		f.data.WriteByte('\n')
		for i, w := range l {
			fmt.Fprintf(&f.data, "DATA %s<>+%d(SB)/4, $0x%08x\n", name, 4*i, w)
		}
		fmt.Fprintf(&f.data, "GLOBL %s<>(SB), RODATA|NOPTR, $64\n", name)
	}
	return name
}

// op prints an instruction, or keeps it for the line of the operation that it belongs to.
func (k *Func) op(format string, a ...any) {
	k.codes = append(k.codes, fmt.Sprintf(format, a...))
	if k.depth == 0 {
		k.flush()
	}
}

// line begins an operation whose instructions are printed on one line. The function that it
// returns ends it.
func (k *Func) line() (end func()) {
	k.depth++
	return func() {
		if k.depth--; k.depth == 0 {
			k.flush()
		}
	}
}

func (k *Func) flush() {
	if len(k.codes) > 0 {
		line := strings.Join(k.codes, "; ")
		if len(k.texts) > 0 {
			line += " // " + strings.Join(k.texts, "; ")
		}
		fmt.Fprintf(&k.f.text, "\t%s\n", line)
	}
	k.codes, k.texts = nil, nil
}

// Reg takes a general register.
func (k *Func) Reg() Reg {
	if len(k.gp) == 0 {
		panic("out of general registers on " + k.Tier.Suffix)
	}
	r := k.gp[0]
	k.gp = k.gp[1:]
	return r
}

// V takes a vector register, Vs takes n.
func (k *Func) V() V { return k.Vs(1)[0] }

func (k *Func) Vs(n int) []V {
	if n > len(k.free) {
		panic("out of vector registers on " + k.Tier.Suffix)
	}
	v := k.free[:n:n]
	k.free = k.free[n:]
	return v
}

// Free is how many vector registers are not taken.
func (k *Func) Free() int { return len(k.free) }

// Release gives vector registers back.
func (k *Func) Release(v ...V) { k.free = append(append([]V{}, v...), k.free...) }

// Temps lets the printer use up to n of the free registers by turns, for what it has to load
// before it can compute with it. They stay free otherwise.
func (k *Func) Temps(n int) {
	k.temps = k.free[:min(n, len(k.free))]
}

// borrow is the next of the registers that are not taken, by turns. At least need must be there,
// so that those which an operation borrows differ.
func (k *Func) borrow(need int) V {
	if len(k.free) < need {
		panic("out of vector registers on " + k.Tier.Suffix)
	}
	k.turn++
	return k.free[k.turn%len(k.free)]
}

// temp is the next of the registers that Temps has set.
func (k *Func) temp() V {
	if len(k.temps) == 0 {
		panic("no temporary register on " + k.Tier.Suffix)
	}
	k.turn++
	return k.temps[k.turn%len(k.temps)]
}
