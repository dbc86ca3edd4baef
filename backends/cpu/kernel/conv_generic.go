package kernel

// runPortable runs one pair of output blocks in plain Go. Products are rounded
// before they are added (float32(a*b) + c), so that no compiler fuses them and
// the bits are the same on every architecture.
func (c *Conv) runPortable(a *Args, image, y0, in int, r, tiles []int) {
	part := &c.Outputs[r[0]]
	kk := c.KH * c.KW
	lanes := c.tapChannels()
	taps := a.Table[r[5]*kk : r[6]*kk]
	width := r[2] * Block
	weights := a.W[0][r[7] : r[7]+len(taps)*c.depth()*width]
	bias := zeroBias[:width]
	if a.W[1] != nil {
		bias = a.W[1][r[8] : r[8]+width]
	}
	ps := one(c.SW) * lanes
	out := a.Out[r[0]].Mem
	o0 := a.Out[r[0]].Off + image*part.View.N + r[1]*part.View.C + y0*part.View.H
	r0 := a.In[1].Off + image*c.Res.N + r[1]*c.Res.C + y0*c.Res.H
	for ; len(tiles) >= tileInts; tiles = tiles[tileInts:] {
		p := tiles[0]
		half := (p + 1) / 2
		// Where the pixels are; the ones that a small tile lacks repeat the last.
		var px, po, pr [3]int
		for q := range px {
			j, i := min(q, p-1), 1
			if j >= half {
				j, i = j-half, 4
			}
			px[q] = in + tiles[i] + j*ps
			po[q] = o0 + tiles[i+1]*part.View.H + (tiles[i+2]+j)*part.step()
			pr[q] = r0 + tiles[i+1]*c.Res.H + (tiles[i+2]+j)*part.step()
		}
		for j := 0; j < width; j += 2 {
			b := [2]float32(bias[j:])
			acc := [3][2]float32{b, b, b}
			if lanes == 1 {
				acc = dot3x2planar(a.In[0].Mem, px, taps, weights[min(j, len(weights)):], width, acc)
			} else {
				acc = dot3x2(a.In[0].Mem, px, taps, c.depth(), weights[min(j, len(weights)):], width, acc)
			}
			at := j/Block*part.View.C + j%Block
			rt := j/Block*c.Res.C + j%Block
			for q := 0; q < p; q++ {
				for i, v := range acc[q] {
					if c.Residual {
						v = float32(c.Scale*v) + a.In[1].Mem[pr[q]+rt+i]
					}
					if part.Act == ActReLU6 && v > 6 {
						v = 6
					}
					if part.Act.rectifies() && v < 0 || part.Act == ActReLUBackward && a.In[1].Mem[pr[q]+rt+i] <= 0 {
						v = 0
					}
					out[po[q]+at+i] = v
				}
			}
		}
	}
}

// dot3x2 adds to s the sums of 3 pixels x 2 output channels over all taps of
// depth channels: with six sums the compiler spills nothing on amd64, with eight it does.
func dot3x2(in []float32, px [3]int, taps []int, depth int, w []float32, ws int, s [3][2]float32) [3][2]float32 {
	a0, a1, b0, b1 := s[0][0], s[0][1], s[1][0], s[1][1]
	c0, c1 := s[2][0], s[2][1]
	for _, tap := range taps {
		tap >>= 2
		xa := in[px[0]+tap:][:depth]
		xb := in[px[1]+tap:][:len(xa)]
		xc := in[px[2]+tap:][:len(xa)]
		i := 0
		for k := range xa {
			wk := w[i : i+2 : i+2]
			i += ws
			w0, w1 := wk[0], wk[1]
			x := xa[k]
			a0 += float32(x * w0)
			a1 += float32(x * w1)
			x = xb[k]
			b0 += float32(x * w0)
			b1 += float32(x * w1)
			x = xc[k]
			c0 += float32(x * w0)
			c1 += float32(x * w1)
		}
		w = w[min(i, len(w)):]
	}
	return [3][2]float32{{a0, a1}, {b0, b1}, {c0, c1}}
}

// dot3x2planar is dot3x2 where a tap is one channel.
func dot3x2planar(in []float32, px [3]int, taps []int, w []float32, ws int, s [3][2]float32) [3][2]float32 {
	a0, a1, b0, b1 := s[0][0], s[0][1], s[1][0], s[1][1]
	c0, c1 := s[2][0], s[2][1]
	i := 0
	for _, tap := range taps {
		tap >>= 2
		wk := w[i : i+2 : i+2]
		i += ws
		w0, w1 := wk[0], wk[1]
		x := in[px[0]+tap]
		a0 += float32(x * w0)
		a1 += float32(x * w1)
		x = in[px[1]+tap]
		b0 += float32(x * w0)
		b1 += float32(x * w1)
		x = in[px[2]+tap]
		c0 += float32(x * w0)
		c1 += float32(x * w1)
	}
	return [3][2]float32{{a0, a1}, {b0, b1}, {c0, c1}}
}
