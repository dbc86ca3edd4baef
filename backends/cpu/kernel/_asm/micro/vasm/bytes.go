package vasm

// Operations on integers, of AVX-512 with VNNI and of AVX2.

// x86 returns the printer of amd64.
func (k *Func) x86() *amd64 {
	m, ok := k.machine.(*amd64)
	if !ok {
		panic("no operations on bytes on " + k.Tier.Suffix)
	}
	return m
}

// ByteWeights are signed bytes: four of each output channel of some blocks.
type ByteWeights struct {
	k         *Func
	even, odd []V // AVX2: as 16 bits
	mask      V   // AVX2
	all       []V
}

// ByteWeights takes the registers for the weights of some blocks of 16 output channels.
func (k *Func) ByteWeights(blocks int) *ByteWeights {
	k.x86()
	w := &ByteWeights{k: k}
	if k.Tier == AVX512 {
		w.odd = k.Vs(blocks)
		w.all = w.odd
		k.Temps(3)
		return w
	}
	w.all = k.Vs(2*blocks*k.Tier.Per + 1)
	w.even, w.odd, w.mask = w.all[:blocks*k.Tier.Per], w.all[blocks*k.Tier.Per:2*blocks*k.Tier.Per], w.all[2*blocks*k.Tier.Per]
	k.op("VPBROADCASTD %s, %s", k.f.bytesOf(0x00ff00ff, 1), k.x86().v(w.mask))
	k.Temps(3)
	return w
}

// Release gives the registers back.
func (w *ByteWeights) Release() { w.k.Release(w.all...) }

// Load loads the weights that lie at a. AVX2 makes 16 bits of each: those of the even and those of
// the odd input channels.
func (w *ByteWeights) Load(a Addr) {
	m := w.k.x86()
	defer w.k.line()()
	w.k.Load(w.odd, a)
	for i, e := range w.even {
		m.k.op("VPSLLW $8, %s, %s", m.v(w.odd[i]), m.v(e))
		m.k.op("VPSRAW $8, %s, %s", m.v(e), m.v(e))
		m.k.op("VPSRAW $8, %s, %s", m.v(w.odd[i]), m.v(w.odd[i]))
	}
}

// MultiplyAdd adds the products of the four unsigned bytes at a with the weights, exact in 32 bits.
func (w *ByteWeights) MultiplyAdd(acc []V, a Addr) {
	m := w.k.x86()
	defer w.k.line()()
	if m.wide() {
		t := m.k.temp()
		m.k.op("VPBROADCASTD %s, %s", m.a(a), m.v(t))
		for i, d := range acc {
			m.k.op("VPDPBUSD %s, %s, %s", m.v(w.odd[i]), m.v(t), m.v(d))
		}
		return
	}
	even, odd, product := m.k.temp(), m.k.temp(), m.k.temp()
	m.k.op("VPBROADCASTD %s, %s", m.a(a), m.v(odd))
	m.k.op("VPAND %s, %s, %s", m.v(w.mask), m.v(odd), m.v(even))
	m.k.op("VPSRLW $8, %s, %s", m.v(odd), m.v(odd))
	for i, d := range acc {
		m.k.op("VPMADDWD %s, %s, %s", m.v(w.even[i]), m.v(even), m.v(product))
		m.k.op("VPADDD %s, %s, %s", m.v(product), m.v(d), m.v(d))
		m.k.op("VPMADDWD %s, %s, %s", m.v(w.odd[i]), m.v(odd), m.v(product))
		m.k.op("VPADDD %s, %s, %s", m.v(product), m.v(d), m.v(d))
	}
}

// IntsToFloats makes float32s of integers of 32 bits, FloatsToInts the nearest integers, ties to
// even.
func (k *Func) IntsToFloats(x []V) {
	for _, v := range x {
		k.op("VCVTDQ2PS %s, %s", k.x86().v(v), k.x86().v(v))
	}
}

func (k *Func) FloatsToInts(x []V) {
	for _, v := range x {
		k.op("VCVTPS2DQ %s, %s", k.x86().v(v), k.x86().v(v))
	}
}

// AddInts and SubInts add b to integers of 32 bits, or subtract it.
func (k *Func) AddInts(x []V, b V) { k.ints("VPADDD", x, b) }
func (k *Func) SubInts(x []V, b V) { k.ints("VPSUBD", x, b) }

func (k *Func) ints(op string, x []V, b V) {
	m := k.x86()
	for _, v := range x {
		k.op("%s %s, %s, %s", op, m.v(b), m.v(v), m.v(v))
	}
}

// DivV is d = a / b, rounded.
func (k *Func) DivV(d, a, b V) { k.op("VDIVPS %s, %s, %s", k.x86().v(b), k.x86().v(a), k.x86().v(d)) }

// Clamp is x = min(max(x, low), high); NaN becomes low.
func (k *Func) Clamp(x []V, low, high V) {
	m := k.x86()
	for _, v := range x {
		k.op("VMAXPS %s, %s, %s", m.v(low), m.v(v), m.v(v))
		k.op("VMINPS %s, %s, %s", m.v(high), m.v(v), m.v(v))
	}
}

// StoreBytes stores a block of 16 integers from 0 to 255 as bytes. AVX2 overwrites the first register.
func (k *Func) StoreBytes(x []V, a Addr) {
	m := k.x86()
	defer k.line()()
	if m.wide() {
		k.op("VPMOVDB %s, %s", m.v(x[0]), m.a(a))
		return
	}
	k.op("VPACKSSDW %s, %s, %s", m.v(x[1]), m.v(x[0]), m.v(x[0]))
	k.op("VPERMQ $0xd8, %s, %s", m.v(x[0]), m.v(x[0]))
	k.op("VPACKUSWB %s, %s, %s", m.v(x[0]), m.v(x[0]), m.v(x[0]))
	k.op("VPERMQ $0x08, %s, %s", m.v(x[0]), m.v(x[0]))
	k.op("VMOVDQU X%d, %s", x[0], m.a(a))
}

// LoadBytes loads a block of 16 bytes as integers.
func (k *Func) LoadBytes(x []V, a Addr) {
	m := k.x86()
	defer k.line()()
	for i, v := range x {
		k.op("VPMOVZXBD %s, %s", m.a(a.Plus(i*16/k.Tier.Per)), m.v(v))
	}
}

// MaxBytes stores the largest of each of 16 unsigned bytes at a, b and c to dst.
func (k *Func) MaxBytes(dst, a, b, c Addr) {
	m := k.x86()
	defer k.line()()
	k.op("VMOVDQU %s, X0", m.a(a))
	k.op("VPMAXUB %s, X0, X0", m.a(b))
	k.op("VPMAXUB %s, X0, X0", m.a(c))
	k.op("VMOVDQU X0, %s", m.a(dst))
}
