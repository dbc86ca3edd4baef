package kernel

import "unsafe"

// n16Tile is the argument block of the microkernels whose lanes are images:
// rows x tiles tiles of some pixels by one to four output channels. It lives in
// the Worker, as tile does, and the assembly knows its layout.
type n16Tile struct {
	in             unsafe.Pointer // the first pixel
	taps           unsafe.Pointer // *int: offsets in bytes, added to a pixel's place
	ntaps          int
	w              unsafe.Pointer // of the first channels: [tap][output channel]
	bias           unsafe.Pointer // a float32 for each output channel
	out            unsafe.Pointer
	outC           int // bytes from an output channel to the next
	res            unsafe.Pointer
	resC           int
	ps, ops, rps   int // bytes from a pixel to the next: input, output, residual
	tiles, rows    int // at least 1 of each
	quads          int // times as many output channels
	wQuad          int // bytes from the weights of a quad to the next one's
	inRow          int // bytes from a row's begin to the next one's
	outRow, resRow int
	flags          int // tileReLU, tileRes, tileAcc, tileMask
	scale          float32

	// The assembly's own: where the row, tile, quad under way begins.
	rowIn, rowOut, rowRes    uintptr
	tileOut, tileRes         uintptr
	quadRes, quadW, quadBias uintptr
	rowsLeft, quadsLeft      int
}

// n16Channels is how many output channels a tile has at most: as many weights
// stand side by side.
const n16Channels = 4

// n16Tier is what a tier has for convolutions whose lanes are images: microkernels by output
// channels and by pixels.
type n16Tier struct {
	pixels int // of a tile, at most
	lanes  int // images at once
	tile   [n16Channels + 1][7]func(*byte)
}

// n16Tiers are the tiers. Files of a processor set those that have microkernels.
var n16Tiers = [isas]n16Tier{Portable: {pixels: 1}}

// n16Run is the work of one call on the microkernels: rows x pixels pixels of
// some output channels.
type n16Run struct {
	in, out, res      []float32
	at, to, from      int // the first pixel: in in, out, res
	taps              []int
	w, bias           []float32
	channels          int // 1 to n16Channels
	quads             int // as many times: their weights are wQuad apart, their outputs follow
	wQuad             int
	rows, pixels      int
	inRow, outRow     int // float32s
	resRow            int
	ps, ops           int // from a pixel to the next; the residual's are as far apart as out's
	outC, resC        int
	relu, acc, addRes bool
	mask              bool
	scale             float32
}

func (l *n16Run) run(w *Worker) {
	tier := &n16Tiers[w.ISA]
	if tier.lanes == 0 || len(l.taps) == 0 { // the assembly needs at least one tap
		l.portable()
		return
	}
	t := &w.lane
	t.taps, t.ntaps = unsafe.Pointer(&l.taps[0]), len(l.taps)
	t.w, t.bias = float(l.w, 0), float(l.bias, 0)
	t.outC, t.resC = 4*l.outC, 4*l.resC
	t.ps, t.ops, t.rps = 4*l.ps, 4*l.ops, 4*l.ops
	t.rows, t.quads, t.wQuad = l.rows, l.quads, 4*l.wQuad
	t.inRow, t.outRow, t.resRow = 4*l.inRow, 4*l.outRow, 4*l.resRow
	t.scale = l.scale
	t.flags = 0
	if l.relu {
		t.flags |= tileReLU
	}
	if l.acc {
		t.flags |= tileAcc
	}
	if l.addRes {
		t.flags |= tileRes
	}
	if l.mask {
		t.flags |= tileMask
	}
	second := l.addRes || l.mask
	// The assembly checks no bounds: the farthest elements are looked at here, so
	// that a wrong plan panics and corrupts nothing.
	last, reach := l.pixels-1, 0
	for _, i := range [2]int{0, len(l.taps) - 1} {
		reach = max(reach, l.taps[i]/4)
	}
	_ = l.in[l.at+(l.rows-1)*l.inRow+last*l.ps+reach+Block-1]
	_ = l.out[l.to+(l.rows-1)*l.outRow+last*l.ops+(l.channels*l.quads-1)*l.outC+Block-1]
	if second {
		_ = l.res[l.from+(l.rows-1)*l.resRow+last*l.ops+(l.channels*l.quads-1)*l.resC+Block-1]
	}
	_ = l.w[(l.quads-1)*l.wQuad+len(l.taps)*l.channels-1]
	_ = l.bias[l.channels*l.quads-1]
	// The first tiles have p pixels, the others one less.
	tiles := ceilDiv(l.pixels, tier.pixels)
	p := ceilDiv(l.pixels, tiles)
	first := l.pixels - tiles*(p-1)
	for half := 0; half < Block; half += tier.lanes {
		x := 0
		for _, n := range [2]int{first, tiles - first} {
			if n > 0 {
				t.tiles = n
				t.in = float(l.in, l.at+half+x*l.ps)
				t.out = float(l.out, l.to+half+x*l.ops)
				if second {
					t.res = float(l.res, l.from+half+x*l.ops)
				}
				tier.tile[l.channels][p]((*byte)(unsafe.Pointer(t)))
			}
			x, p = x+n*p, p-1
		}
		p += 2
	}
}

// portable computes one output channel and pixel after another.
func (l *n16Run) portable() {
	for o := range l.channels * l.quads {
		first := o/l.channels*l.wQuad + o%l.channels
		for y := range l.rows {
			for x := range l.pixels {
				dst := (*[Block]float32)(l.out[l.to+o*l.outC+y*l.outRow+x*l.ops:])
				acc := *dst
				if !l.acc {
					for i := range acc {
						acc[i] = l.bias[o]
					}
				}
				at := l.at + y*l.inRow + x*l.ps
				for t, tap := range l.taps {
					k := l.w[first+t*l.channels]
					for i, v := range (*[Block]float32)(l.in[at+tap>>2:]) {
						acc[i] += float32(v * k)
					}
				}
				if l.addRes {
					r := (*[Block]float32)(l.res[l.from+o*l.resC+y*l.resRow+x*l.ops:])
					for i, v := range acc {
						acc[i] = float32(l.scale*v) + r[i]
					}
				}
				if l.relu {
					for i, v := range acc {
						acc[i] = relu(v)
					}
				}
				if l.mask {
					for i, y := range (*[Block]float32)(l.res[l.from+o*l.resC+y*l.resRow+x*l.ops:]) {
						if y <= 0 {
							acc[i] = 0
						}
					}
				}
				*dst = acc
			}
		}
	}
}
