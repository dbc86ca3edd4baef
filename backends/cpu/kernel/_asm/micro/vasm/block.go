package vasm

import (
	"fmt"
	"math"
)

// Block is 16 lanes: Tier.Per registers. In a block whose lanes are all equal (Uniform), all
// elements are the same register; such a block is only read.
type Block []V

// Block takes the registers of a block; Uniform takes one register, for a value of all lanes.
func (k *Func) Block() Block { return k.Vs(k.Tier.Per) }

func (k *Func) Uniform() Block {
	v, b := k.V(), make(Block, k.Tier.Per)
	for i := range b {
		b[i] = v
	}
	return b
}

// Scope gives back what body takes: vector, general and mask registers.
func (k *Func) Scope(body func()) {
	free, gp, masks := k.free, k.gp, k.masks
	body()
	k.free, k.gp, k.masks = free, gp, masks
}

// Op is an operation on blocks, lane by lane. Max and Min are those of x86: the second operand
// where the operands are equal or one is NaN.
type Op int

// The operations.
const (
	Add Op = iota
	Sub
	Mul
	Div
	Max // a > x ? a : x
	Min // a < x ? a : x
	And // of bits
	Or
	Xor
	AddInts
	SubInts
)

// Bits is a constant of 32 bits in all lanes; Float makes one.
type Bits uint32

// Float is the constant c.
func Float(c float32) Bits { return Bits(math.Float32bits(c)) }

// Lanes is a constant whose lanes differ.
type Lanes [16]uint32

// From are the lanes from lane n on, for the registers behind the first of a block.
func (l Lanes) From(n int) Lanes {
	var m Lanes
	for i := range m {
		m[i] = l[(n+i)%16]
	}
	return m
}

// Do is d = a op x, where x is a Block, an Addr, Bits or Lanes.
func (k *Func) Do(op Op, d, a Block, x any) {
	defer k.line()()
	k.do(op, d, a, x)
}

// Sqrt is d = the square root of a.
func (k *Func) Sqrt(d, a Block) {
	defer k.line()()
	k.sqrt(d, a)
}

// Shift is of 32-bit integers: left, right with the sign, or right with zeros.
type Shift int

// The shifts.
const (
	Left Shift = iota
	RightSigned
	RightZeros
)

// ShiftInts is d = a shifted by n bits.
func (k *Func) ShiftInts(s Shift, d, a Block, n int) {
	defer k.line()()
	k.shift(s, d, a, n)
}

// FillFrom fills d, all its registers or that of a Uniform, with the float32 at a.
func (k *Func) FillFrom(d Block, a Addr) {
	for _, v := range d.distinct() {
		k.broadcast(v, a)
	}
}

// FillBits fills d with a constant.
func (k *Func) FillBits(d Block, c Bits) {
	for _, v := range d.distinct() {
		k.fillBits(v, c)
	}
}

// FloatArg is a parameter of type float32 in all lanes.
func (k *Func) FloatArg(name string) Block {
	d := k.Uniform()
	k.BroadcastArg(d[0], name)
	return d
}

// ZeroBlock takes a Uniform of zeros.
func (k *Func) ZeroBlock() Block {
	d := k.Uniform()
	k.Zero(d[0])
	return d
}

// distinct lists the registers without repetition.
func (b Block) distinct() []V {
	if len(b) > 1 && b[0] == b[1] {
		return b[:1]
	}
	return b
}

// ReduceTo stores the float32 that op makes of the lanes of b, 8, 4, 2 and 1 apart, as the result
// of the function. b is used up.
func (k *Func) ReduceTo(op Op, b Block) {
	defer k.line()()
	k.reduce(op, b)
}

// Predicate is a comparison.
type Predicate int

// The predicates.
const (
	Equal      Predicate = iota
	Less                 // false with NaN
	Unordered            // one of the two is NaN
	NotAtMost            // above, or unordered
	IntsAbove            // of signed integers
	predicates           // how many
)

// Mask selects lanes: a mask register of AVX-512, or a block of ones and zeros.
type Mask struct {
	reg  int
	bits Block
}

// Mask takes the register or the block of a mask.
func (k *Func) Mask() Mask {
	if k.Tier != AVX512 {
		return Mask{bits: k.Block()}
	}
	if len(k.masks) == 0 {
		panic("out of mask registers on " + k.Tier.Suffix)
	}
	m := Mask{reg: k.masks[0]}
	k.masks = k.masks[1:]
	return m
}

// Compare selects the lanes where a compares so with b, in a mask of its own; CompareTo in m.
// CompareIn selects of those of in.
func (k *Func) Compare(p Predicate, a, b Block) Mask {
	m := k.Mask()
	k.CompareTo(m, p, a, b)
	return m
}

func (k *Func) CompareTo(m Mask, p Predicate, a, b Block) {
	defer k.line()()
	k.compare(m, p, a, b)
}

func (k *Func) CompareIn(in Mask, p Predicate, a, b Block) Mask {
	m := k.Mask()
	defer k.line()()
	k.compareIn(m, in, p, a, b)
	return m
}

// NewMaximum selects the lanes where x is above best or NaN, and best is not NaN: those where the
// first maximum of a series changes.
func (k *Func) NewMaximum(m Mask, x, best Block) {
	defer k.line()()
	k.newMaximum(m, x, best)
}

