package vasm

import "github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/a64"

// ByteTile holds the sums of some pixels times 16 output channels on NEON, and what it multiplies.
// SDOT and SMULL multiply signed bytes alone, so these tiles take the bytes of pixels less 128, which
// is the byte with its highest bit flipped.
type ByteTile struct {
	k       *Func
	how     ByteProduct
	acc     [][]V // of a pixel
	x       []V   // 16 bytes of each pixel
	w       []V   // some weights
	dup     []V   // Exact: four bytes of a pixel in all lanes, by turns
	product []V   // Exact
}

// ByteTile takes the registers for a tile of p pixels.
func (k *Func) ByteTile(p int, how ByteProduct) *ByteTile {
	t := &ByteTile{k: k, how: how, acc: make([][]V, p)}
	n, weights := k.Tier.Per, 2
	if how == Exact {
		n, weights = 2*k.Tier.Per, 4
	}
	for q := range t.acc {
		t.acc[q] = k.Vs(n)
	}
	t.x, t.w = k.Vs(p), k.Vs(weights)
	if how == Exact {
		t.dup, t.product = k.Vs(2), k.Vs(8)
	}
	return t
}

func (t *ByteTile) arm() *arm64 { return t.k.machine.(*arm64) }

// Start makes each pixel's sums the 16 integers at a. Exact sums up the even and the odd pairs of
// products apart, so it spreads the integers over twice as many lanes, with zeros between them.
func (t *ByteTile) Start(a Addr) {
	m := t.arm()
	first := t.acc[0]
	if t.how == Exact {
		b, zero := t.product[:4], t.product[4]
		t.k.Load(b, a)
		t.k.Zero(zero)
		for i, v := range b {
			m.three("zip1", first[2*i], v, zero)
			m.three("zip2", first[2*i+1], v, zero)
		}
	} else {
		t.k.Load(first, a)
	}
	for _, acc := range t.acc[1:] {
		t.k.Copy(acc, first)
	}
}

// Pixels loads the 16 bytes of each pixel to which the lines have gone (Seek).
func (t *ByteTile) Pixels(l *Lines) {
	m := t.arm()
	flip := t.w[0]
	if t.how != MixedDots {
		m.w(a64.FillBytes(a64.V(flip), 0x80))
	}
	for q, x := range t.x {
		t.k.Load([]V{x}, Indexed(l.ptr[q], l.off))
	}
	if t.how != MixedDots {
		for _, x := range t.x {
			m.three("eor", x, x, flip)
		}
	}
}

// MultiplyAdd adds the products of bytes 4u to 4u+3 of each pixel with the four weights of each output
// channel, which lie at a.
func (t *ByteTile) MultiplyAdd(u int, a Addr) {
	defer t.k.line()()
	if t.how == Exact {
		t.exact(u, a)
		return
	}
	m := t.arm()
	op := "sdot"
	if t.how == MixedDots {
		op = "sudot" // signed weights, unsigned pixels
	}
	for i := 0; i < t.k.Tier.Per; i += 2 {
		t.k.Load(t.w, a.Plus(16*i))
		for j, w := range t.w {
			for q, acc := range t.acc {
				m.w(a64.Element(op, a64.V(acc[i+j]), a64.V(w), a64.V(t.x[q]), u))
			}
		}
	}
}

// exact makes products of 16 bits, and adds each two neighbours to a sum of 32.
func (t *ByteTile) exact(u int, a Addr) {
	m := t.arm()
	t.k.Load(t.w, a)
	for q, acc := range t.acc {
		x := t.dup[q%2]
		m.w(a64.Dup(a64.V(x), a64.V(t.x[q]), u))
		for i, w := range t.w {
			m.three("smull.b", t.product[2*i], w, x)
			m.three("smull2.b", t.product[2*i+1], w, x)
		}
		for i, d := range acc {
			m.w(a64.Two("sadalp", a64.V(d), a64.V(t.product[i])))
		}
	}
}

// Sums releases all registers but those of the sums, which it returns: a block a pixel.
func (t *ByteTile) Sums() [][]V {
	m, per := t.arm(), t.k.Tier.Per
	var free []V
	for q, acc := range t.acc {
		if t.how == Exact {
			for i := range per {
				m.three("addp", acc[i], acc[2*i], acc[2*i+1])
			}
		}
		t.acc[q], free = acc[:per], append(free, acc[per:]...)
	}
	for _, v := range [][]V{t.x, t.w, t.dup, t.product} {
		free = append(free, v...)
	}
	t.k.Release(free...)
	return t.acc
}

func (m *arm64) each(op string, x []V) {
	for _, v := range x {
		m.w(a64.Two(op, a64.V(v), a64.V(v)))
	}
}

func (m *arm64) intsToFloats(x []V) { m.each("scvtf", x) }
func (m *arm64) floatsToInts(x []V) { m.each("fcvtns", x) }

// FMAXNM takes the number where the other operand is a NaN.
func (m *arm64) clamp(x, low, high V) {
	m.three("fmaxnm", x, x, low)
	m.three("fminnm", x, x, high)
}

func (m *arm64) storeBytes(x []V, a Addr) {
	m.three("uzp1.h", x[0], x[0], x[1])
	m.three("uzp1.h", x[2], x[2], x[3])
	m.three("uzp1.b", x[0], x[0], x[2])
	m.store(x[:1], a)
}

func (m *arm64) loadBytes(x []V, a Addr) {
	two := func(op string, d, n V) { m.w(a64.Two(op, a64.V(d), a64.V(n))) }
	m.load(x[3:], a)
	two("uxtl.b", x[1], x[3])
	two("uxtl2.b", x[3], x[3])
	two("uxtl.h", x[0], x[1])
	two("uxtl2.h", x[1], x[1])
	two("uxtl.h", x[2], x[3])
	two("uxtl2.h", x[3], x[3])
}

func (m *arm64) maxBytes(n int, dst, a, b, c Addr) {
	x, y := []V{0, 1}[:n/16], []V{2, 3}[:n/16]
	m.load(x, a)
	for _, from := range []Addr{b, c} {
		m.load(y, from)
		for i, v := range x {
			m.three("umax.b", v, v, y[i])
		}
	}
	m.store(x, dst)
}
