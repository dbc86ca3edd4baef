package vasm

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/a64"
)

// arm64 prints NEON. Go's assembler has names for few of its instructions, so most are words
// that package a64 encodes.
type arm64 struct{ k *Func }

func (m *arm64) op(format string, a ...any) { m.k.op(format, a...) }

func (m *arm64) w(w a64.Word) {
	m.k.texts = append(m.k.texts, w.Text)
	m.op("WORD $0x%08x", w.Bits)
}

// arm64Regs lists the general registers that a function may use: R18 belongs to the platform,
// R27 to the assembler, R28 to the goroutine, R29 and R30 to the frame. R26 is this printer's.
func arm64Regs() (l []Reg) {
	for i := range 27 {
		if i != 18 && i != armTemp {
			l = append(l, Reg(i))
		}
	}
	return l
}

const armTemp = 26

func (m *arm64) r(r Reg) string { return fmt.Sprintf("R%d", r) }

// a is an address for an instruction of Go's assembler.
func (m *arm64) a(a Addr) string {
	if a.arg != "" {
		return a.arg
	}
	if a.Index != noReg {
		panic("arm64 has no such address")
	}
	s := a.Field
	switch {
	case a.Disp != 0 && s != "":
		s += fmt.Sprintf("+%d", a.Disp)
	case a.Disp != 0:
		s = fmt.Sprint(a.Disp)
	}
	return s + "(" + m.r(a.Base) + ")"
}

// place is an address for a word. With an index it is computed first.
func (m *arm64) place(a Addr) (a64.X, int) {
	if a.Field != "" {
		panic("a64 has no such address")
	}
	if a.Index != noReg {
		m.addScaled(armTemp, a.Base, a.Index, a.Scale)
		return armTemp, a.Disp
	}
	return a64.X(a.Base), a.Disp
}

func (m *arm64) load(d []V, a Addr) {
	defer m.k.line()()
	if len(d) == 1 && a.Index != noReg && a.Scale == 1 && a.Disp == 0 {
		m.w(a64.LoadQIndex(a64.V(d[0]), a64.X(a.Base), a64.X(a.Index)))
		return
	}
	x, off := m.place(a)
	for ; len(d) > 1; d, off = d[2:], off+32 {
		if off > 1008 { // farther than a pair may lie
			m.w(a64.LoadQ(a64.V(d[0]), x, off))
			m.w(a64.LoadQ(a64.V(d[1]), x, off+16))
			continue
		}
		m.w(a64.LoadPair(a64.V(d[0]), a64.V(d[1]), x, off))
	}
	if len(d) == 1 {
		m.w(a64.LoadQ(a64.V(d[0]), x, off))
	}
}

func (m *arm64) store(s []V, a Addr) {
	defer m.k.line()()
	x, off := m.place(a)
	for ; len(s) > 1; s, off = s[2:], off+32 {
		m.w(a64.StorePair(a64.V(s[0]), a64.V(s[1]), x, off))
	}
	if len(s) == 1 {
		m.w(a64.StoreQ(a64.V(s[0]), x, off))
	}
}

func (m *arm64) three(op string, d, a, b V) { m.w(a64.Three(op, a64.V(d), a64.V(a), a64.V(b))) }

func (m *arm64) copyV(d, s V)  { m.three("orr", d, s, s) }
func (m *arm64) zero(d V)      { m.w(a64.Clear(a64.V(d))) }
func (m *arm64) fma(d, a, b V) { m.three("fmla", d, a, b) }

func (m *arm64) fnma(d, a, b V) { m.three("fmls", d, a, b) }

func (m *arm64) fmaMem(d, a V, b Addr) {
	defer m.k.line()()
	t := m.k.temp()
	m.load([]V{t}, b)
	m.fma(d, a, t)
}

func (m *arm64) constant(d V, c float32) {
	defer m.k.line()()
	m.op("MOVD $0x%08x, %s", math.Float32bits(c), m.r(armTemp))
	m.op("VMOV %s, V%d.S4", m.r(armTemp), d)
}

// loadConsts puts four constants into a register.
func (m *arm64) loadConsts(c []float32) {
	m.k.consts, m.k.element = map[float32]V{}, map[float32]int{}
	var v V
	n := 0
	for _, x := range c {
		if _, ok := m.k.consts[x]; ok {
			continue
		}
		if n%4 == 0 {
			v = m.k.V()
		}
		m.op("MOVD $0x%08x, %s", math.Float32bits(x), m.r(armTemp))
		m.op("VMOV %s, V%d.S[%d]", m.r(armTemp), v, n%4)
		m.k.consts[x], m.k.element[x] = v, n%4
		n++
	}
}

