// Command vec writes the vector primitives under the kernels that are not
// convolutions: vec_amd64.s and their Go declarations.
//
// A primitive is written once over blocks of 16 float32s. The AVX-512 tier
// holds a block in one register, the AVX2 tier in two; both take the same
// steps in the same order, and neither fuses a multiply with an add, so that
// they and the portable Go of vec.go give the same bits.
package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vec is a block of 16 lanes: one zmm or two ymm registers.
type vec []reg.VecVirtual

// mask selects lanes: an opmask register or two ymm registers.
type mask []reg.Register

type tier struct {
	suffix string
	regs   int // per block
}

var (
	avx512 = tier{"AVX512", 1}
	avx2   = tier{"AVX2", 2}
	t      tier // the one being generated
)

func (t tier) bytes() int { return 64 / t.regs }

func newVec() vec {
	v := make(vec, t.regs)
	for i := range v {
		if t.regs == 1 {
			v[i] = ZMM()
		} else {
			v[i] = YMM()
		}
	}
	return v
}

func at(m Mem, i int) Mem { return m.Offset(i * t.bytes()) }

func load(m Mem) vec {
	v := newVec()
	for i := range v {
		VMOVUPS(at(m, i), v[i])
	}
	return v
}

func store(v vec, m Mem) {
	for i := range v {
		VMOVUPS(v[i], at(m, i))
	}
}

func zero() vec {
	v := newVec()
	for i := range v {
		if t.regs == 1 {
			VPXORD(v[i], v[i], v[i])
		} else {
			VXORPS(v[i], v[i], v[i])
		}
	}
	return v
}

// fill broadcasts a float32 in memory.
func fill(m Mem) vec {
	v := newVec()
	for i := range v {
		VBROADCASTSS(m, v[i])
	}
	return v
}

// param broadcasts a float32 parameter.
func param(name string) vec {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return fill(b.Addr)
}

// bin makes dst = a op b; both are registers.
func bin(op func(...Op), dst, a, b vec) vec {
	for i := range dst {
		op(b[i], a[i], dst[i])
	}
	return dst
}

// binm makes dst = a op memory.
func binm(op func(...Op), dst, a vec, m Mem) vec {
	for i := range dst {
		op(at(m, i), a[i], dst[i])
	}
	return dst
}

func add(dst, a, b vec) vec { return bin(VADDPS, dst, a, b) }
func sub(dst, a, b vec) vec { return bin(VSUBPS, dst, a, b) }
func mul(dst, a, b vec) vec { return bin(VMULPS, dst, a, b) }
func div(dst, a, b vec) vec { return bin(VDIVPS, dst, a, b) }

func sqrt(dst, a vec) vec {
	for i := range dst {
		VSQRTPS(a[i], dst[i])
	}
	return dst
}

// relu is 0 where x < 0, else x (so NaN and -0 pass).
func relu(dst, x, zero vec) vec { return bin(VMAXPS, dst, zero, x) }

// Predicates of VCMPPS.
const (
	cmpEQ    = 0
	cmpLT    = 1
	cmpUnord = 3
	cmpNLE   = 6
	cmpOrd   = 7
)

// cmp compares a with b by the predicate.
func cmp(pred int, a, b vec) mask {
	if t.regs == 1 {
		k := K()
		VCMPPS(Imm(uint64(pred)), b[0], a[0], k)
		return mask{k}
	}
	m := make(mask, 2)
	for i := range m {
		y := YMM()
		VCMPPS(Imm(uint64(pred)), b[i], a[i], y)
		m[i] = y
	}
	return m
}

// merge replaces the selected lanes of dst by x's.
func merge(dst, x vec, m mask) vec {
	if t.regs == 1 {
		VMOVAPS(x[0], m[0], dst[0])
		return dst
	}
	for i := range m {
		VBLENDVPS(m[i], x[i], dst[i], dst[i])
	}
	return dst
}

// maxInto is dst = x where x > dst or x is NaN: ties keep dst, NaN stays.
func maxInto(dst, x vec) vec {
	m := cmp(cmpUnord, x, x)
	bin(VMAXPS, dst, x, dst)
	return merge(dst, x, m)
}

