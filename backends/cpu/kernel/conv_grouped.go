package kernel

// Grouped is a convolution whose groups have 4 or 8 channels each, in and out, and whose kernel is
// three wide: Conv with such Groups, and the same operands, border, epilogue and tasks. Conv
// would fill each group up to a block with zero weights. The products of an output element are
// added in the order kernel row, channel, kernel column.
type Grouped struct{ Conv Conv }

// GroupedFits reports whether Grouped computes such a convolution.
func GroupedFits(c Conv) bool {
	width := c.IC / one(c.Groups)
	return (width == 4 || width == 8) && c.OC() == c.IC && c.Outputs[1].C == 0 && !c.Planar && !c.masked() && stripFits(c)
}

// Tasks is those of the convolution.
func (c Grouped) Tasks(images int) int { return c.Conv.Tasks(images) }

// BiasLen is the length of the packed bias.
func (c Grouped) BiasLen() int { return c.Conv.BiasLen() }

// PackBias packs the bias.
func (c Grouped) PackBias(dst, bias []float32) { c.Conv.PackBias(dst, bias) }

// width is the channels of a group.
func (c Grouped) width() int { return c.Conv.IC / c.Conv.Groups }

// blockWeights is the length of the packed weights of a block.
func (c Grouped) blockWeights() int { return c.Conv.KH * c.width() * c.Conv.KW * Block }

// PackedLen is the length of the packed weights, in float32s.
func (c Grouped) PackedLen() int { return Blocks(c.Conv.IC) * c.blockWeights() }

// Pack writes weights in the order [output channel][channel of the group][KH][KW] into dst, in the
// order [block][KH][channel of the group][KW][16].
func (c Grouped) Pack(dst, weight []float32) {
	width, kh, kw := c.width(), c.Conv.KH, c.Conv.KW
	clear(dst[:c.PackedLen()])
	for o := range c.Conv.IC {
		block := dst[o/Block*c.blockWeights():]
		for i := range width {
			for y := range kh {
				for x := range kw {
					block[((y*width+i)*kw+x)*Block+o%Block] = weight[((o*width+i)*kh+y)*kw+x]
				}
			}
		}
	}
}

// Table returns the strips of a tier.
func (c Grouped) Table(isa ISA) []int { return stripTiers[isa].strips(c.Conv.W) }

// Run computes one task.
func (c Grouped) Run(w *Worker, task int, a *Args) {
	part := &c.Conv.Outputs[0]
	k := stripTask{width: c.width(), strips: a.Table}
	b0, b1 := 0, 0
	k.image, k.y0, k.y1, b0, b1 = c.Conv.blockTask(task)
	for k.block = b0; k.block < b1; k.block++ {
		k.weights = a.W[0][k.block*c.blockWeights():][:c.blockWeights()]
		k.bias = zeroBias[:Block]
		if a.W[1] != nil {
			k.bias = a.W[1][k.block*Block:][:Block]
		}
		if stripTiers[w.ISA].portable() {
			c.runGo(a, &k)
		} else {
			c.Conv.runStrips(w, a, &k)
		}
		if part.laterAct() {
			part.activateRows(w, a, k.image, k.block, k.y0, k.y1, c.Conv.W)
		}
	}
}

// runGo computes rows of a block in plain Go.
func (c Grouped) runGo(a *Args, k *stripTask) {
	d := &c.Conv
	part := &d.Outputs[0]
	for y := k.y0; y < k.y1; y++ {
		in := a.In[0].Off + k.image*d.In.N + k.block*d.In.C + (y*one(d.SH)-d.PH)*d.In.H - d.PW*Block
		out := a.Out[0].Off + k.image*part.View.N + k.block*part.View.C + y*part.View.H
		res := a.In[1].Off + k.image*d.Res.N + k.block*d.Res.C + y*d.Res.H
		for x := range d.W {
			acc := [Block]float32(k.bias)
			w := k.weights
			for kh := range d.KH {
				for i := range k.width {
					for kw := range d.KW {
						px := (*[Block]float32)(a.In[0].Mem[in+kh*one(d.DH)*d.In.H+(x*one(d.SW)+kw)*Block:])
						for l := range acc {
							acc[l] += float32(px[l/k.width*k.width+i] * w[l])
						}
						w = w[Block:]
					}
				}
			}
			for l, v := range acc {
				if d.Residual {
					v = float32(d.Scale*v) + a.In[1].Mem[res+x*Block+l]
				}
				a.Out[0].Mem[out+x*Block+l] = rectified(d.rectifier(), v)
			}
		}
	}
}

// rectified is the activation that such flags name; NaN passes.
func rectified(flags int, v float32) float32 {
	if flags&tileReLU != 0 && v < 0 {
		v = 0
	}
	if flags&tileReLU6 != 0 && v > 6 {
		v = 6
	}
	return v
}
