package vasm

// Column is how rows of bytes are multiplied by weights of their own: of each channel some neighbours
// in a column of the map lie in one integer of 32 bits.
type Column struct {
	k       *Func
	how     ByteProduct
	x, next V
	product V
}

// Column takes registers for Dots, four rows of bytes, or Exact, two rows of 16 bits.
func (k *Func) Column(how ByteProduct) *Column {
	k.x86()
	return &Column{k, how, k.V(), k.V(), k.V()}
}

// Rows is how many rows a column has.
func (c *Column) Rows() int {
	if c.how == Dots {
		return 4
	}
	return 2
}

// Load makes integers of the bytes at some addresses, one for each row, from channel h*16/Per on.
func (c *Column) Load(h int, rows []Addr) {
	m, k := c.k.x86(), c.k
	defer k.line()()
	for i, a := range rows {
		to := c.x
		if i > 0 {
			to = c.next
		}
		a = a.Plus(16 / k.Tier.Per * h)
		k.op("VPMOVZXBD %s, %s", m.a(a), m.v(to))
		if i > 0 {
			k.op("VPSLLD $%d, %s, %s", i*32/c.Rows(), m.v(to), m.v(to))
			k.op("%s %s, %s, %s", m.pick("VPORD", "VPOR"), m.v(to), m.v(c.x), m.v(c.x))
		}
	}
}

// MultiplyAdd adds the products with the weights at a to d, exact in 32 bits.
func (c *Column) MultiplyAdd(d V, a Addr) {
	m, k := c.k.x86(), c.k
	defer k.line()()
	switch {
	case c.how != Dots:
		k.op("VPMADDWD %s, %s, %s", m.a(a), m.v(c.x), m.v(c.product))
		k.op("VPADDD %s, %s, %s", m.v(c.product), m.v(d), m.v(d))
	case m.wide():
		k.op("VPDPBUSD %s, %s, %s", m.a(a), m.v(c.x), m.v(d))
	default:
		k.op("VMOVDQU %s, %s", m.a(a), m.v(c.product))
		m.dotBytes(d, c.x, c.product)
	}
}