func (m *arm64) fmaConst(d, a V, c float32, negative bool) {
	v, ok := m.k.consts[c]
	if !ok {
		panic("a constant that LoadConsts has not loaded")
	}
	op := "fmla"
	if negative {
		op = "fmls"
	}
	m.w(a64.Element(op, a64.V(d), a64.V(a), a64.V(v), m.k.element[c]))
}

func (m *arm64) broadcastArg(d V, name string, off int) {
	defer m.k.line()()
	m.op("FMOVS %s+%d(FP), F%d", name, off, d)
	m.w(a64.Dup(a64.V(d), a64.V(d), 0))
}

// The sum grows in a temporary, since FMLA overwrites what it adds to.
func (m *arm64) scaleAdd(d []V, scale V, a Addr) {
	defer m.k.line()()
	for i := 0; i < len(d); i += 2 {
		pair := d[i:min(i+2, len(d))]
		t := make([]V, len(pair))
		for j := range t {
			t[j] = m.k.temp()
		}
		m.load(t, a.Plus(16*i))
		for j, v := range pair {
			m.w(a64.Element("fmla", a64.V(t[j]), a64.V(v), a64.V(scale), 0))
			m.copyV(v, t[j])
		}
	}
}

// FMAX would make +0 of -0, so lanes below zero are cleared instead.
func (m *arm64) maxZero(d, zero V) {
	defer m.k.line()()
	t := m.k.temp()
	m.w(a64.Zero("fcmlt", a64.V(t), a64.V(d)))
	m.three("bic", d, d, t)
}

func (m *arm64) limit(d, most V) { m.three("fmin", d, d, most) }

func (m *arm64) keepPositive(d []V, a Addr, zero V, n int) {
	defer m.k.line()()
	for i := 0; i < len(d); i += 2 {
		pair := d[i:min(i+2, len(d))]
		t := make([]V, len(pair))
		for j := range t {
			t[j] = m.k.temp()
		}
		m.load(t, a.Plus(16*i))
		for j, v := range pair {
			m.w(a64.Zero("fcmle", a64.V(t[j]), a64.V(t[j])))
			m.three("bic", v, v, t[j])
		}
	}
}

// broadcast fills element 0 alone where the value is used by element: scaleAdd does so.
func (m *arm64) broadcast(d V, a Addr) {
	defer m.k.line()()
	m.op("FMOVS %s, F%d", m.a(a), d)
	m.w(a64.Dup(a64.V(d), a64.V(d), 0))
}

// loadScalars loads a register of each line and, behind four scalars, moves on.
func (m *arm64) loadScalars(s *Scalars) {
	for q, v := range s.v {
		if s.l.fixed > 0 {
			m.load([]V{v}, s.l.At(q, 0))
			continue
		}
		if s.n == 4 {
			m.w(a64.LoadQIndex(a64.V(v), a64.X(s.l.ptr[q]), a64.X(s.l.off)))
		} else {
			m.w(a64.LoadSIndex(a64.V(v), a64.X(s.l.ptr[q]), a64.X(s.l.off)))
		}
	}
	if s.n == 4 && s.l.fixed == 0 {
		m.addInt(s.l.off, 16)
	}
}

func (m *arm64) multiplyAdd(acc, weights []V, x *Scalars, line, element int) {
	defer m.k.line()()
	for i, d := range acc {
		m.w(a64.Element("fmla", a64.V(d), a64.V(weights[i]), a64.V(x.v[line]), element))
	}
}

func (m *arm64) multiplyAddMem(acc, x []V, a Addr) {
	defer m.k.line()()
	t := m.k.temp()
	if a.Index != noReg && a.Scale == 1 && a.Disp == 0 {
		m.w(a64.LoadSIndex(a64.V(t), a64.X(a.Base), a64.X(a.Index)))
	} else {
		base, off := m.place(a)
		m.w(a64.LoadS(a64.V(t), base, off))
	}
	for i, d := range acc {
		m.w(a64.Element("fmla", a64.V(d), a64.V(x[i]), a64.V(t), 0))
	}
}

func (m *arm64) multiplyAddSpread(s *Spread, a Addr, acc, weights [][]V) {
	defer m.k.line()()
	if s.width == 1 {
		m.load(s.x, a)
		for i, d := range acc {
			for j, x := range s.x {
				m.fma(d[j], weights[i][j], x)
			}
		}
		return
	}
	for j, x := range s.x { // one a group
		base, off := m.place(a.Plus(4 * s.width * j))
		m.w(a64.LoadS(a64.V(x), base, off))
	}
	for i, d := range acc {
		for j := range d {
			m.w(a64.Element("fmla", a64.V(d[j]), a64.V(weights[i][j]), a64.V(s.x[j*4/s.width]), 0))
		}
	}
}

