package kernel

// packPart packs some consecutive filters of a kernel's weights. It does not depend on the
// other parts.
type packPart struct {
	src, filters int // where the filters begin, and their length in all
	dst, packed  int // where what they become begins, and its length
	pack         func(dst, src []float32, s *packScratch)
}

// partPacker is a kernel whose weights are packed as independent parts. A type with a Pack
// of its own that embeds a partPacker has a packParts of its own.
type partPacker interface{ packParts() []packPart }

// packParts returns the packing of a kernel's weights as independent parts, or nil if it
// cannot be divided.
func packParts(k Runner) []packPart {
	if p, ok := k.(partPacker); ok {
		return p.packParts()
	}
	return nil
}

func (d Dense) packParts() []packPart { return d.conv().packParts() }

func (c Depthwise) packParts() []packPart { return nil }

func (c Grouped) packParts() []packPart { return nil }

func (c N16Conv) packParts() []packPart { return nil }

// packAll packs all parts.
func packAll(dst, weight []float32, parts []packPart) {
	s := newPackScratch()
	for _, p := range parts {
		p.pack(dst[p.dst:p.dst+p.packed], weight[p.src:p.src+p.filters], s)
	}
}

// packScratch is what packing needs of memory, for one goroutine.
type packScratch struct {
	isa   ISA
	src   []float32 // filters, as they are read
	panel []float32 // some of them, transposed
	tmp   []float64 // of a transform
}

// newPackScratch is for the best instructions of the machine, whatever the network
// is to run on: all of them pack the same bits.
func newPackScratch() *packScratch { return &packScratch{isa: available[len(available)-1]} }

// filters is room for filters that are read.
func (s *packScratch) filters(n int) []float32 {
	if len(s.src) < n {
		s.src = make([]float32, n)
	}
	return s.src[:n]
}

func (s *packScratch) room(n int) []float32 {
	if len(s.panel) < n {
		s.panel = make([]float32, n)
	}
	return s.panel[:n]
}

// transpose writes the first n elements of some rows (at most 16), row elements
// apart, as columns: n times an element of each row, step elements apart.
func (s *packScratch) transpose(dst []float32, step int, src []float32, row, n, rows int) {
	const b, most = 8, 256 // so that what is written twice, eight rows at a time, is near
	at := 0
	for rows == Block && n-at >= b {
		m := min(most, n-at) / b * b
		_, _ = dst[(at+m-1)*step+Block-1], src[(Block-1)*row+at+m-1] // assembly checks no bounds
		vecFor(s.isa).transpose(dst[at*step:], src[at:], step, row, rows, m)
		at += m
	}
	for ; at < n; at += Block { // whole cache lines of each row
		for j := range rows {
			for i, x := range src[j*row+at : j*row+min(at+Block, n)] {
				dst[(at+i)*step+j] = x
			}
		}
	}
}

// columns calls f for pieces of the channels of at most sixteen filters of kk taps,
// with sixteen lanes for each tap of each channel: one a filter, the others zero.
func (s *packScratch) columns(filters []float32, channels, kk, rows int, f func(first, n int, panel []float32)) {
	const most = 1 << 13 // float32s, to stay in the first cache
	n := max(1, most/Block/kk)
	for first := 0; first < channels; first += n {
		n := min(n, channels-first)
		panel := s.room(n * kk * Block)
		if rows < Block {
			clear(panel)
		}
		s.transpose(panel, Block, filters[first*kk:], channels*kk, n*kk, rows)
		f(first, n, panel)
	}
}

func (c Conv) packParts() []packPart {
	var parts []packPart
	row := c.IC / one(c.Groups) * c.KH * c.KW
	for g := range c.blockPairs {
		parts = append(parts, packPart{src: g.oc * row, filters: g.n * row,
			dst: g.w, packed: (g.hi - g.lo) * c.depth() * c.KH * c.KW * g.blocks * Block,
			pack: func(dst, src []float32, s *packScratch) { c.packGroup(dst, src, g, s) }})
	}
	return parts
}

// packGroup packs the filters of a pair of output blocks.
func (c Conv) packGroup(dst, filters []float32, g blockPair, s *packScratch) {
	gs := one(c.Groups)
	icg, ocg := c.IC/gs, c.OC()/gs
	kk := c.KH * c.KW
	width := g.blocks * Block
	if gs > 1 || g.n < width || (g.hi-g.lo)*c.depth() > c.IC {
		clear(dst)
	}
	for j := 0; j < g.n; {
		// Filters of one block of lanes and of one group of channels.
		q := (g.oc + j) / ocg
		n := min(g.n, (j/Block+1)*Block, (q+1)*ocg-g.oc) - j
		src := filters[j*icg*kk : (j+n)*icg*kk]
		first := q*icg - g.lo*c.tapChannels() // channel, counted from those that the pair reads
		if kk == 1 || c.Planar {
			s.transpose(dst[first*kk*width+j:], width, src, icg*kk, icg*kk, n)
		} else {
			s.columns(src, icg, kk, n, func(at, channels int, panel []float32) {
				for i := range channels {
					ic := first + at + i
					d := dst[(ic/Block*kk*c.depth()+ic%Block)*width+j:]
					for k := range kk {
						copy(d[k*c.depth()*width:][:n], panel[(i*kk+k)*Block:])
					}
				}
			})
		}
		j += n
	}
}

