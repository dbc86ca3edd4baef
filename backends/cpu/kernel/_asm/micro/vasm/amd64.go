package vasm

import (
	"fmt"
	"math"
)

// amd64 prints AVX-512 and AVX2.
type amd64 struct{ k *Func }

var amd64Names = [...]string{"AX", "BX", "CX", "DX", "SI", "DI", "R8", "R9", "R10", "R11", "R12", "R13", "R15", "R14"}

// amd64Regs lists the general registers that a function without a frame may use.
func amd64Regs() (l []Reg) {
	for i := range amd64Names {
		l = append(l, Reg(i))
	}
	return l
}

func (m *amd64) wide() bool { return m.k.Tier == AVX512 }

func (m *amd64) v(r V) string {
	if m.wide() {
		return fmt.Sprintf("Z%d", r)
	}
	return fmt.Sprintf("Y%d", r)
}

func (m *amd64) r(r Reg) string { return amd64Names[r] }

func (m *amd64) a(a Addr) string {
	if a.arg != "" {
		return a.arg
	}
	s := a.Field
	switch {
	case a.Disp != 0 && s != "":
		s += fmt.Sprintf("+%d", a.Disp)
	case a.Disp != 0:
		s = fmt.Sprint(a.Disp)
	}
	s += "(" + m.r(a.Base) + ")"
	if a.Index != noReg {
		s += fmt.Sprintf("(%s*%d)", m.r(a.Index), a.Scale)
	}
	return s
}

func (m *amd64) load(d []V, a Addr) {
	for i, v := range d {
		m.k.op("VMOVUPS %s, %s", m.a(a.Plus(i*m.k.Tier.bytes())), m.v(v))
	}
}

func (m *amd64) store(s []V, a Addr) {
	for i, v := range s {
		m.k.op("VMOVUPS %s, %s", m.v(v), m.a(a.Plus(i*m.k.Tier.bytes())))
	}
}

func (m *amd64) copyV(d, s V) { m.k.op("VMOVAPS %s, %s", m.v(s), m.v(d)) }

func (m *amd64) zero(d V) {
	if d < 16 { // an instruction on 128 bits zeroes the whole register
		m.k.op("VXORPS X%d, X%d, X%d", d, d, d)
		return
	}
	m.k.op("VPXORD %s, %s, %s", m.v(d), m.v(d), m.v(d))
}

func (m *amd64) fma(d, a, b V) { m.k.op("VFMADD231PS %s, %s, %s", m.v(b), m.v(a), m.v(d)) }

func (m *amd64) fnma(d, a, b V) { m.k.op("VFNMADD231PS %s, %s, %s", m.v(b), m.v(a), m.v(d)) }

func (m *amd64) fmaMem(d, a V, b Addr) { m.k.op("VFMADD231PS %s, %s, %s", m.a(b), m.v(a), m.v(d)) }

func (m *amd64) fmaConst(d, a V, c float32, negative bool) {
	op := "VFMADD231PS"
	if negative {
		op = "VFNMADD231PS"
	}
	m.k.op("%s %s, %s, %s", op, m.k.f.bytesOf(math.Float32bits(c), 16), m.v(a), m.v(d))
}

func (m *amd64) loadConsts([]float32) {}

func (m *amd64) constant(d V, c float32) {
	m.k.op("VBROADCASTSS %s, %s", m.k.f.bytesOf(math.Float32bits(c), 1), m.v(d))
}

func (m *amd64) broadcastArg(d V, name string, off int) {
	m.k.op("VBROADCASTSS %s+%d(FP), %s", name, off, m.v(d))
}

func (m *amd64) scaleAdd(d []V, scale V, a Addr) {
	for i, v := range d {
		m.k.op("VFMADD213PS %s, %s, %s", m.a(a.Plus(i*m.k.Tier.bytes())), m.v(scale), m.v(v))
	}
}

// The value comes second: that is the result if it is NaN or a zero.
func (m *amd64) maxZero(d, zero V) { m.k.op("VMAXPS %s, %s, %s", m.v(d), m.v(zero), m.v(d)) }

// The value comes second here, too.
func (m *amd64) limit(d, most V) { m.k.op("VMINPS %s, %s, %s", m.v(d), m.v(most), m.v(d)) }

// Predicate 9 is "not at least": true where zero is below what lies in memory, or that is NaN.
func (m *amd64) keepPositive(d []V, a Addr, zero V, n int) {
	defer m.k.line()()
	for i, v := range d {
		at := m.a(a.Plus(i * m.k.Tier.bytes()))
		if m.wide() {
			mask := 1 + n%4
			m.k.op("VCMPPS $9, %s, %s, K%d", at, m.v(zero), mask)
			m.k.op("VMOVAPS.Z %s, K%d, %s", m.v(v), mask, m.v(v))
			continue
		}
		t := m.k.temp()
		m.k.op("VCMPPS $9, %s, %s, %s", at, m.v(zero), m.v(t))
		m.k.op("VANDPS %s, %s, %s", m.v(t), m.v(v), m.v(v))
	}
}

func (m *amd64) broadcast(d V, a Addr) { m.k.op("VBROADCASTSS %s, %s", m.a(a), m.v(d)) }

