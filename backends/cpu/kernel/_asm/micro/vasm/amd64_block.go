package vasm

import (
	"fmt"
	"math"
)

// amd64Ops are the names of the operations, for AVX-512 and AVX2.
var amd64Ops = [...][2]string{
	Add:     {"VADDPS", "VADDPS"},
	Sub:     {"VSUBPS", "VSUBPS"},
	Mul:     {"VMULPS", "VMULPS"},
	Div:     {"VDIVPS", "VDIVPS"},
	Max:     {"VMAXPS", "VMAXPS"},
	Min:     {"VMINPS", "VMINPS"},
	And:     {"VPANDD", "VANDPS"},
	Or:      {"VPORD", "VORPS"},
	Xor:     {"VPXORD", "VXORPS"},
	AddInts: {"VPADDD", "VPADDD"},
	SubInts: {"VPSUBD", "VPSUBD"},
}

// pick is the first for AVX-512, the second for AVX2.
func (m *amd64) pick(wide, narrow string) string {
	if m.wide() {
		return wide
	}
	return narrow
}

func (m *amd64) mask(x Mask) string { return fmt.Sprintf("K%d", x.reg) }

func (m *amd64) do(op Op, d, a Block, x any) {
	name := m.pick(amd64Ops[op][0], amd64Ops[op][1])
	for i := range d {
		m.k.op("%s %s, %s, %s", name, m.operand(x, i), m.v(a[i]), m.v(d[i]))
	}
}

// operand is register i of a block, or where it lies in memory.
func (m *amd64) operand(x any, i int) string {
	switch x := x.(type) {
	case Block:
		return m.v(x[i])
	case Addr:
		return m.a(x.Plus(i * m.k.Tier.bytes()))
	case Bits:
		return m.k.f.bytesOf(uint32(x), 16)
	case Lanes:
		return fmt.Sprintf("%s<>+%d(SB)", m.k.f.lanesOf(x), i*m.k.Tier.bytes())
	}
	panic(fmt.Sprintf("operand of type %T", x))
}

func (m *amd64) sqrt(d, a Block) {
	for i := range d {
		m.k.op("VSQRTPS %s, %s", m.v(a[i]), m.v(d[i]))
	}
}

func (m *amd64) shift(s Shift, d, a Block, n int) {
	name := [...]string{Left: "VPSLLD", RightSigned: "VPSRAD", RightZeros: "VPSRLD"}[s]
	for i := range d {
		m.k.op("%s $%d, %s, %s", name, n, m.v(a[i]), m.v(d[i]))
	}
}

func (m *amd64) reduce(op Op, b Block) {
	r, t, name := b[0], m.k.borrow(1), amd64Ops[op][1]
	if m.wide() {
		m.k.op("VEXTRACTF64X4 $1, Z%d, Y%d", r, t)
		m.k.op("%s Y%d, Y%d, Y%d", name, t, r, r)
	} else {
		m.k.op("%s Y%d, Y%d, Y%d", name, b[1], r, r)
	}
	m.k.op("VEXTRACTF128 $1, Y%d, X%d", r, t)
	m.k.op("%s X%d, X%d, X%d", name, t, r, r)
	m.k.op("VMOVHLPS X%d, X%d, X%d", r, r, t)
	m.k.op("%s X%d, X%d, X%d", name, t, r, r)
	m.k.op("VMOVSHDUP X%d, X%d", r, t)
	m.k.op("%s X%d, X%d, X%d", name, t, r, r)
	m.k.op("VMOVSS X%d, %s", r, m.a(m.k.ArgAddr(m.k.result)))
}

// amd64Predicates are those of VCMPPS, for the order of Intel's manuals.
var amd64Predicates = [predicates]int{Equal: 0, Less: 1, Unordered: 3, NotAtMost: 6}

func (m *amd64) compare(to Mask, p Predicate, a, b Block) {
	if p == IntsAbove {
		for i := range a {
			m.k.op("VPCMPGTD %s, %s, %s", m.v(b[i]), m.v(a[i]), m.maskPart(to, i))
		}
		return
	}
	if m.wide() {
		m.k.op("VCMPPS $%d, %s, %s, %s", amd64Predicates[p], m.v(b[0]), m.v(a[0]), m.mask(to))
		return
	}
	for i, v := range to.bits {
		m.k.op("VCMPPS $%d, %s, %s, %s", amd64Predicates[p], m.v(b[i]), m.v(a[i]), m.v(v))
	}
}