// minInto is dst = x where x < dst or x is NaN: ties keep dst, NaN stays.
func minInto(dst, x vec) vec {
	m := cmp(cmpUnord, x, x)
	bin(VMINPS, dst, x, dst)
	return merge(dst, x, m)
}

// lanes reduces a block in the fixed order 8, 4, 2, 1 and leaves the result in
// lane 0.
func lanes(op func(...Op), v vec) reg.VecVirtual {
	y := YMM()
	if t.regs == 1 {
		hi := YMM()
		VEXTRACTF64X4(Imm(1), v[0], hi)
		op(hi, v[0].AsY(), y)
	} else {
		op(v[1], v[0], y)
	}
	x, s := y.AsX(), XMM()
	VEXTRACTF128(Imm(1), y, s)
	op(s, x, x)
	VMOVHLPS(x, x, s)
	op(s, x, x)
	VMOVSHDUP(x, s)
	op(s, x, x)
	return y
}

// result stores lane 0 as the function's float32 result.
func result(y reg.VecVirtual) {
	b, err := ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	VMOVSS(y.AsX(), b.Addr)
}

// Constants lie in one table, 16 times each, so that both tiers take them as a
// memory operand.
var (
	table     Mem
	constants = map[string]int{}
)

func constant(name string) Mem {
	off, ok := constants[name]
	if !ok {
		panic("no constant " + name)
	}
	return table.Offset(off)
}

func defineConstants() {
	table = GLOBL("opsConstants", RODATA|NOPTR)
	n := 0
	each := func(name string, lane func(i int) uint32) {
		constants[name] = n
		for i := range 16 {
			DATA(n+4*i, U32(lane(i)))
		}
		n += 64
	}
	def := func(name string, bits uint32) { each(name, func(int) uint32 { return bits }) }
	f := func(name string, v float32) { def(name, math.Float32bits(v)) }
	f("one", 1)
	f("two", 2)
	f("expHi", 89)
	f("expLo", -104)
	f("log2e", 1.44269504088896341)
	f("magic", 12582912)
	f("ln2Hi", 0.693359375)
	f("ln2Lo", -2.12194440e-4)
	for i, c := range []float32{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1} {
		f(fmt.Sprintf("exp%d", i), c)
	}
	def("bias", 127)
	f("largest", math.MaxFloat32)
	def("root34", 0x6f14cccc)
	f("root34a", 5.0/32)
	f("root34b", 1.0/4)
	f("tanhSmall", 0.625)
	for i, c := range []float32{-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1} {
		f(fmt.Sprintf("tanh%d", i), c)
	}
	def("sign", 1<<31)
	def("abs", 1<<31-1)
	f("-inf", float32(math.Inf(-1)))
	def("philox0", 0xd2511f53)
	def("philox1", 0xcd9e8d57)
	def("weyl0", 0x9e3779b9)
	def("weyl1", 0xbb67ae85)
	each("n16Bits", func(i int) uint32 { return 1 << (i % 8) })
	each("pixels", func(i int) uint32 { return uint32(i % 4) })
	each("quads", func(i int) uint32 { return uint32(i / 4) })
}

func ints(op512, op2 func(...Op), dst, a, b vec) vec {
	if t.regs == 1 {
		return bin(op512, dst, a, b)
	}
	return bin(op2, dst, a, b)
}

func bitsm(op512, op2 func(...Op), dst, a vec, m Mem) vec {
	if t.regs == 1 {
		return binm(op512, dst, a, m)
	}
	return binm(op2, dst, a, m)
}

