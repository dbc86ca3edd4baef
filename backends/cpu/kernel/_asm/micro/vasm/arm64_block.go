package vasm

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/a64"
)

// arm64Ops are the names of the operations that are one instruction.
var arm64Ops = [...]string{Add: "fadd", Sub: "fsub", Mul: "fmul", Div: "fdiv", And: "and", Or: "orr", Xor: "eor", AddInts: "add", SubInts: "sub"}

func (m *arm64) do(op Op, d, a Block, x any) {
	switch x := x.(type) {
	case Block:
		for i := range d {
			m.one(op, d[i], a[i], x[i])
		}
	case Bits:
		m.k.Scope(func() {
			t := m.k.V()
			m.fillBits(t, x)
			for i := range d {
				m.one(op, d[i], a[i], t)
			}
		})
	case Addr:
		m.inPairs(len(d), func(t []V, i int) {
			m.load(t, x.Plus(16*i))
			for j, v := range t {
				m.one(op, d[i+j], a[i+j], v)
			}
		})
	case Lanes:
		m.op("MOVD $%s<>(SB), %s", m.k.f.lanesOf(x), m.r(armTemp))
		m.inPairs(len(d), func(t []V, i int) {
			m.load(t, At(armTemp, 16*i))
			for j, v := range t {
				m.one(op, d[i+j], a[i+j], v)
			}
		})
	default:
		panic(fmt.Sprintf("operand of type %T", x))
	}
}

// inPairs calls body for pairs of a block's registers, with as many that are free.
func (m *arm64) inPairs(n int, body func(t []V, i int)) {
	for i := 0; i < n; i += 2 {
		m.k.Scope(func() { body(m.k.Vs(min(2, n-i)), i) })
	}
}

// one is d = a op x. FMAX knows no order of zeros or NaNs, so a maximum is a comparison and a
// selection.
func (m *arm64) one(op Op, d, a, x V) {
	if op != Max && op != Min {
		m.three(arm64Ops[op], d, a, x)
		return
	}
	t := d
	if d == a || d == x {
		t = m.k.borrow(1)
	}
	if op == Max {
		m.three("fcmgt", t, a, x)
	} else {
		m.three("fcmgt", t, x, a)
	}
	switch {
	case d == x:
		m.three("bit", d, a, t)
	case d == a:
		m.three("bif", d, x, t)
	default:
		m.three("bsl", d, a, x)
	}
}

func (m *arm64) sqrt(d, a Block) {
	for i := range d {
		m.w(a64.Two("fsqrt", a64.V(d[i]), a64.V(a[i])))
	}
}

func (m *arm64) shift(s Shift, d, a Block, n int) {
	for i := range d {
		m.w(a64.Shift([...]string{Left: "shl", RightSigned: "sshr", RightZeros: "ushr"}[s], a64.V(d[i]), a64.V(a[i]), n))
	}
}

func (m *arm64) reduce(op Op, b Block) {
	m.one(op, b[0], b[0], b[2])
	m.one(op, b[1], b[1], b[3])
	m.one(op, b[0], b[0], b[1])
	for _, bytes := range []int{8, 4} {
		m.w(a64.Ext(a64.V(b[1]), a64.V(b[0]), a64.V(b[0]), bytes))
		m.one(op, b[0], b[0], b[1])
	}
	m.op("FMOVS F%d, %s", b[0], m.a(m.k.ArgAddr(m.k.result)))
}

func (m *arm64) compare(to Mask, p Predicate, a, b Block) {
	for i, d := range to.bits {
		switch p {
		case Equal:
			m.three("fcmeq", d, a[i], b[i])
		case Less:
			m.three("fcmgt", d, b[i], a[i])
		case NotAtMost:
			m.three("fcmge", d, b[i], a[i])
		case IntsAbove:
			m.three("cmgt", d, a[i], b[i])
		case Unordered:
			m.three("fcmeq", d, a[i], a[i])
			if a[i] != b[i] {
				t := m.k.borrow(1)
				m.three("fcmeq", t, b[i], b[i])
				m.three("and", d, d, t)
			}
		}
		if p == NotAtMost || p == Unordered {
			m.w(a64.Two("not", a64.V(d), a64.V(d)))
		}
	}
}