// Predicate 7 is "ordered".
func (m *amd64) newMaximum(to Mask, x, best Block) {
	m.compare(to, NotAtMost, x, best)
	if m.wide() {
		m.k.op("VCMPPS $7, %s, %s, %s, %s", m.v(best[0]), m.v(best[0]), m.mask(to), m.mask(to))
		return
	}
	for i, v := range to.bits {
		t := m.k.borrow(1)
		m.k.op("VCMPPS $7, %s, %s, %s", m.v(best[i]), m.v(best[i]), m.v(t))
		m.k.op("VANDPS %s, %s, %s", m.v(t), m.v(v), m.v(v))
	}
}

// maskPart is a mask register, or register i of the block.
func (m *amd64) maskPart(x Mask, i int) string {
	if m.wide() {
		return m.mask(x)
	}
	return m.v(x.bits[i])
}

func (m *amd64) compareIn(to, in Mask, p Predicate, a, b Block) {
	if m.wide() {
		m.k.op("VCMPPS $%d, %s, %s, %s, %s", amd64Predicates[p], m.v(b[0]), m.v(a[0]), m.mask(in), m.mask(to))
		return
	}
	m.compare(to, p, a, b)
	m.combine("and", to, in)
}

func (m *amd64) combine(op string, x, o Mask) {
	if m.wide() {
		m.k.op("%s %s, %s, %s", map[string]string{"and": "KANDW", "or": "KORW", "without": "KANDNW"}[op], m.pickMask(op, x, o), m.pickMask(op, o, x), m.mask(x))
		return
	}
	for i, v := range x.bits {
		if op == "without" { // the first source, which Go writes second, is inverted
			m.k.op("VANDNPS %s, %s, %s", m.v(v), m.v(o.bits[i]), m.v(v))
			continue
		}
		m.k.op("%s %s, %s, %s", map[string]string{"and": "VANDPS", "or": "VORPS"}[op], m.v(o.bits[i]), m.v(v), m.v(v))
	}
}

// pickMask is x for KANDNW, whose first source, which Go writes second, is inverted, else o.
func (m *amd64) pickMask(op string, x, o Mask) string {
	if op == "without" {
		return m.mask(x)
	}
	return m.mask(o)
}

func (m *amd64) merge(d, x Block, by Mask) {
	if m.wide() {
		m.k.op("VMOVAPS %s, %s, %s", m.v(x[0]), m.mask(by), m.v(d[0]))
		return
	}
	for i, v := range by.bits {
		m.k.op("VBLENDVPS %s, %s, %s, %s", m.v(v), m.v(x[i]), m.v(d[i]), m.v(d[i]))
	}
}

func (m *amd64) keep(d, x Block, by Mask) {
	if m.wide() {
		m.k.op("VMOVAPS.Z %s, %s, %s", m.v(x[0]), m.mask(by), m.v(d[0]))
		return
	}
	for i, v := range by.bits {
		m.k.op("VANDPS %s, %s, %s", m.v(x[i]), m.v(v), m.v(d[i]))
	}
}

func (m *amd64) drop(d Block, by Mask) {
	if m.wide() {
		m.k.op("VPXORD %s, %s, %s, %s", m.v(d[0]), m.v(d[0]), m.mask(by), m.v(d[0]))
		return
	}
	for i, v := range by.bits {
		m.k.op("VANDNPS %s, %s, %s", m.v(d[i]), m.v(v), m.v(d[i]))
	}
}

func (m *amd64) addWhere(d, x Block, by Mask) {
	if m.wide() {
		m.k.op("VADDPS %s, %s, %s, %s", m.v(x[0]), m.v(d[0]), m.mask(by), m.v(d[0]))
		return
	}
	m.keep(by.bits, x, by)
	m.do(Add, d, d, by.bits)
}

func (m *amd64) storeMask(x Mask, a Addr) {
	if m.wide() {
		m.k.op("KMOVW %s, %s", m.mask(x), m.a(a))
		return
	}
	m.k.Scope(func() {
		r := m.k.Reg()
		for i, v := range x.bits {
			m.k.op("VMOVMSKPS %s, %s", m.v(v), m.r(r))
			m.k.op("MOVB %s, %s", m.r(r), m.a(a.Plus(i)))
		}
	})
}