// exp replaces x by e**x: the steps of Exp in math.go.
func exp(x vec) vec {
	// The bound is the first source, so a NaN in x passes.
	b := load(constant("expHi"))
	bin(VMINPS, x, b, x)
	for i := range b {
		VMOVUPS(at(constant("expLo"), i), b[i])
	}
	bin(VMAXPS, x, b, x)
	n := binm(VMULPS, newVec(), x, constant("log2e"))
	binm(VADDPS, n, n, constant("magic"))
	f := binm(VSUBPS, b, n, constant("magic"))
	binm(VPSUBD, n, n, constant("magic"))
	p := binm(VMULPS, newVec(), f, constant("ln2Hi"))
	sub(x, x, p)
	binm(VMULPS, p, f, constant("ln2Lo"))
	sub(x, x, p)
	binm(VMULPS, p, x, constant("exp0"))
	binm(VADDPS, p, p, constant("exp1"))
	for i := 2; i <= 5; i++ {
		mul(p, p, x)
		binm(VADDPS, p, p, constant(fmt.Sprintf("exp%d", i)))
	}
	mul(f, x, x)
	mul(p, p, f)
	add(p, p, x)
	binm(VADDPS, p, p, constant("one"))
	for i := range n {
		VPSRAD(Imm(1), n[i], f[i])
		VPSUBD(f[i], n[i], n[i])
		VPADDD(at(constant("bias"), i), f[i], f[i])
		VPADDD(at(constant("bias"), i), n[i], n[i])
		VPSLLD(Imm(23), f[i], f[i])
		VPSLLD(Imm(23), n[i], n[i])
	}
	mul(p, p, f)
	return mul(x, p, n)
}

// sigmoid replaces x by 1/(1 + e**-x).
func sigmoid(x vec) vec {
	bitsm(VPXORD, VXORPS, x, x, constant("sign"))
	exp(x)
	one := load(constant("one"))
	add(x, x, one)
	return div(x, one, x)
}

// tanh is both branches of tanh in math.go and a choice by |x|.
func tanh(x vec) vec {
	small, z := newVec(), mul(newVec(), x, x)
	binm(VMULPS, small, z, constant("tanh0"))
	binm(VADDPS, small, small, constant("tanh1"))
	for i := 2; i <= 4; i++ {
		mul(small, small, z)
		binm(VADDPS, small, small, constant(fmt.Sprintf("tanh%d", i)))
	}
	mul(small, small, z)
	mul(small, small, x)
	add(small, small, x)

	a := bitsm(VPANDD, VANDPS, newVec(), x, constant("abs"))
	e := exp(add(newVec(), a, a))
	binm(VADDPS, e, e, constant("one"))
	div(e, load(constant("two")), e)
	sub(e, load(constant("one")), e)
	bitsm(VPANDD, VANDPS, x, x, constant("sign"))
	ints(VPORD, VORPS, e, e, x)
	return merge(e, small, cmp(cmpLT, a, load(constant("tanhSmall"))))
}

// blocks loads the number of blocks of a slice.
func blocks(slice string) reg.GPVirtual {
	n := Load(Param(slice).Len(), GP64()).(reg.GPVirtual)
	SHRQ(Imm(4), n)
	return n
}

var labels int

// loop runs body over n blocks, unrolled by each of the factors in turn; body
// steps its own pointers, by u blocks.
func loop(n reg.GPVirtual, factors []int, body func(u int)) {
	labels++
	id := labels
	for _, u := range factors {
		head, done := fmt.Sprintf("loop%d_%d", id, u), fmt.Sprintf("done%d_%d", id, u)
		Label(head)
		CMPQ(n, Imm(uint64(u)))
		JLT(LabelRef(done))
		body(u)
		SUBQ(Imm(uint64(u)), n)
		JMP(LabelRef(head))
		Label(done)
	}
}

func ptr(slice string) reg.GPVirtual { return Load(Param(slice).Base(), GP64()).(reg.GPVirtual) }

func mem(p reg.Register, block int) Mem { return Mem{Base: p, Disp: 64 * block} }

func text(name, signature, doc string) {
	TEXT("ops"+name+t.suffix, NOSPLIT, signature)
	Doc("ops"+name+t.suffix+" "+doc, "len(dst), or that of the first slice, is a multiple of 16.")
	Pragma("noescape")
}

func end() {
	VZEROUPPER()
	RET()
}

func main() {
	defineConstants()
	for _, t = range []tier{avx512, avx2} {
		elementwise()
		pools()
		lrn()
		softmax()
		maxout()
		training()
	}
	Generate()
}