// AndMasks is m &= o; OrMasks m |= o; Without takes the lanes of o out of m.
func (k *Func) AndMasks(m, o Mask) { k.masked("and", m, o) }
func (k *Func) OrMasks(m, o Mask)  { k.masked("or", m, o) }
func (k *Func) Without(m, o Mask)  { k.masked("without", m, o) }

func (k *Func) masked(op string, m, o Mask) {
	defer k.line()()
	k.combine(op, m, o)
}

// Merge is d = x in the selected lanes; Keep d = x there and 0 elsewhere.
func (k *Func) Merge(d, x Block, m Mask) {
	defer k.line()()
	k.merge(d, x, m)
}

func (k *Func) Keep(d, x Block, m Mask) {
	defer k.line()()
	k.keep(d, x, m)
}

// Drop is d = 0 in the selected lanes.
func (k *Func) Drop(d Block, m Mask) {
	defer k.line()()
	k.drop(d, m)
}

// AddWhere is d += x in the selected lanes. Where a mask is a block the others get a zero added,
// which changes nothing unless they are -0, and then their sign. m is used up.
func (k *Func) AddWhere(d, x Block, m Mask) {
	defer k.line()()
	k.addWhere(d, x, m)
}

// StoreMask writes a mask as 16 bits, LoadMask reads it.
func (k *Func) StoreMask(m Mask, a Addr) {
	defer k.line()()
	k.storeMask(m, a)
}

func (k *Func) LoadMask(m Mask, a Addr) {
	defer k.line()()
	k.loadMask(m, a)
}

// AnySelected makes r other than 0 where a lane is selected. m is used up.
func (k *Func) AnySelected(r Reg, m Mask) {
	defer k.line()()
	k.anySelected(r, m)
}

// Gather is d = the float32s at base, index by index: integers. NEON has no such thing.
func (k *Func) Gather(d Block, base Reg, index Block) {
	defer k.line()()
	k.gather(d, base, index)
}

// WideMul multiplies integers of 32 bits with a constant.
type WideMul struct {
	k         *Func
	factor    Bits
	v         V    // NEON: the factor
	even, odd Mask // AVX-512
}

// WideMuls prepares products with each of the factors.
func (k *Func) WideMuls(factors ...Bits) (l []*WideMul) {
	even, odd := k.wideMasks()
	for _, f := range factors {
		w := &WideMul{k: k, factor: f, even: even, odd: odd}
		if k.Tier == NEON {
			w.v = k.V()
			k.fillBits(w.v, f)
		}
		l = append(l, w)
	}
	return l
}

// Mul makes lo and hi the halves of the products of x.
func (w *WideMul) Mul(lo, hi, x V) {
	defer w.k.line()()
	w.k.mulWide(lo, hi, x, w)
}

// Transpose4 transposes squares of 4 x 4 lanes: four registers, and in each group of four lanes.
// scratch is overwritten.
func (k *Func) Transpose4(x, scratch [4]V) {
	defer k.line()()
	for i := range 4 {
		k.interleave(scratch[i], x[i/2*2], x[i/2*2+1], i%2 == 1, false)
	}
	for i := range 4 {
		k.interleave(x[i], scratch[i/2], scratch[i/2+2], i%2 == 1, true)
	}
}

// laneBits are the lanes as bits of a mask in memory: those of a register of AVX2 are a byte.
func laneBits(perByte bool) (l Lanes) {
	for i := range l {
		if l[i] = 1 << i; perByte {
			l[i] = 1 << (i % 8)
		}
	}
	return l
}

// Slice is a parameter of type []float32: a register with where it begins.
func (k *Func) Slice(name string) Reg { return k.Arg(name + "_base") }

// Len is the length of a slice; Blocks that in blocks, and Bytes an integer parameter in float32s
// as bytes.
func (k *Func) Len(slice string) Reg { return k.Arg(slice + "_len") }

func (k *Func) Blocks(slice string) Reg {
	n := k.Len(slice)
	k.shiftRight(n, 4)
	return n
}

func (k *Func) Bytes(name string) Reg {
	d := k.Arg(name)
	k.shiftLeft(d, 2)
	return d
}

// BytesInto is Bytes into a register that is there.
func (k *Func) BytesInto(d Reg, name string) {
	k.loadInt(d, k.ArgAddr(name))
	k.shiftLeft(d, 2)
}

// Result stores an integer as the result of the function.
func (k *Func) Result(r Reg) { k.storeInt(r, k.ArgAddr(k.result)) }

// Loop runs body over n blocks, unrolled by each of the factors in turn. Body steps its own
// pointers, by u blocks.
func (k *Func) Loop(n Reg, factors []int, body func(u int)) {
	id := k.NewLabel()
	for _, u := range factors {
		head, done := fmt.Sprintf("loop%d_%d", id, u), fmt.Sprintf("done%d_%d", id, u)
		k.Label(head)
		k.IfLess(n, u, done)
		k.Scope(func() { body(u) })
		k.AddInt(n, -u)
		k.Jump(head)
		k.Label(done)
	}
}

// NewLabel is a number that no label of the function has.
func (k *Func) NewLabel() int {
	k.labels++
	return k.labels
}

// Skip moves pointers by blocks.
func (k *Func) Skip(blocks int, p ...Reg) {
	for _, r := range p {
		k.addInt(r, 64*blocks)
	}
}