func (m *amd64) loadMask(x Mask, a Addr) {
	if m.wide() {
		m.k.op("KMOVW %s, %s", m.a(a), m.mask(x))
		return
	}
	bits := laneBits(true)
	for i, v := range x.bits {
		m.k.op("VPBROADCASTB %s, %s", m.a(a.Plus(i)), m.v(v))
		m.k.op("VPAND %s, %s, %s", m.operand(bits, i), m.v(v), m.v(v))
		m.k.op("VPCMPEQD %s, %s, %s", m.operand(bits, i), m.v(v), m.v(v))
	}
}

func (m *amd64) anySelected(r Reg, x Mask) {
	if m.wide() {
		m.k.op("KMOVW %s, %s", m.mask(x), m.r(r))
		return
	}
	m.k.op("VORPS %s, %s, %s", m.v(x.bits[1]), m.v(x.bits[0]), m.v(x.bits[0]))
	m.k.op("VMOVMSKPS %s, %s", m.v(x.bits[0]), m.r(r))
}

// gather takes a mask that its instruction clears lane by lane.
func (m *amd64) gather(d Block, base Reg, index Block) {
	for i := range d {
		at := fmt.Sprintf("(%s)(%s*4)", m.r(base), m.v(index[i]))
		m.zero(d[i])
		if m.wide() {
			m.k.Scope(func() {
				x := m.k.Mask()
				m.k.op("KXNORW %s, %s, %s", m.mask(x), m.mask(x), m.mask(x))
				m.k.op("VGATHERDPS %s, %s, %s", at, m.mask(x), m.v(d[i]))
			})
			continue
		}
		t := m.k.borrow(1)
		m.k.op("VPCMPEQD %s, %s, %s", m.v(t), m.v(t), m.v(t))
		m.k.op("VGATHERDPS %s, %s, %s", m.v(t), at, m.v(d[i]))
	}
}

// wideMasks are, with AVX-512, the masks of the even and of the odd lanes.
func (m *amd64) wideMasks() (even, odd Mask) {
	if !m.wide() {
		return
	}
	even, odd = m.k.Mask(), m.k.Mask()
	m.k.Scope(func() {
		r := m.k.Reg()
		for _, x := range []struct {
			m    Mask
			bits int
		}{{even, 0x5555}, {odd, 0xaaaa}} {
			m.setInt(r, x.bits)
			m.k.op("KMOVW %s, %s", m.r(r), m.mask(x.m))
		}
	})
	return even, odd
}

func (m *amd64) mulWide(lo, hi, x V, w *WideMul) {
	factor, odds := m.k.f.bytesOf(uint32(w.factor), 16), m.k.borrow(1)
	m.k.op("VPMULUDQ %s, %s, %s", factor, m.v(x), m.v(hi))
	m.k.op("VPSRLQ $32, %s, %s", m.v(x), m.v(odds))
	m.k.op("VPMULUDQ %s, %s, %s", factor, m.v(odds), m.v(odds))
	m.k.op("VPSLLQ $32, %s, %s", m.v(odds), m.v(lo))
	if m.wide() {
		m.k.op("VMOVDQA32 %s, %s, %s", m.v(hi), m.mask(w.even), m.v(lo))
	} else {
		m.k.op("VPBLENDD $0x55, %s, %s, %s", m.v(hi), m.v(lo), m.v(lo))
	}
	m.k.op("VPSRLQ $32, %s, %s", m.v(hi), m.v(hi))
	if m.wide() {
		m.k.op("VMOVDQA32 %s, %s, %s", m.v(odds), m.mask(w.odd), m.v(hi))
	} else {
		m.k.op("VPBLENDD $0xaa, %s, %s, %s", m.v(odds), m.v(hi), m.v(hi))
	}
}

func (m *amd64) interleave(d, a, b V, high, pairs bool) {
	name := map[[2]bool]string{{false, false}: "VPUNPCKLDQ", {true, false}: "VPUNPCKHDQ", {false, true}: "VPUNPCKLQDQ", {true, true}: "VPUNPCKHQDQ"}[[2]bool{high, pairs}]
	m.k.op("%s %s, %s, %s", name, m.v(b), m.v(a), m.v(d))
}

func (m *amd64) fillBits(d V, c Bits) { m.constant(d, math.Float32frombits(uint32(c))) }