func elementwise() {
	unary := func(name, doc string, factors []int, f func(vec) vec) {
		text(name, "func(dst, src []float32)", doc)
		d, s, n := ptr("dst"), ptr("src"), blocks("dst")
		loop(n, factors, func(u int) {
			for i := range u {
				store(f(load(mem(s, i))), mem(d, i))
			}
			advance(s, u)
			advance(d, u)
		})
		end()
	}

	text("Relu", "func(dst, src []float32)", "is dst = max(src, 0).")
	func() {
		d, s, n := ptr("dst"), ptr("src"), blocks("dst")
		z := zero()
		loop(n, []int{4, 1}, func(u int) {
			for i := range u {
				x := load(mem(s, i))
				relu(x, x, z)
				store(x, mem(d, i))
			}
			advance(s, u)
			advance(d, u)
		})
		end()
	}()
	unary("Exp", "is dst = e**src.", []int{1}, exp)
	unary("Sigmoid", "is dst = 1/(1 + e**-src).", []int{1}, sigmoid)
	unary("Tanh", "is dst = tanh(src).", []int{1}, tanh)

	text("Affine", "func(dst, src, scale, shift []float32)", "is dst = src*scale + shift, both one block long.")
	func() {
		d, s, n := ptr("dst"), ptr("src"), blocks("dst")
		a, b := load(mem(ptr("scale"), 0)), load(mem(ptr("shift"), 0))
		loop(n, []int{4, 1}, func(u int) {
			for i := range u {
				x := load(mem(s, i))
				mul(x, x, a)
				add(x, x, b)
				store(x, mem(d, i))
			}
			advance(s, u)
			advance(d, u)
		})
		end()
	}()

	binary := func(name, doc string, f func(x, y vec) vec) {
		text(name, "func(dst, a, b []float32, step int)", doc+" b moves by step float32s a block: 16, or 0 to repeat one block.")
		d, a, b, n := ptr("dst"), ptr("a"), ptr("b"), blocks("dst")
		step := step("step")
		loop(n, []int{1}, func(u int) {
			x, y := load(mem(a, 0)), load(mem(b, 0))
			store(f(x, y), mem(d, 0))
			advance(a, 1)
			ADDQ(step, b)
			advance(d, 1)
		})
		end()
	}
	binary("Add", "is dst = a + b.", func(x, y vec) vec { return add(x, x, y) })
	binary("Sub", "is dst = a - b.", func(x, y vec) vec { return sub(x, x, y) })
	binary("SubFrom", "is dst = b - a.", func(x, y vec) vec { return sub(x, y, x) })
	binary("Mul", "is dst = a * b.", func(x, y vec) vec { return mul(x, x, y) })
	binary("Div", "is dst = a / b.", func(x, y vec) vec { return div(x, x, y) })
	binary("Max", "is dst = max(a, b): a on ties, NaN propagates.", func(x, y vec) vec { return maxInto(x, y) })
	binary("Min", "is dst = min(a, b): a on ties, NaN propagates.", func(x, y vec) vec { return minInto(x, y) })

	text("AddScaled", "func(dst, a, b []float32, scale float32)", "is dst = a + scale*b.")
	func() {
		d, a, b, n := ptr("dst"), ptr("a"), ptr("b"), blocks("dst")
		s := param("scale")
		loop(n, []int{2, 1}, func(u int) {
			for i := range u {
				x := load(mem(b, i))
				mul(x, x, s)
				y := load(mem(a, i))
				add(x, y, x)
				store(x, mem(d, i))
			}
			advance(a, u)
			advance(b, u)
			advance(d, u)
		})
		end()
	}()
}

// window walks the taps of a pool's window, column by column, over each output
// block of a row.
func window(begin, column func(), tap func(m Mem), endColumn func(), done func(d reg.GPVirtual)) {
	d, src, n := ptr("dst"), ptr("src"), blocks("dst")
	kh := Load(Param("kh"), GP64())
	kw := Load(Param("kw"), GP64())
	row, col, pix := step("rowStep"), step("colStep"), step("pixStep")
	loop(n, []int{1}, func(int) {
		labels++
		rows, cols := fmt.Sprintf("rows%d", labels), fmt.Sprintf("cols%d", labels)
		begin()
		y, x, p, q := GP64(), GP64(), GP64(), GP64()
		MOVQ(kw, x)
		MOVQ(src, p)
		Label(cols)
		MOVQ(kh, y)
		MOVQ(p, q)
		column()
		Label(rows)
		tap(Mem{Base: q})
		ADDQ(row, q)
		DECQ(y)
		JNE(LabelRef(rows))
		endColumn()
		ADDQ(col, p)
		DECQ(x)
		JNE(LabelRef(cols))
		done(d)
		ADDQ(pix, src)
		advance(d, 1)
	})
}

