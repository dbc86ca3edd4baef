package kernel

import "math"

// Picks say which element of each window of 2 x 2 a max pool took, which is all that
// its gradient needs of its input. A block of 16 windows has four times 16 bits, a bit
// a lane, for the elements of a window in reading order; at most one of a lane's four
// bits is set. In a View of picks the block of window (y, x) is at y*H + x*picksLen, rows
// and columns being those of the pool's output.
const picksLen = 2 // float32s a block

// picks is those of w windows of a row, nil where the operand has no memory.
func (v View) picks(b *Buf, image, block, y, x, w int) []float32 {
	if b.Mem == nil {
		return nil
	}
	i := b.Off + image*v.N + block*v.C + y*v.H + x*picksLen
	return b.Mem[i : i+w*picksLen : i+w*picksLen]
}

// pairRows is the two rows under a row of w windows of 2 x 2, one beside the other.
func (v View) pairRows(b *Buf, image, block, y, w int) []float32 {
	i, j := v.at(b, image, block, 2*y, 0), v.at(b, image, block, 2*y+1, 2*w)
	return b.Mem[i:j:j]
}

// pool2 is max pooling by windows of 2 x 2, one beside the other, with picks if there
// is a place for them.
func (v *vecOps) pool2(dst, picks, src []float32, rowStep int, relu bool) {
	nan := 0
	switch {
	case picks == nil:
		v.maxPool2(dst, src, rowStep)
	case relu:
		nan = v.maxPoolReluPicks2(dst, picks, src, rowStep)
	default:
		nan = v.maxPoolPicks2(dst, picks, src, rowStep)
	}
	if nan != 0 {
		maxPoolPicksGo(dst, picks, src, rowStep, relu)
	}
}

// maxPoolPicksGo is maxPoolPicks2 or maxPoolReluPicks2 in plain Go.
func maxPoolPicksGo(dst, picks, src []float32, rowStep int, relu bool) {
	for o := 0; o < len(dst); o += Block {
		var bits [4]uint32
		for l := range Block {
			in := src[2*o+l:]
			x := [4]float32{in[0], in[Block], in[rowStep], in[rowStep+Block]}
			best, at := x[0], 0
			for i, v := range x {
				if above(v, best) {
					best, at = v, i
				}
			}
			if !relu || !(best <= 0) {
				bits[at] |= 1 << l
			}
			dst[o+l] = maxOf2(maxOf2(maxOf2(x[0], x[2]), x[1]), x[3]) // by columns, as maxPool
		}
		p := picks[o/Block*picksLen:][:picksLen]
		p[0], p[1] = math.Float32frombits(bits[0]|bits[1]<<16), math.Float32frombits(bits[2]|bits[3]<<16)
	}
}

// maxPoolPickedGradGo is maxPoolPickedGrad2 in plain Go.
func maxPoolPickedGradGo(dx, picks, dy, acc []float32, dxRowStep int) {
	for o := 0; o < len(dy); o += Block {
		p := picks[o/Block*picksLen:][:picksLen]
		for l := range Block {
			out, d := dx[2*o+l:], dy[o+l]
			for i := range 4 {
				at := &out[i/2*dxRowStep+i%2*Block]
				*at = 0
				if math.Float32bits(p[i/2])>>(i%2*16+l)&1 != 0 {
					*at += d // no -0, as where gradients are added up
					acc[l] += d
				}
			}
		}
	}
}
