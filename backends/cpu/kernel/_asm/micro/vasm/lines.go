package vasm

// Lines are n places in memory: two halves of places a step apart, of which the first half is
// the larger by at most one. On amd64 a place is a base, a multiple of the step and a
// displacement; on arm64 it has a pointer of its own, and an offset that all share.
type Lines struct {
	k        *Func
	n, half  int
	a, b     Reg // the bases
	atA, atB Reg // amd64: bases and offset
	step     Reg
	step3    Reg
	step5    Reg
	ptr      []Reg
	off      Reg
	fixed    int // a step that is a number: all places are displacements from atA
}

// FixedLines are n places a number of bytes apart, from a register on, which Advance moves.
func (k *Func) FixedLines(n int, base Reg, step int) *Lines {
	return &Lines{k: k, n: n, atA: base, fixed: step}
}

// Lines takes the registers for n places.
func (k *Func) Lines(n int) *Lines {
	l := &Lines{k: k, n: n, half: (n + 1) / 2, step: k.Reg()}
	if k.Tier.Arch == "arm64" {
		for range n {
			l.ptr = append(l.ptr, k.Reg())
		}
		l.off = k.Reg()
		return l
	}
	l.a, l.b, l.atA, l.atB = k.Reg(), k.Reg(), k.Reg(), k.Reg()
	if l.half > 3 {
		l.step3 = k.Reg()
	}
	if l.half > 5 {
		l.step5 = k.Reg()
	}
	return l
}

// Steps loads the step.
func (l *Lines) Steps(a Addr) {
	l.k.loadInt(l.step, a)
	if l.half > 3 && l.ptr == nil {
		l.k.addScaled(l.step3, l.step, l.step, 2)
	}
	if l.half > 5 && l.ptr == nil {
		l.k.addScaled(l.step5, l.step, l.step, 4)
	}
}

// Bases says where the halves begin; Seek goes to an offset from there.
func (l *Lines) Bases(a, b Addr) {
	if l.ptr != nil {
		l.Point(a, b)
		return
	}
	l.k.loadInt(l.a, a)
	l.k.loadInt(l.b, b)
}

// Seek goes to the places that lie the offset behind the bases.
func (l *Lines) Seek(offset Addr) {
	if l.ptr != nil {
		l.k.loadInt(l.off, offset)
		return
	}
	l.k.loadInt(l.atA, offset)
	l.k.addScaled(l.atB, l.b, l.atA, 1)
	l.k.add(l.atA, l.a)
}

// Advance moves all places by bytes. After Seek.
func (l *Lines) Advance(bytes int) {
	switch {
	case l.fixed > 0:
		l.k.addInt(l.atA, bytes)
		return
	case l.ptr != nil:
		l.k.addInt(l.off, bytes)
		return
	}
	l.k.addInt(l.atA, bytes)
	l.k.addInt(l.atB, bytes)
}

// Point goes to places whose halves begin at a and b, for At.
func (l *Lines) Point(a, b Addr) {
	if l.ptr == nil {
		l.k.loadInt(l.atA, a)
		l.k.loadInt(l.atB, b)
		return
	}
	for q, r := range l.ptr {
		switch q {
		case 0:
			l.k.loadInt(r, a)
		case l.half:
			l.k.loadInt(r, b)
		default:
			l.k.addScaled(r, l.ptr[q-1], l.step, 1)
		}
	}
}

// Add moves all places by an integer in memory. After Point.
func (l *Lines) Add(a Addr) {
	if l.ptr == nil {
		l.k.addMem(l.atA, a)
		l.k.addMem(l.atB, a)
		return
	}
	for _, r := range l.ptr {
		l.k.addMem(r, a)
	}
}

// At is place q, disp bytes further. On arm64 it is that of Point.
func (l *Lines) At(q, disp int) Addr {
	switch {
	case l.fixed > 0:
		return At(l.atA, l.fixed*q+disp)
	case l.ptr != nil:
		return At(l.ptr[q], disp)
	}
	base := l.atA
	if q >= l.half {
		base, q = l.atB, q-l.half
	}
	return Multiples{step: l.step, step3: l.step3, step5: l.step5}.At(base, q, disp)
}

// Multiples are a step, three and five times it: registers with which a place q steps (0 to 6)
// from a base is one address. Those that are not needed may be any.
type Multiples struct {
	k                  *Func
	most               int
	step, step3, step5 Reg
}

// Multiples takes the registers for up to most steps, and computes them from the step.
func (k *Func) Multiples(step Reg, most int) Multiples {
	m := k.MultiplesOf(step, most)
	m.Update()
	return m
}

// MultiplesOf takes the registers alone; Update computes them.
func (k *Func) MultiplesOf(step Reg, most int) Multiples {
	m := Multiples{k: k, most: most, step: step}
	if most >= 3 {
		m.step3 = k.Reg()
	}
	if most >= 5 {
		m.step5 = k.Reg()
	}
	return m
}