// step loads a distance in float32s and makes bytes of it.
func step(name string) reg.GPVirtual {
	g := Load(Param(name), GP64()).(reg.GPVirtual)
	SHLQ(Imm(2), g)
	return g
}

func pools() {
	var acc, c vec
	nothing := func() {}

	text("MaxPool", "func(dst, src []float32, kh, kw, rowStep, colStep, pixStep int)",
		"is the maximum over windows of kh x kw taps, one a block of dst; steps in float32s. NaN propagates.")
	window(func() {
		acc = load(constant("-inf"))
	}, nothing, func(m Mem) {
		maxInto(acc, load(m))
	}, nothing, func(d reg.GPVirtual) {
		store(acc, mem(d, 0))
	})
	end()

	text("MaxPool2", "func(dst, src []float32, rowStep int)",
		"is MaxPool for windows of 2 x 2, one beside the other; rowStep in float32s.")
	func() {
		d, src, n := ptr("dst"), ptr("src"), blocks("dst")
		src1 := GP64()
		MOVQ(src, src1)
		ADDQ(step("rowStep"), src1)
		loop(n, []int{1}, func(int) {
			most := load(mem(src, 0))
			for _, at := range []Mem{mem(src1, 0), mem(src, 1), mem(src1, 1)} {
				maxInto(most, load(at))
			}
			store(most, mem(d, 0))
			advance(src, 2)
			advance(src1, 2)
			advance(d, 1)
		})
		end()
	}()

	text("SumPool", "func(dst, src []float32, kh, kw, rowStep, colStep, pixStep int, scale float32)",
		"is scale times the sum over windows of kh x kw taps, column by column, one a block of dst; steps in float32s.")
	scale := param("scale")
	window(func() {
		acc = zero()
	}, func() {
		c = zero()
	}, func(m Mem) {
		binm(VADDPS, c, c, m)
	}, func() {
		add(acc, acc, c)
	}, func(d reg.GPVirtual) {
		mul(acc, acc, scale)
		store(acc, mem(d, 0))
	})
	end()

	sliding("MaxPool3", "func(dst, src []float32, rows, dstRow, srcRow, w, row1, row2, stride, left, right int) (nan int)",
		"is MaxPool for rows of w windows of 3 columns and the rows 0, row1, row2, stride 1 or 2; rows of windows begin dstRow and srcRow apart; all steps in float32s. left and right are 1 where the first or last window lacks its outermost column, so src begins with the first that there is. A NaN may be lost, and then the result is not 0.",
		true)
	sliding("SumPool3", "func(dst, src []float32, rows, dstRow, srcRow, w, row1, row2, stride int, scale float32)",
		"is SumPool for rows of w windows of 3 x 3, the rows 0, row1, row2, stride 1 or 2; rows of windows begin dstRow and srcRow apart; all steps in float32s.",
		false)
}

