package kernel

// ConvTap is one tap of a larger convolution, as a 1x1 convolution over the part of the map where
// the tap meets the input and not its padding. It packs its weights from those of all taps.
//
// Operands are those of Conv.
type ConvTap struct {
	Conv   Conv // 1x1
	KH, KW int  // the size of the whole filter
	Y, X   int  // the place of the tap in it
}

// PackedLen is the length of the packed weights, in float32s.
func (c ConvTap) PackedLen() int { return c.Conv.PackedLen() }

// Pack packs the tap of all filters.
func (c ConvTap) Pack(dst, weight []float32) {
	taps := c.KH * c.KW
	own := make([]float32, len(weight)/taps)
	for i := range own {
		own[i] = weight[i*taps+c.Y*c.KW+c.X]
	}
	c.Conv.Pack(dst, own)
}

// BiasLen is the length of the packed bias.
func (c ConvTap) BiasLen() int { return c.Conv.BiasLen() }

// PackBias packs the bias.
func (c ConvTap) PackBias(dst, bias []float32) { c.Conv.PackBias(dst, bias) }

// Table is that of the convolution.
func (c ConvTap) Table(isa ISA) []int { return c.Conv.Table(isa) }

// Tasks is those of the convolution.
func (c ConvTap) Tasks(images int) int { return c.Conv.Tasks(images) }

// Run runs a task of the convolution.
func (c ConvTap) Run(w *Worker, task int, a *Args) { c.Conv.Run(w, task, a) }
