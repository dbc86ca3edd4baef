package vasm

import "fmt"

// Operations on integers. The products are those of AVX-512, AVX2 and their VNNI; those of NEON are
// in arm64_bytes.go.

// x86 returns the printer of amd64.
func (k *Func) x86() *amd64 {
	m, ok := k.machine.(*amd64)
	if !ok {
		panic("no operations on bytes on " + k.Tier.Suffix)
	}
	return m
}

// ByteProduct is how products of bytes are added up.
type ByteProduct int

// The products. All give the same sums, Pairs only under its condition.
const (
	Exact     ByteProduct = iota // AVX2: as numbers of 16 bits, the even and the odd input channels apart; NEON: products of 16 bits
	Pairs                        // AVX2: two neighbours in 16 bits, which must hold their sum
	Dots                         // VNNI: four at once; on AVX2 that of AVX-VNNI; NEON: of signed bytes (dotprod)
	MixedDots                    // NEON: four at once, of unsigned bytes with signed ones (i8mm)
)

// ByteWeights are signed bytes: four of each output channel of some blocks.
type ByteWeights struct {
	k         *Func
	how       ByteProduct
	even, odd []V // Exact: as 16 bits
	mask      V   // Exact
	all       []V
}

// ByteWeights takes the registers for the weights of some blocks of 16 output channels. MultiplyAdd
// needs three more for Exact, two for Pairs, one for Dots.
func (k *Func) ByteWeights(blocks int, how ByteProduct) *ByteWeights {
	k.x86()
	w := &ByteWeights{k: k, how: how}
	n := blocks * k.Tier.Per
	if how != Exact {
		w.odd = k.Vs(n)
		w.all = w.odd
		k.Temps(3)
		return w
	}
	w.all = k.Vs(2*n + 1)
	w.even, w.odd, w.mask = w.all[:n], w.all[n:2*n], w.all[2*n]
	k.op("VPBROADCASTD %s, %s", k.f.bytesOf(0x00ff00ff, 1), k.x86().v(w.mask))
	k.Temps(3)
	return w
}

// Release gives the registers back.
func (w *ByteWeights) Release() { w.k.Release(w.all...) }

// Load loads the weights that lie at a. Exact makes 16 bits of each: those of the even and those of
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
	x := m.k.temp()
	m.k.op("VPBROADCASTD %s, %s", m.a(a), m.v(x))
	w.Accumulate(acc, x)
}

// Accumulate does so with the bytes of a register, which Exact overwrites.
func (w *ByteWeights) Accumulate(acc []V, x V) {
	m := w.k.x86()
	defer w.k.line()()
	switch w.how {
	case Exact:
		even, product := m.k.temp(), m.k.temp()
		m.k.op("VPAND %s, %s, %s", m.v(w.mask), m.v(x), m.v(even))
		m.k.op("VPSRLW $8, %s, %s", m.v(x), m.v(x))
		for i, d := range acc {
			m.madd(d, product, w.even[i], even)
			m.madd(d, product, w.odd[i], x)
		}
	case Pairs: // sums of two products in 16 bits, which the first instruction saturates, and of two of these in 32
		product := m.k.temp()
		ones := m.k.f.bytesOf(0x00010001, m.k.Tier.bytes()/4)
		for i, d := range acc {
			m.k.op("VPMADDUBSW %s, %s, %s", m.v(w.odd[i]), m.v(x), m.v(product))
			m.k.op("VPMADDWD %s, %s, %s", ones, m.v(product), m.v(product))
			m.k.op("VPADDD %s, %s, %s", m.v(product), m.v(d), m.v(d))
		}
	case Dots:
		for i, d := range acc {
			m.dotBytes(d, x, w.odd[i])
		}
	}
}

// madd adds to d the sums of two products of numbers of 16 bits.
func (m *amd64) madd(d, product, w, x V) {
	m.k.op("VPMADDWD %s, %s, %s", m.v(w), m.v(x), m.v(product))
	m.k.op("VPADDD %s, %s, %s", m.v(product), m.v(d), m.v(d))
}

// dotBytes adds to d the sums of four products of the unsigned bytes x with the signed bytes w.
// Go's assembler has the instruction of AVX-512 alone; that of AVX-VNNI is written as bytes.
func (m *amd64) dotBytes(d, x, w V) {
	if m.wide() {
		m.k.op("VPDPBUSD %s, %s, %s", m.v(w), m.v(x), m.v(d))
		return
	}
	// VEX.256.66.0F38.W0 50 /r: the bits R, B and vvvv are stored inverted.
	b := []int{0xc4, 0xe2 ^ int(d)>>3<<7 ^ int(w)>>3<<5, 0x7d ^ int(x)<<3, 0x50, 0xc0 | int(d)&7<<3 | int(w)&7}
	for _, x := range b {
		m.k.op("BYTE $0x%02x", x)
	}
	m.k.texts = append(m.k.texts, fmt.Sprintf("vpdpbusd ymm%d, ymm%d, ymm%d", d, x, w))
}

