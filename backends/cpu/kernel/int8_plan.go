package kernel

// perByte is the cost of a kernel that computes n elements: operations, bytes and nanoseconds of each.
func perByte(n, ops, bytes int, ns float64) Cost {
	return Cost{FLOPs: n * ops, Bytes: n * bytes, NS: ns * float64(n)}
}

// Cost is that of the conversion.
func (k Quantize) Cost(images int) Cost { return perByte(k.C*k.H*k.W*images, 4, 5, moveNS) }

// Cost is that of the conversion.
func (k Dequantize) Cost(images int) Cost { return perByte(k.C*k.H*k.W*images, 2, 5, moveNS) }

// Cost is that of the conversion.
func (k QuantizeQuads) Cost(images int) Cost { return perByte(k.C*k.H*k.W*images, 4, 5, moveNS) }

// Cost is that of a copy.
func (k CopyInt8) Cost(images int) Cost { return perByte(k.C*k.H*k.W*images, 0, 2, moveNS) }

// Cost is that of the sum.
func (k AddInt8) Cost(images int) Cost { return perByte(k.C*k.H*k.W*images, 6, 3, moveNS) }

// Cost is that of the comparisons.
func (p MaxPoolInt8) Cost(images int) Cost {
	return perByte(p.C*p.H*p.W*images, p.KH*p.KW, 2, moveNS*float64(p.KH+p.KW)/4)
}

// Cost is that of the convolution: four multiply-accumulates take as long as one of float32s.
func (c ConvInt8) Cost(images int) Cost {
	tiles := 0.0
	for range c.npairs() {
		for _, p := range balanced(c.H*c.W, 14) {
			tiles += tileCost(p, 2, c.ntaps()*byteWords)
		}
	}
	ih, iw := (c.H-1)*one(c.SH)+(c.KH-1)*one(c.DH)+1, (c.W-1)*one(c.SW)+(c.KW-1)*one(c.DW)+1
	bytes := images*(Blocks(c.IC)*Block*ih*iw+4*c.step()*Blocks(c.C)*c.H*c.W) + 4*c.PackedLen()
	ns := max(float64(images)*(tiles+float64(c.Tasks(1))*taskOverhead), float64(4*c.PackedLen())/ramPerOp) / costNS
	return perMAC(images*c.C*c.IC*c.KH*c.KW*c.H*c.W, bytes, ns)
}

// Split cuts the work into tasks: enough for eight threads if there is enough to do, first by pairs
// of output blocks, whose weights then stay in the cache of one core.
func (c ConvInt8) Split() ConvInt8 {
	work := c.npairs() * c.ntaps() * c.H * c.W // of 512 multiply-accumulates each
	tasks := max(1, min(16, work/4096))
	if c.winograd() {
		tasks = ceilDiv(tasks, 2)
	}
	c.Pairs = ceilDiv(c.npairs(), min(tasks, c.npairs()))
	groups := ceilDiv(c.npairs(), c.Pairs)
	c.Rows = ceilDiv(c.H, max(1, min(c.H, ceilDiv(tasks, groups))))
	if c.winograd() {
		c.Rows = ceilDiv(c.Rows, 4) * 4 // whole tiles
	}
	return c
}

// Cost is that of the conversion.
func (k DequantizeNCHW) Cost(images int) Cost { return perByte(k.C*k.H*k.W*images, 2, 5, scatterNS) }

// Cost is that of the convolution.
func (c DepthwiseInt8) Cost(images int) Cost {
	k := c.Conv
	macs := images * k.C * k.KH * k.KW * k.H * k.W
	bytes := images*Blocks(k.C)*Block*((k.H-1)*one(k.SH)+k.KH)*((k.W-1)*one(k.SW)+k.KW) + images*Blocks(k.C)*Block*k.H*k.W + 4*c.PackedLen()
	return perMAC(macs, bytes, moveNS/4*float64(macs)+float64(images*c.Tasks(1))*taskOverhead/costNS)
}
