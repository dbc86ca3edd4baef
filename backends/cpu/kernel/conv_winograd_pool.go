package kernel

// poolTiles is how many tiles of a row are transformed back before they are pooled:
// their rows, 8 KiB, are then still in the first cache.
const poolTiles = 8

// poolOut is transformOut followed by max pooling. The side of a tile is even, so no 2 x 2
// window crosses a tile's edge. An odd last row or column, which no window covers, is
// computed and dropped. The convolution's output is only written to the worker's scratch,
// some tiles at a time.
func (r *winoRun) poolOut(g blockPair) {
	m, part, v := r.c.m(), &r.c.Conv.Outputs[g.part], vecFor(r.w.ISA)
	for b := range g.blocks {
		bias := r.bias(g, b)
		for i := 0; i < r.n; {
			image, ty, tx := r.at(i)
			run := min(poolTiles, r.gw-tx, r.n-i)
			row := run * m * Block
			r.outTiles(part, r.prod+b*r.block+i*Block, r.scratch, r.rows, row, bias, nil, 0, 0, run)
			i += run
			h, w := min(m, r.c.Conv.H-ty*m)/2, min(run*m, r.c.Conv.W-tx*m)/2
			if w == 0 {
				continue
			}
			y0, x0 := ty*m/2, tx*m/2
			for y := range h {
				at := part.View.at(&r.a.Out[0], image, g.block+b, y0+y, x0)
				v.pool2(r.a.Out[0].Mem[at:at+w*Block:at+w*Block], r.c.Indices.indices(&r.a.Out[1], image, g.block+b, y0+y, x0, w),
					r.scratch[r.rows+2*y*row:], row, part.Act == ActReLU)
			}
		}
	}
}
