package kernel

// Resample resizes maps: every row of the output is a weighted sum of rows of the input, every
// column one of columns, with weights that are the same for all channels. Interpolation, nearest
// or linear or cubic, has few weights that are not zero.
//
// Operands: In[0] input, Out[0] output, which may not share memory; W[0] the weights of the rows
// (H x IH) and W[1] those of the columns (W x IW), as packed by Pack and PackBias, or nil for an
// axis that is not resized.
type Resample struct {
	C            int
	IH, IW, H, W int
	Rows, Cols   bool // the axes that are resized; the others have equal sizes
	Planar       bool // both maps are NCHW without gaps, else blocked
	In, Out      View
}

// A packed row of weights is the index of its first weight that is not zero, the number of
// weights up to the last such one, and these. There is room for as many as the input is long.
const resampleHead = 2

// PackedLen is the length of the weights of the rows, in float32s.
func (k Resample) PackedLen() int { return k.H * (resampleHead + k.IH) }

// Pack packs the weights of the rows.
func (k Resample) Pack(dst, weight []float32) { packResample(dst, weight, k.H, k.IH) }

// BiasLen is the length of the weights of the columns, in float32s.
func (k Resample) BiasLen() int { return k.W * (resampleHead + k.IW) }

// PackBias packs the weights of the columns.
func (k Resample) PackBias(dst, weight []float32) { packResample(dst, weight, k.W, k.IW) }

// packResample packs a matrix of out x in weights.
func packResample(dst, weight []float32, out, in int) {
	clear(dst)
	for o := range out {
		row, to := weight[o*in:][:in], dst[o*(resampleHead+in):]
		lo, hi := 0, in
		for hi > 1 && row[hi-1] == 0 {
			hi--
		}
		for lo < hi-1 && row[lo] == 0 {
			lo++
		}
		to[0], to[1] = float32(lo), float32(hi-lo)
		copy(to[resampleHead:], row[lo:hi])
	}
}

// resampleTaps returns what packResample packed for output o: the first input, and the weights.
func resampleTaps(packed []float32, o, in int) (first int, weights []float32) {
	r := packed[o*(resampleHead+in):]
	return int(r[0]), r[resampleHead:][:int(r[1])]
}

// maps has a plane for each channel if Planar, else one for each block.
func (k Resample) maps() maps {
	if k.Planar {
		return maps{k.C * Block, k.H, rowsPerTask(k.H, ceilDiv(2*k.W, Block))}
	}
	return maps{k.C, k.H, rowsPerTask(k.H, 4*k.W)}
}

// Tasks is images x channels or channel blocks x ranges of rows.
func (k Resample) Tasks(images int) int { return k.maps().tasks(images) }

// pitch is the length of a row of a plane with whole blocks.
func (k Resample) pitch() int { return Blocks(k.W) * Block }

// Scratch holds one row of the input, or of a plane all rows with their new width, and one row of
// the output.
func (k Resample) Scratch() int {
	if k.Planar {
		return (k.IH + 1) * k.pitch()
	}
	return k.IW * Block
}

// Run computes some rows of a channel or of a block.
func (k Resample) Run(w *Worker, task int, a *Args) {
	image, c, y0, y1 := k.maps().task(task)
	if k.Planar {
		k.runPlane(w, a, image, c, y0, y1)
		return
	}
	v := vecFor(w.ISA)
	for y := y0; y < y1; y++ {
		dst := k.Out.row(&a.Out[0], image, c, y, k.W)
		row := k.In.row(&a.In[0], image, c, min(y, k.IH-1), k.IW)
		if k.Rows {
			first, weights := resampleTaps(a.W[0], y, k.IH)
			if len(weights) == 1 && weights[0] == 1 {
				row = k.In.row(&a.In[0], image, c, first, k.IW)
			} else {
				row = w.Scratch[:k.IW*Block]
				for i, by := range weights {
					w.addTap(v, row, k.In.row(&a.In[0], image, c, first+i, k.IW), by, i == 0)
				}
			}
		}
		if !k.Cols {
			copy(dst, row)
			continue
		}
		for x := range k.W {
			first, weights := resampleTaps(a.W[1], x, k.IW)
			px := dst[x*Block:][:Block]
			if len(weights) == 1 && weights[0] == 1 {
				*(*[Block]float32)(px) = *(*[Block]float32)(row[first*Block:])
				continue
			}
			weighPixels((*[Block]float32)(px), row[first*Block:], weights)
		}
	}
}

// weighPixels is dst = the sum of pixels of a block, one behind another, with their weights. Calls
// of a primitive would take longer than these few lanes.
func weighPixels(dst *[Block]float32, src, weights []float32) {
	by, s := weights[0], (*[Block]float32)(src)
	for i := range dst {
		dst[i] = float32(by * s[i])
	}
	for j, by := range weights[1:] {
		s := (*[Block]float32)(src[(j+1)*Block:])
		for i := range dst {
			dst[i] += float32(by * s[i])
		}
	}
}

// addTap is dst = by*src, or adds that to it.
func (w *Worker) addTap(v *vecOps, dst, src []float32, by float32, first bool) {
	if first {
		w.act.a = lanesOf(by)
		v.mul(dst, src, w.act.a[:], 0)
		return
	}
	v.addScaled(dst, dst, src, by)
}

// runPlane computes rows y0..y1-1 of a channel. It first gives the rows of the input that they
// need their new width, which are few, so that all else is sums of whole rows.
func (k Resample) runPlane(w *Worker, a *Args, image, c, y0, y1 int) {
	v, pitch := vecFor(w.ISA), k.pitch()
	lo, hi := y0, y1
	if k.Rows {
		lo, hi = k.IH, 0
		for y := y0; y < y1; y++ {
			first, weights := resampleTaps(a.W[0], y, k.IH)
			lo, hi = min(lo, first), max(hi, first+len(weights))
		}
	}
	src := a.In[0].Mem[a.In[0].Off+image*k.In.N+c*k.IH*k.IW:][:k.IH*k.IW]
	wide := w.Scratch[:(hi-lo)*pitch]
	for y := lo; y < hi; y++ {
		k.widen(wide[(y-lo)*pitch:][:pitch], src[y*k.IW:][:k.IW], a.W[1])
	}
	for y := y0; y < y1; y++ {
		at := a.Out[0].Off + image*k.Out.N + (c*k.H+y)*k.W
		dst := a.Out[0].Mem[at:][:k.W]
		if !k.Rows {
			copy(dst, wide[(y-lo)*pitch:])
			continue
		}
		first, weights := resampleTaps(a.W[0], y, k.IH)
		first -= lo
		if len(weights) == 1 && weights[0] == 1 {
			copy(dst, wide[first*pitch:])
			continue
		}
		row := dst
		if k.W != pitch {
			row = w.Scratch[k.IH*pitch:][:pitch]
		}
		for i, by := range weights {
			w.addTap(v, row, wide[(first+i)*pitch:][:pitch], by, i == 0)
		}
		if k.W != pitch {
			copy(dst, row)
		}
	}
}

// widen gives a row of a plane its new width; what is left of dst is zero.
func (k Resample) widen(dst, src, packed []float32) {
	clear(dst[k.W:])
	if !k.Cols {
		copy(dst, src)
		return
	}
	for x := range k.W {
		first, weights := resampleTaps(packed, x, k.IW)
		sum := float32(weights[0] * src[first])
		for i, by := range weights[1:] {
			sum += float32(by * src[first+1+i])
		}
		dst[x] = sum
	}
}