// IntsToFloats makes float32s of integers of 32 bits, FloatsToInts the nearest integers, ties to
// even.
func (k *Func) IntsToFloats(x []V) { k.intsToFloats(x) }
func (k *Func) FloatsToInts(x []V) { k.floatsToInts(x) }

// AddInts and SubInts add b to integers of 32 bits, or subtract it.
func (k *Func) AddInts(x []V, b V) { k.ints(AddInts, x, b) }
func (k *Func) SubInts(x []V, b V) { k.ints(SubInts, x, b) }

func (k *Func) ints(op Op, x []V, b V) {
	for _, v := range x {
		k.do(op, Block{v}, Block{v}, Block{b})
	}
}

// DivV is d = a / b, rounded.
func (k *Func) DivV(d, a, b V) { k.do(Div, Block{d}, Block{a}, Block{b}) }

// Clamp is x = min(max(x, low), high); NaN becomes low.
func (k *Func) Clamp(x []V, low, high V) {
	for _, v := range x {
		k.clamp(v, low, high)
	}
}

// StoreBytes stores a block of 16 integers from 0 to 255 as bytes. It may overwrite the registers.
func (k *Func) StoreBytes(x []V, a Addr) {
	defer k.line()()
	k.storeBytes(x, a)
}

// LoadBytes loads a block of 16 bytes as integers.
func (k *Func) LoadBytes(x []V, a Addr) {
	defer k.line()()
	k.loadBytes(x, a)
}

// MaxBytes stores the largest of each of 16 unsigned bytes at a, b and c to dst, MaxBytesWide those of
// each of 32. They use the first vector registers.
func (k *Func) MaxBytes(dst, a, b, c Addr)     { k.largest(16, dst, a, b, c) }
func (k *Func) MaxBytesWide(dst, a, b, c Addr) { k.largest(32, dst, a, b, c) }

func (k *Func) largest(n int, dst, a, b, c Addr) {
	defer k.line()()
	k.maxBytes(n, dst, a, b, c)
}

func (m *amd64) intsToFloats(x []V) {
	for _, v := range x {
		m.k.op("VCVTDQ2PS %s, %s", m.v(v), m.v(v))
	}
}

func (m *amd64) floatsToInts(x []V) {
	for _, v := range x {
		m.k.op("VCVTPS2DQ %s, %s", m.v(v), m.v(v))
	}
}

func (m *amd64) clamp(x, low, high V) {
	m.k.op("VMAXPS %s, %s, %s", m.v(low), m.v(x), m.v(x))
	m.k.op("VMINPS %s, %s, %s", m.v(high), m.v(x), m.v(x))
}

func (m *amd64) storeBytes(x []V, a Addr) {
	if m.wide() {
		m.k.op("VPMOVDB %s, %s", m.v(x[0]), m.a(a))
		return
	}
	m.k.op("VPACKSSDW %s, %s, %s", m.v(x[1]), m.v(x[0]), m.v(x[0]))
	m.k.op("VPERMQ $0xd8, %s, %s", m.v(x[0]), m.v(x[0]))
	m.k.op("VPACKUSWB %s, %s, %s", m.v(x[0]), m.v(x[0]), m.v(x[0]))
	m.k.op("VPERMQ $0x08, %s, %s", m.v(x[0]), m.v(x[0]))
	m.k.op("VMOVDQU X%d, %s", x[0], m.a(a))
}

func (m *amd64) loadBytes(x []V, a Addr) {
	for i, v := range x {
		m.k.op("VPMOVZXBD %s, %s", m.a(a.Plus(i*16/m.k.Tier.Per)), m.v(v))
	}
}

func (m *amd64) maxBytes(n int, dst, a, b, c Addr) {
	reg := map[int]string{16: "X0", 32: "Y0"}[n]
	m.k.op("VMOVDQU %s, %s", m.a(a), reg)
	m.k.op("VPMAXUB %s, %s, %s", m.a(b), reg, reg)
	m.k.op("VPMAXUB %s, %s, %s", m.a(c), reg, reg)
	m.k.op("VMOVDQU %s, %s", reg, m.a(dst))
}