func (m *arm64) newMaximum(to Mask, x, best Block) {
	for i, d := range to.bits {
		t := m.k.borrow(1)
		m.three("fcmge", d, best[i], x[i])
		m.three("fcmeq", t, best[i], best[i])
		m.three("bic", d, t, d)
	}
}

func (m *arm64) compareIn(to, in Mask, p Predicate, a, b Block) {
	m.compare(to, p, a, b)
	m.combine("and", to, in)
}

func (m *arm64) combine(op string, x, o Mask) {
	for i, d := range x.bits {
		m.three(map[string]string{"and": "and", "or": "orr", "without": "bic"}[op], d, d, o.bits[i])
	}
}

func (m *arm64) merge(d, x Block, by Mask) {
	for i := range d {
		m.three("bit", d[i], x[i], by.bits[i])
	}
}

func (m *arm64) keep(d, x Block, by Mask) {
	for i := range d {
		m.three("and", d[i], x[i], by.bits[i])
	}
}

func (m *arm64) drop(d Block, by Mask) {
	for i := range d {
		m.three("bic", d[i], d[i], by.bits[i])
	}
}

func (m *arm64) addWhere(d, x Block, by Mask) {
	m.keep(by.bits, x, by)
	m.do(Add, d, d, by.bits)
}

// The lanes keep their bits; each is a power of 2, so the sum of all is the 16 bits.
func (m *arm64) storeMask(x Mask, a Addr) {
	t := Block{m.k.borrow(4), m.k.borrow(4), m.k.borrow(4), m.k.borrow(4)}
	m.op("MOVD $%s<>(SB), %s", m.k.f.lanesOf(laneBits(false)), m.r(armTemp))
	m.load(t, At(armTemp, 0))
	for i, v := range x.bits {
		m.three("and", t[i], t[i], v)
	}
	m.three("orr", t[0], t[0], t[1])
	m.three("orr", t[2], t[2], t[3])
	m.three("orr", t[0], t[0], t[2])
	m.w(a64.Two("addv", a64.V(t[0]), a64.V(t[0])))
	m.op("FMOVS F%d, %s", t[0], m.r(armTemp))
	m.op("MOVH %s, %s", m.r(armTemp), m.a(a))
}

func (m *arm64) loadMask(x Mask, a Addr) {
	m.k.Scope(func() {
		t := m.k.V()
		m.op("MOVHU %s, %s", m.a(a), m.r(armTemp))
		m.op("VMOV %s, V%d.S4", m.r(armTemp), t)
		m.op("MOVD $%s<>(SB), %s", m.k.f.lanesOf(laneBits(false)), m.r(armTemp))
		m.load(x.bits, At(armTemp, 0))
		for _, v := range x.bits {
			u := m.k.borrow(1)
			m.three("and", u, v, t)
			m.three("cmeq", v, v, u)
		}
	})
}

func (m *arm64) anySelected(r Reg, x Mask) {
	b := x.bits
	m.three("orr", b[0], b[0], b[1])
	m.three("orr", b[2], b[2], b[3])
	m.three("orr", b[0], b[0], b[2])
	m.w(a64.Two("umaxv", a64.V(b[0]), a64.V(b[0])))
	m.op("FMOVS F%d, %s", b[0], m.r(r))
}

func (m *arm64) gather(Block, Reg, Block) { panic("NEON gathers nothing") }

func (m *arm64) wideMasks() (even, odd Mask) { return }

func (m *arm64) mulWide(lo, hi, x V, w *WideMul) {
	odds := m.k.borrow(1)
	m.three("umull", hi, x, w.v)
	m.three("umull2", odds, x, w.v)
	m.three("mul", lo, x, w.v)
	m.three("uzp2", hi, hi, odds)
}

func (m *arm64) interleave(d, a, b V, high, pairs bool) {
	name := map[bool]string{false: "zip1", true: "zip2"}[high]
	if pairs {
		name += ".d"
	}
	m.three(name, d, a, b)
}

func (m *arm64) fillBits(d V, c Bits) {
	if c == 0 {
		m.zero(d)
		return
	}
	m.op("MOVD $0x%08x, %s", uint32(c), m.r(armTemp))
	m.op("VMOV %s, V%d.S4", m.r(armTemp), d)
}