func (m *amd64) multiplyAdd(acc, weights []V, x *Scalars, line, element int) {
	defer m.k.line()()
	at := x.l.At(line, 4*element)
	if m.wide() && len(acc) == 1 {
		m.k.op("VFMADD231PS.BCST %s, %s, %s", m.a(at), m.v(weights[0]), m.v(acc[0]))
		return
	}
	t := m.k.temp()
	m.broadcast(t, at)
	for i, d := range acc {
		m.k.op("VFMADD231PS %s, %s, %s", m.v(t), m.v(weights[i]), m.v(d))
	}
}

func (m *amd64) multiplyAddMem(acc, x []V, a Addr) {
	defer m.k.line()()
	t := m.k.temp()
	m.broadcast(t, a)
	for i, d := range acc {
		m.k.op("VFMADD231PS %s, %s, %s", m.v(x[i]), m.v(t), m.v(d))
	}
}

func (m *amd64) multiplyAddSpread(s *Spread, a Addr, acc, weights [][]V) {
	defer m.k.line()()
	x := s.x[0]
	switch {
	case s.width == 1:
		m.load(s.x, a)
	case s.indexed:
		m.k.op("VPERMPS %s, %s, %s", m.a(a), m.v(s.index), m.v(x))
	default: // a group fills the register
		m.broadcast(x, a)
	}
	for i, d := range acc {
		m.fma(d[0], weights[i][0], x)
	}
}

func (m *amd64) addToMem(a Addr, s Reg) { m.k.op("ADDQ %s, %s", m.r(s), m.a(a)) }

func (m *amd64) repeatMem(a Addr, label string) {
	m.k.op("DECQ %s", m.a(a))
	m.conditional(true, label)
}

func (m *amd64) subtractIf(r Reg, n int, less bool, label string) {
	m.k.op("SUBQ $%d, %s", n, m.r(r))
	if less {
		m.k.op("JLT %s", label)
	} else {
		m.k.op("JGE %s", label)
	}
}

func (m *amd64) prefetch(level int, a Addr) { m.k.op("PREFETCHT%d %s", level-1, m.a(a)) }

func (m *amd64) arg(d Reg, name string, off int) { m.k.op("MOVQ %s+%d(FP), %s", name, off, m.r(d)) }
func (m *amd64) loadInt(d Reg, a Addr)           { m.k.op("MOVQ %s, %s", m.a(a), m.r(d)) }
func (m *amd64) storeInt(s Reg, a Addr)          { m.k.op("MOVQ %s, %s", m.r(s), m.a(a)) }
func (m *amd64) addMem(d Reg, a Addr)            { m.k.op("ADDQ %s, %s", m.a(a), m.r(d)) }
func (m *amd64) move(d, s Reg)                   { m.k.op("MOVQ %s, %s", m.r(s), m.r(d)) }
func (m *amd64) add(d, s Reg)                    { m.k.op("ADDQ %s, %s", m.r(s), m.r(d)) }

func (m *amd64) addScaled(d, a, s Reg, scale int) {
	m.k.op("LEAQ (%s)(%s*%d), %s", m.r(a), m.r(s), scale, m.r(d))
}

func (m *amd64) addInt(d Reg, n int)        { m.k.op("ADDQ $%d, %s", n, m.r(d)) }
func (m *amd64) andMask(d Reg, mask string) { m.k.op("ANDQ $%s, %s", mask, m.r(d)) }

func (m *amd64) leaInt(d, s Reg, n int) { m.k.op("LEAQ %d(%s), %s", n, m.r(s), m.r(d)) }
func (m *amd64) setInt(d Reg, n int)    { m.k.op("MOVQ $%d, %s", n, m.r(d)) }
func (m *amd64) sub(d, s Reg)           { m.k.op("SUBQ %s, %s", m.r(s), m.r(d)) }
func (m *amd64) mulInt(d, s Reg, n int) { m.k.op("IMUL3Q $%d, %s, %s", n, m.r(s), m.r(d)) }
func (m *amd64) shiftLeft(d Reg, n int) { m.k.op("SHLQ $%d, %s", n, m.r(d)) }

func (m *amd64) shiftRight(d Reg, n int) { m.k.op("SHRQ $%d, %s", n, m.r(d)) }

func (m *amd64) jumpCompare(r Reg, n int, less bool, label string) {
	m.k.op("CMPQ %s, $%d", m.r(r), n)
	if less {
		m.k.op("JLT %s", label)
	} else {
		m.k.op("JGE %s", label)
	}
}

func (m *amd64) jump(label string) { m.k.op("JMP %s", label) }

func (m *amd64) jumpIfZero(r Reg, zero bool, label string) {
	m.k.op("TESTQ %s, %s", m.r(r), m.r(r))
	m.conditional(!zero, label)
}

func (m *amd64) jumpIfMask(r Reg, mask string, any bool, label string) {
	m.k.op("TESTQ $%s, %s", mask, m.r(r))
	m.conditional(any, label)
}

func (m *amd64) conditional(notZero bool, label string) {
	if notZero {
		m.k.op("JNZ %s", label)
	} else {
		m.k.op("JZ %s", label)
	}
}

func (m *amd64) subtractJump(r Reg, n int, label string) {
	m.k.op("SUBQ $%d, %s", n, m.r(r))
	m.conditional(true, label)
}

func (m *amd64) align(n int) { m.k.op("PCALIGN $%d", n) }

func (m *amd64) ret() {
	m.k.op("VZEROUPPER")
	m.k.op("RET")
}
