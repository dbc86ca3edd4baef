package vasm

// Operations on integers of 16 and 32 bits, of AVX2.

// BytesToWords loads 16 bytes as numbers of 16 bits, signed or not.
func (k *Func) BytesToWords(d V, a Addr, signed bool) {
	op := "VPMOVZXBW"
	if signed {
		op = "VPMOVSXBW"
	}
	k.op("%s %s, %s", op, k.x86().a(a), k.x86().v(d))
}

// AddWords is d = a + b and SubWords d = a - b of numbers of 16 bits.
func (k *Func) AddWords(d, a, b V) { k.three("VPADDW", d, a, b) }
func (k *Func) SubWords(d, a, b V) { k.three("VPSUBW", d, a, b) }

// ShiftWords is d = a shifted left by n bits, of numbers of 16 bits.
func (k *Func) ShiftWords(d, a V, n int) {
	k.op("VPSLLW $%d, %s, %s", n, k.x86().v(a), k.x86().v(d))
}

// EvenOddWords loads eight times four signed bytes as numbers of 16 bits: the first two of each four,
// and the last two.
func (k *Func) EvenOddWords(even, odd V, a Addr) {
	m := k.x86()
	defer k.line()()
	k.op("VPSHUFLW $0xd8, %s, %s", m.a(a), m.v(odd))
	k.op("VPSHUFHW $0xd8, %s, %s", m.v(odd), m.v(odd))
	k.op("VPSHUFD $0xd8, %s, %s", m.v(odd), m.v(odd))
	k.op("VPERMQ $0xd8, %s, %s", m.v(odd), m.v(odd)) // the halves hold the first and the last two
	k.op("VPMOVSXBW X%d, %s", odd, m.v(even))
	k.op("VEXTRACTI128 $1, %s, X%d", m.v(odd), odd)
	k.op("VPMOVSXBW X%d, %s", odd, m.v(odd))
}

// MulIntsV is d = a * b, the lower 32 bits of the product.
func (k *Func) MulIntsV(d, a, b V) { k.three("VPMULLD", d, a, b) }

// AddIntsV is d = a + b and SubIntsV d = a - b of integers of 32 bits.
func (k *Func) AddIntsV(d, a, b V) { k.three("VPADDD", d, a, b) }
func (k *Func) SubIntsV(d, a, b V) { k.three("VPSUBD", d, a, b) }

func (k *Func) three(op string, d, a, b V) {
	m := k.x86()
	k.op("%s %s, %s, %s", op, m.v(b), m.v(a), m.v(d))
}

// AddIntsMem and SubIntsMem add what lies at a to d, or subtract it.
func (k *Func) AddIntsMem(d V, a Addr) {
	k.op("VPADDD %s, %s, %s", k.x86().a(a), k.x86().v(d), k.x86().v(d))
}
func (k *Func) SubIntsMem(d V, a Addr) {
	k.op("VPSUBD %s, %s, %s", k.x86().a(a), k.x86().v(d), k.x86().v(d))
}

// EvenInts makes d the even integers of 32 bits of a and then of b, OddInts the odd ones.
func (k *Func) EvenInts(d, a, b V) { k.halves(0x88, d, a, b) }
func (k *Func) OddInts(d, a, b V)  { k.halves(0xdd, d, a, b) }

// The first instruction works in each half of a register, the second brings the quarters in order.
func (k *Func) halves(which int, d, a, b V) {
	m := k.x86()
	defer k.line()()
	k.op("VSHUFPS $0x%x, %s, %s, %s", which, m.v(b), m.v(a), m.v(d))
	k.op("VPERMQ $0xd8, %s, %s", m.v(d), m.v(d))
}

// MultiplyAddWords adds to acc the sums of the products of the two numbers of 16 bits at a with two
// of each of the weights.
func (k *Func) MultiplyAddWords(acc, weights []V, a Addr) {
	m := k.x86()
	defer k.line()()
	x, product := k.temp(), k.temp()
	k.op("VPBROADCASTD %s, %s", m.a(a), m.v(x))
	for i, d := range acc {
		m.madd(d, product, weights[i], x)
	}
}