func (m *arm64) addToMem(a Addr, s Reg) {
	defer m.k.line()()
	m.loadInt(armTemp, a)
	m.add(armTemp, s)
	m.storeInt(armTemp, a)
}

func (m *arm64) repeatMem(a Addr, label string) {
	m.loadInt(armTemp, a)
	m.op("SUBS $1, %s", m.r(armTemp))
	m.storeInt(armTemp, a)
	m.op("BNE %s", label)
}

func (m *arm64) subtractIf(r Reg, n int, less bool, label string) {
	m.op("SUBS $%d, %s", n, m.r(r))
	if less {
		m.op("BLT %s", label)
	} else {
		m.op("BGE %s", label)
	}
}

func (m *arm64) prefetch(level int, a Addr) {
	defer m.k.line()()
	x, off := m.place(a)
	m.w(a64.Prefetch(level, false, x, off))
}

func (m *arm64) arg(d Reg, name string, off int) { m.op("MOVD %s+%d(FP), %s", name, off, m.r(d)) }
func (m *arm64) loadInt(d Reg, a Addr)           { m.op("MOVD %s, %s", m.a(a), m.r(d)) }
func (m *arm64) storeInt(s Reg, a Addr)          { m.op("MOVD %s, %s", m.r(s), m.a(a)) }

func (m *arm64) addMem(d Reg, a Addr) {
	defer m.k.line()()
	m.loadInt(armTemp, a)
	m.add(d, armTemp)
}

func (m *arm64) move(d, s Reg) { m.op("MOVD %s, %s", m.r(s), m.r(d)) }
func (m *arm64) add(d, s Reg)  { m.op("ADD %s, %s", m.r(s), m.r(d)) }

func (m *arm64) addScaled(d, a, s Reg, scale int) {
	shift := map[int]int{1: 0, 2: 1, 4: 2, 8: 3}[scale]
	if shift == 0 {
		m.op("ADD %s, %s, %s", m.r(s), m.r(a), m.r(d))
		return
	}
	m.op("ADD %s<<%d, %s, %s", m.r(s), shift, m.r(a), m.r(d))
}

func (m *arm64) addInt(d Reg, n int)        { m.op("ADD $%d, %s", n, m.r(d)) }
func (m *arm64) andMask(d Reg, mask string) { m.op("AND $%s, %s", mask, m.r(d)) }

func (m *arm64) leaInt(d, s Reg, n int) { m.op("ADD $%d, %s, %s", n, m.r(s), m.r(d)) }
func (m *arm64) setInt(d Reg, n int)    { m.op("MOVD $%d, %s", n, m.r(d)) }
func (m *arm64) sub(d, s Reg)           { m.op("SUB %s, %s", m.r(s), m.r(d)) }

func (m *arm64) mulInt(d, s Reg, n int) {
	defer m.k.line()()
	m.op("MOVD $%d, %s", n, m.r(armTemp))
	m.op("MUL %s, %s, %s", m.r(armTemp), m.r(s), m.r(d))
}

func (m *arm64) shiftLeft(d Reg, n int) { m.op("LSL $%d, %s", n, m.r(d)) }

func (m *arm64) shiftRight(d Reg, n int) { m.op("LSR $%d, %s", n, m.r(d)) }

func (m *arm64) jumpCompare(r Reg, n int, less bool, label string) {
	m.op("CMP $%d, %s", n, m.r(r))
	if less {
		m.op("BLT %s", label)
	} else {
		m.op("BGE %s", label)
	}
}

func (m *arm64) jump(label string) { m.op("JMP %s", label) }

func (m *arm64) jumpIfZero(r Reg, zero bool, label string) {
	if zero {
		m.op("CBZ %s, %s", m.r(r), label)
	} else {
		m.op("CBNZ %s, %s", m.r(r), label)
	}
}

func (m *arm64) jumpIfMask(r Reg, mask string, any bool, label string) {
	m.op("TST $%s, %s", mask, m.r(r))
	if any {
		m.op("BNE %s", label)
	} else {
		m.op("BEQ %s", label)
	}
}

func (m *arm64) subtractJump(r Reg, n int, label string) {
	m.op("SUBS $%d, %s", n, m.r(r))
	m.op("BNE %s", label)
}

func (m *arm64) align(int) {}

func (m *arm64) ret() { m.op("RET") }