// sliding makes one maximum or sum of every column and shares it between the
// windows that it belongs to.
func sliding(name, signature, doc string, maximum bool) {
	text(name, signature, doc)
	dst, src := ptr("dst"), ptr("src")
	rows := Load(Param("rows"), GP64())
	stride := Load(Param("stride"), GP64())
	var right reg.Register
	var seen, scale vec
	if maximum {
		right = Load(Param("right"), GP64())
		seen = zero()
	} else {
		scale = param("scale")
	}
	d, p0, n := GP64(), GP64(), GP64()
	op := func(dst, x vec) {
		if maximum {
			bin(VMAXPS, dst, x, dst) // on ties dst
		} else {
			add(dst, dst, x)
		}
	}
	// A sum of all that was seen is NaN if any of it was: of infinities, too, but
	// then nothing is lost but time. One addition a column is in the chain.
	p1, p2 := GP64(), GP64()
	column := func() vec {
		c, x := load(mem(p0, 0)), load(mem(p1, 0))
		var all vec
		if maximum {
			all = add(newVec(), c, x)
		}
		op(c, x)
		x = load(mem(p2, 0))
		if maximum {
			add(all, all, x)
			add(seen, seen, all)
		}
		op(c, x)
		for _, p := range []reg.GPVirtual{p0, p1, p2} {
			advance(p, 1)
		}
		return c
	}
	put := func(acc vec) {
		if !maximum {
			mul(acc, acc, scale)
		}
		store(acc, mem(d, 0))
		advance(d, 1)
	}
	labels++
	id := labels
	label := func(s string) string { return s + fmt.Sprint(id) }

	Label(label("row"))
	MOVQ(dst, d)
	MOVQ(src, p0)
	for _, p := range []struct {
		p    reg.GPVirtual
		name string
	}{{p1, "row1"}, {p2, "row2"}} {
		Load(Param(p.name), p.p)
		LEAQ(Mem{Base: src, Index: p.p, Scale: 4}, p.p)
	}
	Load(Param("w"), n)
	c0 := newVec()
	if maximum {
		for i := range c0 {
			VMOVUPS(at(constant("-inf"), i), c0[i])
		}
		left := Load(Param("left"), GP64())
		CMPQ(left, Imm(1))
		JEQ(LabelRef(label("begun")))
	}
	move(c0, column())
	if maximum {
		Label(label("begun"))
		SUBQ(right, n)
	}
	CMPQ(stride, Imm(2))
	JEQ(LabelRef(label("two")))

	c1 := column()
	loop(n, []int{1}, func(int) {
		op(c0, c1)
		c2 := column()
		op(c0, c2)
		put(c0)
		move(c0, c1)
		move(c1, c2)
	})
	if maximum {
		CMPQ(right, Imm(0))
		JEQ(LabelRef(label("end")))
		op(c0, c1)
		put(c0)
	}
	JMP(LabelRef(label("end")))

	Label(label("two"))
	loop(n, []int{1}, func(int) {
		op(c0, column())
		c2 := column()
		op(c0, c2)
		put(c0)
		move(c0, c2)
	})
	if maximum {
		CMPQ(right, Imm(0))
		JEQ(LabelRef(label("end")))
		op(c0, column())
		put(c0)
	}
	Label(label("end"))
	ADDQ(step("srcRow"), src)
	ADDQ(step("dstRow"), dst)
	DECQ(rows)
	JNE(LabelRef(label("row")))
	if maximum {
		r := GP64()
		any(cmp(cmpUnord, seen, seen), r)
		Store(r, ReturnIndex(0))
	}
	end()
}

// any makes r other than 0 where a lane is selected.
func any(m mask, r reg.GPVirtual) {
	if t.regs == 1 {
		KMOVW(m[0], r.As32())
		return
	}
	VORPS(m[0], m[1], m[0])
	VMOVMSKPS(m[0], r.As32())
}

// windowSum sums size blocks that begin one float32 apart.
func windowSum(from, size reg.Register) vec {
	labels++
	taps := fmt.Sprintf("taps%d", labels)
	j, p := GP64(), GP64()
	MOVQ(size, j)
	MOVQ(from, p)
	s := zero()
	Label(taps)
	binm(VADDPS, s, s, Mem{Base: p})
	ADDQ(Imm(4), p)
	DECQ(j)
	JNE(LabelRef(taps))
	return s
}

// invPow34 is s**-0.75, the steps of invPow34 in math.go.
func invPow34(s vec) vec {
	bin(VMINPS, s, load(constant("largest")), s) // s second: NaN passes
	y, t := newVec(), newVec()
	for i := range y {
		VPSRLD(Imm(2), s[i], y[i])
		VPSUBD(s[i], y[i], y[i])
		VPADDD(at(constant("root34"), i), y[i], y[i])
	}
	for range 2 {
		mul(t, s, y)
		d := mul(newVec(), t, t)
		mul(d, d, t)
		mul(d, d, y)
		sub(d, load(constant("one")), d)
		binm(VMULPS, t, d, constant("root34a"))
		binm(VADDPS, t, t, constant("root34b"))
		mul(t, t, d)
		mul(t, t, y)
		add(y, y, t)
	}
	return y
}