func (c Winograd) packParts() []packPart {
	var parts []packPart
	row, pos := c.Conv.IC/one(c.Conv.Groups)*c.Conv.KH*c.Conv.KH, winoArea*c.depths()
	for g := range c.Conv.blockPairs {
		parts = append(parts, packPart{src: g.oc * row, filters: g.n * row, dst: pos * g.bias, packed: pos * g.blocks * Block,
			pack: func(dst, src []float32, s *packScratch) { c.packGroup(dst, src, g, s) }})
	}
	return parts
}

func (c Winograd) packGroup(dst, filters []float32, g blockPair, s *packScratch) {
	r := c.Conv.KH
	matrix := winoMatrix(r)
	s.transformed(dst, filters, g, c.Conv.IC/one(c.Conv.Groups), c.depths(), r*r, winoArea, func(src, dst []float32, pos, step, n int) {
		f := packWinoTiers[s.isa][r/5]
		if f == nil {
			winoPackGo(r, src, matrix, dst, pos, step, n)
			return
		}
		if s.tmp == nil {
			s.tmp = make([]float64, winoIn*5*8)
		}
		// The assembly checks no bounds.
		_, _, _ = src[n*r*r*Block-1], matrix[winoIn*r-1], dst[(winoArea-1)*pos+(n-1)*step+Block-1]
		f(&src[0], &matrix[0], &dst[0], 4*pos, 4*step, n, &s.tmp[0])
	})
}

// packWinoTiers are the microkernels of that transform for kernels of 3x3 and 5x5, where a tier has
// them, packWino1dTiers those of Winograd1D: files of a processor set them.
var (
	packWinoTiers   [isas][2]func(src *float32, g *float64, dst *float32, pos, step, n int, tmp *float64)
	packWino1dTiers [isas]func(src *float32, g *float64, dst *float32, pos, step, n int)
)

// transformed packs the filters of a pair of output blocks by a transform from
// taps to positions, in the order [position][input channel][output channel].
func (s *packScratch) transformed(dst, filters []float32, g blockPair, ic, depths, taps, positions int, transform func(src, dst []float32, pos, step, n int)) {
	width := g.blocks * Block
	if ic < depths {
		for p := range positions {
			clear(dst[(p*depths+ic)*width : (p+1)*depths*width])
		}
	}
	for j := 0; j < g.n; j += Block {
		n := min(Block, g.n-j)
		s.columns(filters[j*ic*taps:(j+n)*ic*taps], ic, taps, n, func(first, channels int, panel []float32) {
			transform(panel, dst[first*width+j:], depths*width, width, channels)
		})
	}
}

// winoPackGo transforms n filters of sixteen output channels each.
func winoPackGo(r int, src []float32, g []float64, dst []float32, pos, step, n int) {
	for ; n > 0; n-- {
		for l := range Block {
			var t [winoIn][5]float64
			for i := range winoIn {
				for x := range r {
					for y := range r {
						t[i][x] += float64(g[i*r+y] * float64(src[(y*r+x)*Block+l]))
					}
				}
			}
			for y := range winoIn {
				for x := range winoIn {
					sum := 0.0
					for i := range r {
						sum += float64(t[y][i] * g[x*r+i])
					}
					dst[(y*winoIn+x)*pos+l] = float32(sum)
				}
			}
		}
		if n > 1 {
			src, dst = src[r*r*Block:], dst[step:]
		}
	}
}

func (c Winograd1D) packParts() []packPart {
	var parts []packPart
	row, pos := c.Conv.IC*wino1dTaps, wino1dIn*Blocks(c.Conv.IC)*c.Conv.depth()
	for g := range c.Conv.blockPairs {
		parts = append(parts, packPart{src: g.oc * row, filters: g.n * row, dst: pos * g.bias, packed: pos * g.blocks * Block,
			pack: func(dst, src []float32, s *packScratch) { c.packGroup(dst, src, g, s) }})
	}
	return parts
}

func (c Winograd1D) packGroup(dst, filters []float32, g blockPair, s *packScratch) {
	s.transformed(dst, filters, g, c.Conv.IC, Blocks(c.Conv.IC)*c.Conv.depth(), wino1dTaps, wino1dIn, func(src, dst []float32, pos, step, n int) {
		f := packWino1dTiers[s.isa]
		if f == nil {
			wino1dPackGo(src, wino1dMatrix, dst, pos, step, n)
			return
		}
		// The assembly checks no bounds.
		_, _, _ = src[n*wino1dTaps*Block-1], wino1dMatrix[wino1dIn*wino1dTaps-1], dst[(wino1dIn-1)*pos+(n-1)*step+Block-1]
		f(&src[0], &wino1dMatrix[0], &dst[0], 4*pos, 4*step, n)
	})
}

// wino1dPackGo is winoPackGo of Winograd1D.
func wino1dPackGo(src []float32, g []float64, dst []float32, pos, step, n int) {
	for ; n > 0; n-- {
		for l := range Block {
			for p := range wino1dIn {
				sum := 0.0
				for i := range wino1dTaps {
					sum += float64(g[p*wino1dTaps+i] * float64(src[i*Block+l]))
				}
				dst[p*pos+l] = float32(sum)
			}
		}
		if n > 1 {
			src, dst = src[wino1dTaps*Block:], dst[step:]
		}
	}
}