// Update computes the multiples from the step.
func (m Multiples) Update() {
	if m.most >= 3 {
		m.k.addScaled(m.step3, m.step, m.step, 2)
	}
	if m.most >= 5 {
		m.k.addScaled(m.step5, m.step, m.step, 4)
	}
}

// At is the place q steps and disp bytes behind the base.
func (m Multiples) At(base Reg, q, disp int) Addr {
	a := Addr{Base: base, Index: m.step, Scale: q, Disp: disp}
	switch q {
	case 0:
		return At(base, disp)
	case 1, 2, 4:
	case 3, 6:
		a.Index, a.Scale = m.step3, q/3
	case 5:
		a.Index, a.Scale = m.step5, 1
	default:
		panic("no more than 6 steps")
	}
	return a
}

// Add6 adds six steps to d. It needs three times the step.
func (m Multiples) Add6(d Reg) { m.k.addScaled(d, d, m.step3, 2) }

// Scalars are consecutive float32s of each of some lines, to multiply with.
type Scalars struct {
	l *Lines
	n int // of each
	v []V // arm64: a register a line
}

// Scalars takes the registers for n float32s (1 or 4) of each line.
func (k *Func) Scalars(l *Lines, n int) *Scalars {
	s := &Scalars{l: l, n: n}
	if k.Tier.Arch == "arm64" {
		s.v = k.Vs(l.n)
	}
	return s
}

// Of are n scalars of each line, in the same registers.
func (s *Scalars) Of(n int) *Scalars { return &Scalars{s.l, n, s.v} }

// Release gives the registers back.
func (s *Scalars) Release() { s.l.k.Release(s.v...) }

// Load gets the scalars from where the lines are; on arm64 the lines then move behind them, if
// there are four and the lines are not fixed.
func (s *Scalars) Load() {
	if s.v != nil {
		s.l.k.machine.(*arm64).loadScalars(s)
	}
}

// Done moves the lines behind four scalars, where Load has not.
func (s *Scalars) Done() {
	if s.v == nil || s.l.fixed > 0 {
		s.l.Advance(4 * s.n)
	}
}

// MultiplyAdd is acc += weights * element of that line, register by register, fused.
func (k *Func) MultiplyAdd(acc, weights []V, x *Scalars, line, element int) {
	k.multiplyAdd(acc, weights, x, line, element)
}

// Rows are registers of weights, row by row: a fixed number of bytes apart, or what a register
// says. On arm64 the pointer moves from row to row.
type Rows struct {
	k     *Func
	p     Reg
	bytes int // 0: step
	step  Reg
	step3 Reg
	row   int // arm64: where the pointer is
}

// Rows begins at what the first address holds. The second, if bytes is 0, holds how many
// bytes rows are apart.
func (k *Func) Rows(first Addr, bytes int, step Addr) *Rows {
	r := &Rows{k: k, p: k.NewInt(first), bytes: bytes}
	if bytes == 0 {
		r.steps(step)
	}
	return r
}

// RowsAt takes rows that are as many bytes apart as an integer in memory says. Seek goes to the first.
func (k *Func) RowsAt(step Addr) *Rows {
	r := &Rows{k: k, p: k.Reg()}
	r.steps(step)
	return r
}

// Seek goes to the row that a register holds the place of.
func (r *Rows) Seek(first Reg) { r.k.move(r.p, first) }

func (r *Rows) steps(step Addr) {
	r.step = r.k.NewInt(step)
	if r.k.Tier.Arch == "amd64" {
		r.step3 = r.k.Reg()
		r.k.addScaled(r.step3, r.step, r.step, 2)
	}
}

// At is a place in row u (0 to 3). Rows are visited in order.
func (r *Rows) At(u, disp int) Addr {
	if r.bytes > 0 {
		return At(r.p, u*r.bytes+disp)
	}
	if r.k.Tier.Arch == "arm64" {
		for ; r.row < u; r.row++ {
			r.k.add(r.p, r.step)
		}
		return At(r.p, disp)
	}
	a := At(r.p, disp)
	switch u {
	case 1, 2:
		a.Index, a.Scale = r.step, u
	case 3:
		a.Index, a.Scale = r.step3, 1
	}
	return a
}

// Peek is a place in row u while the pointer is at row 0, and leaves it there. On arm64 the place
// lasts until the next call, and rows follow one another.
func (r *Rows) Peek(u, disp int) Addr {
	if r.bytes > 0 || r.k.Tier.Arch != "arm64" || u == 0 {
		return r.At(u, disp)
	}
	from := r.p
	if u > 1 {
		from = armTemp
	}
	r.k.addScaled(armTemp, from, r.step, 1)
	return At(armTemp, disp)
}

// Advance moves behind n rows: 1 or 4.
func (r *Rows) Advance(n int) {
	switch {
	case r.bytes > 0:
		r.k.addInt(r.p, n*r.bytes)
	case r.k.Tier.Arch == "arm64":
		r.At(n, 0)
		r.row = 0
	case n == 1:
		r.k.add(r.p, r.step)
	default:
		r.k.addScaled(r.p, r.p, r.step, n)
	}
}
