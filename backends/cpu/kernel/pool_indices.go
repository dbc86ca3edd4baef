package kernel

import "math"

// Indices say which element of each window of 2 x 2 a max pool took, which is all that
// its gradient needs of its input. A block of 16 windows has four times 16 bits, a bit
// a lane, for the elements of a window in reading order; at most one of a lane's four
// bits is set. In a View of indices the block of window (y, x) is at y*H + x*indicesLen, rows
// and columns being those of the pool's output.
const indicesLen = 2 // float32s a block

// indices is those of w windows of a row, nil where the operand has no memory.
func (v View) indices(b *Buf, image, block, y, x, w int) []float32 {
	if b.Mem == nil {
		return nil
	}
	i := b.Off + image*v.N + block*v.C + y*v.H + x*indicesLen
	return b.Mem[i : i+w*indicesLen : i+w*indicesLen]
}

// pairRows is the two rows under a row of w windows of 2 x 2, one beside the other.
func (v View) pairRows(b *Buf, image, block, y, w int) []float32 {
	i, j := v.at(b, image, block, 2*y, 0), v.at(b, image, block, 2*y+1, 2*w)
	return b.Mem[i:j:j]
}

// pool2 is max pooling by windows of 2 x 2, one beside the other, with indices if there
// is a place for them.
func (v *vecOps) pool2(dst, indices, src []float32, rowStep int, relu bool) {
	nan := 0
	switch {
	case indices == nil:
		v.maxPool2(dst, src, rowStep)
	case relu:
		nan = v.maxPoolReluIndices2(dst, indices, src, rowStep)
	default:
		nan = v.maxPoolIndices2(dst, indices, src, rowStep)
	}
	if nan != 0 {
		maxPoolIndicesGo(dst, indices, src, rowStep, relu)
	}
}

// maxPoolIndicesGo is maxPoolIndices2 or maxPoolReluIndices2 in plain Go.
func maxPoolIndicesGo(dst, indices, src []float32, rowStep int, relu bool) {
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
		p := indices[o/Block*indicesLen:][:indicesLen]
		p[0], p[1] = math.Float32frombits(bits[0]|bits[1]<<16), math.Float32frombits(bits[2]|bits[3]<<16)
	}
}

// maxPoolIndexedBackwardGo is maxPoolIndexedBackward2 in plain Go.
func maxPoolIndexedBackwardGo(dx, indices, dy, acc []float32, dxRowStep int) {
	for o := 0; o < len(dy); o += Block {
		p := indices[o/Block*indicesLen:][:indicesLen]
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