func lrn() {
	text("Square", "func(dst, src []float32, step int)", "is dst = src*src by blocks, step float32s apart in dst; len(src) counts.")
	func() {
		d, s, n := ptr("dst"), ptr("src"), blocks("src")
		step := step("step")
		loop(n, []int{1}, func(int) {
			x := load(mem(s, 0))
			mul(x, x, x)
			store(x, mem(d, 0))
			advance(s, 1)
			ADDQ(step, d)
		})
		end()
	}()

	// The window's sum, then k + a*sum.
	scaleOf := func(sq reg.Register, size reg.Register, a, k vec) vec {
		s := windowSum(sq, size)
		mul(s, s, a)
		return add(s, s, k)
	}

	text("Lrn34", "func(dst, src, sq []float32, step, size int, alpha, k float32)",
		"is dst = src / t**0.75 with t = k + alpha * the sum of size squares from sq on; sq moves by step float32s a block.")
	func() {
		d, s, q, n := ptr("dst"), ptr("src"), ptr("sq"), blocks("dst")
		step := step("step")
		size := Load(Param("size"), GP64())
		a, k := param("alpha"), param("k")
		loop(n, []int{1}, func(int) {
			y := invPow34(scaleOf(q, size, a, k))
			binm(VMULPS, y, y, mem(s, 0))
			store(y, mem(d, 0))
			advance(s, 1)
			advance(d, 1)
			ADDQ(step, q)
		})
		end()
	}()

	text("LrnScale", "func(dst, sq []float32, step, size int, alpha, k float32)",
		"is dst = k + alpha * the sum of size squares from sq on; sq moves by step float32s a block.")
	func() {
		d, q, n := ptr("dst"), ptr("sq"), blocks("dst")
		step := step("step")
		size := Load(Param("size"), GP64())
		a, k := param("alpha"), param("k")
		loop(n, []int{1}, func(int) {
			store(scaleOf(q, size, a, k), mem(d, 0))
			advance(d, 1)
			ADDQ(step, q)
		})
		end()
	}()
}

func softmax() {
	text("MaxOf", "func(src []float32) float32", "is the largest element; a NaN in the last block of its lane may be lost.")
	func() {
		s, n := ptr("src"), blocks("src")
		acc := load(constant("-inf"))
		loop(n, []int{1}, func(int) {
			binm(VMAXPS, acc, acc, mem(s, 0))
			advance(s, 1)
		})
		result(lanes(VMAXPS, acc))
		end()
	}()

	text("ExpSum", "func(dst, src []float32, shift float32) float32", "is dst = e**(src-shift) and its sum: 16 partial sums, then lanes 8, 4, 2, 1 apart.")
	func() {
		d, s, n := ptr("dst"), ptr("src"), blocks("dst")
		m := param("shift")
		acc := zero()
		loop(n, []int{1}, func(int) {
			x := load(mem(s, 0))
			sub(x, x, m)
			exp(x)
			store(x, mem(d, 0))
			add(acc, acc, x)
			advance(s, 1)
			advance(d, 1)
		})
		result(lanes(VADDPS, acc))
		end()
	}()

	text("DivBy", "func(dst, src []float32, by float32)", "is dst = src / by.")
	func() {
		d, s, n := ptr("dst"), ptr("src"), blocks("dst")
		by := param("by")
		loop(n, []int{1}, func(int) {
			x := load(mem(s, 0))
			div(x, x, by)
			store(x, mem(d, 0))
			advance(s, 1)
			advance(d, 1)
		})
		end()
	}()

	text("Sum", "func(src []float32) float32", "is the sum: 16 partial sums, then lanes 8, 4, 2, 1 apart.")
	func() {
		s, n := ptr("src"), blocks("src")
		acc := zero()
		loop(n, []int{1}, func(int) {
			binm(VADDPS, acc, acc, mem(s, 0))
			advance(s, 1)
		})
		result(lanes(VADDPS, acc))
		end()
	}()
}

func advance(p reg.Register, blocks int) { ADDQ(U32(64*uint32(blocks)), p) }

func move(dst, a vec) {
	for i := range dst {
		VMOVAPS(a[i], dst[i])
	}
}
