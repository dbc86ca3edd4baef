package kernel

// N16Dense is a fully connected layer, with Dense's meaning and operands, whose
// vectors are images: the input is a map or vector in N16, the output a vector
// in N16. Blocks of 16 images take the part that pixels have in N16Conv.
type N16Dense struct {
	C, H, W int
	In      View
	Out     Output

	// How the work is cut into tasks: output channels, in fours, and groups of 16
	// images a task; 0 takes all. The result does not depend on them.
	Quads, ImageBlocks int
}

func (d N16Dense) conv() N16Conv {
	return N16Conv{Conv{IC: d.C, H: 1, W: 1, KH: d.H, KW: d.W, In: d.In, Outputs: [4]Output{d.Out}}}
}

// PackedLen is the length of the packed weights, in float32s.
func (d N16Dense) PackedLen() int { return d.conv().PackedLen() }

// Pack writes weights in the order [Out.C][C][H][W] into dst.
func (d N16Dense) Pack(dst, weight []float32) { d.conv().Pack(dst, weight) }

// BiasLen is the length of the packed bias, in float32s.
func (d N16Dense) BiasLen() int { return d.Out.C }

// PackBias copies the bias.
func (d N16Dense) PackBias(dst, bias []float32) { copy(dst, bias) }

// MACs is the number of multiply-accumulates of an image.
func (d N16Dense) MACs() int { return d.conv().Conv.MACs() }

// Table returns the taps.
func (d N16Dense) Table(ISA) []int { return d.In.n16Taps(d.C, d.H, d.W, 1, 1) }

func (d N16Dense) quads() int { return ceilDiv(d.Out.C, n16Channels) }

func (d N16Dense) quadsAtOnce() int {
	if d.Quads <= 0 {
		return d.quads()
	}
	return min(d.Quads, d.quads())
}

// groups is how many of all image blocks a task takes.
func (d N16Dense) groups(all int) int {
	if d.ImageBlocks <= 0 {
		return all
	}
	return min(d.ImageBlocks, all)
}

// Tasks is chunks of image blocks x chunks of output channels.
func (d N16Dense) Tasks(images int) int {
	all := imageBlocks(images)
	return ceilDiv(all, d.groups(all)) * ceilDiv(d.quads(), d.quadsAtOnce())
}

// Groups of images of a task: at most as many that some taps of all of them stay in
// the first cache while the output channels go over them, and not fewer than fill a
// tile.
const (
	n16DenseMost  = 12
	n16DenseLeast = 4
)

// n16DenseTaps is how many taps of some image blocks, 32 KiB of them, are done
// for all output channels of a task before the next ones. The sums rest in the output.
func n16DenseTaps(groups int) int { return max(32, 512/groups) }

// Run computes some output channels of some image blocks.
func (d N16Dense) Run(w *Worker, task int, a *Args) {
	all := imageBlocks(a.Images)
	chunks := ceilDiv(d.quads(), d.quadsAtOnce())
	g0 := task / chunks * d.groups(all)
	q0 := task % chunks * d.quadsAtOnce()
	q1 := min(q0+d.quadsAtOnce(), d.quads())
	k := len(a.Table)
	out := &a.Out[0]
	l := &w.lanes
	*l = n16Run{in: a.In[0].Mem, at: a.In[0].Off + g0*d.In.N, out: out.Mem, rows: 1, pixels: min(d.groups(all), all-g0),
		ps: d.In.N, ops: d.Out.View.N, outC: d.Out.View.C}
	taps := n16DenseTaps(l.pixels)
	for t0 := 0; t0 < k; t0 += taps {
		t1 := min(t0+taps, k)
		l.taps, l.acc, l.relu = a.Table[t0:t1], t0 > 0, t1 == k && d.Out.Act.rectifies()
		// Whole quads first, then what is left of the channels.
		for q := q0; q < q1; q += l.quads {
			o := q * n16Channels
			l.channels = min(n16Channels, d.Out.C-o)
			l.quads = 1
			if l.channels == n16Channels {
				l.quads = min(q1-q, (d.Out.C-o)/n16Channels, len(n16Zeros)/n16Channels)
			}
			all := l.channels * l.quads
			l.wQuad = l.channels * k
			l.w, l.bias = a.W[0][o*k+t0*l.channels:(o+all)*k], n16Zeros[:all]
			if a.W[1] != nil {
				l.bias = a.W[1][o:][:all]
			}
			l.to = d.Out.View.at(out, g0, o, 0, 0)
			l.run(w)
		}
	}
	if d.Out.vectorAct() {
		for g := g0; g < g0+l.pixels; g++ {
			for o := q0 * n16Channels; o < min(q1*n16Channels, d.Out.C); o++ {
				d.Out.finish(w, d.Out.View.row(out, g, o, 0, 1))
			}
		}
	}
	l.in, l.out = nil, nil
}
