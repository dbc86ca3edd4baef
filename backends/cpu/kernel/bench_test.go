package kernel

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"sort"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/incc-lang/incc/backends/cpu/memory"
)

// benchISA is the tier of the benchmarks: the best, or INCC_ISA.
func benchISA(b *testing.B) ISA {
	isa, err := Best()
	if err != nil {
		b.Fatal(err)
	}
	return isa
}

// benchPeak is the peak of one thread, from interleaved measurements.
type benchPeak struct{ gflops float64 }

func (p *benchPeak) sample(isa ISA) {
	p.gflops = max(p.gflops, peakSlice(isa, 2*time.Millisecond))
}

// duo is two threads that spin: the caller and one more.
type duo struct {
	seq, done atomic.Uint32
	next      atomic.Int64
	quit      atomic.Bool
	body      func(worker int)
}

func newDuo() *duo {
	d := &duo{}
	go func() {
		runtime.LockOSThread()
		for last := uint32(0); ; {
			for spins := 0; d.seq.Load() == last; spins++ {
				if d.quit.Load() {
					return
				}
				if spins > 1<<20 {
					runtime.Gosched()
				}
			}
			last++
			d.body(1)
			d.done.Store(last)
		}
	}()
	return d
}

func (d *duo) run(body func(worker int)) {
	d.next.Store(0)
	d.body = body
	n := d.seq.Add(1)
	body(0)
	for d.done.Load() != n {
	}
}

// benchLayer is a convolution with operands of its own shape.
type benchLayer struct {
	name string
	kern Kernel
	conv Conv
	args *Args
}

var benchArena struct {
	*memory.Arena
	off int
}

func benchAlloc(n int) []float32 {
	if benchArena.Arena == nil {
		benchArena.Arena = memory.NewArena(192 << 20)
	}
	o := benchArena.off
	benchArena.off = (o + n + 1023) &^ 15
	if benchArena.off > len(benchArena.Mem) {
		benchArena.off, o = 0, 0
	}
	return benchArena.Mem[o : o+n : o+n]
}

var benchIn, benchOut []float32

func benchShared(m *[]float32, n int, fill func(int, float32) []float32) []float32 {
	if len(*m) < n {
		*m = fill(max(n, 8<<20), 1)
	}
	return (*m)[:n]
}

// newBenchLayer lays a convolution out as a plan does: a bordered input, an output
// without border.
func newBenchLayer(name string, isa ISA, images int, c Conv, mk func(Conv) Kernel) *benchLayer {
	r := newRand(1, 2)
	fill := func(n int, scale float32) []float32 {
		m := benchAlloc(n)
		for i := range m {
			m[i] = (r.Float32() - 0.5) * scale
		}
		return m
	}
	l := c.tapChannels()
	c.In.H = ((c.W-1)*one(c.SW) + c.KW) * l
	c.In.C = ((c.H-1)*one(c.SH) + c.KH) * c.In.H
	c.In.N = ceilDiv(c.IC, l) * c.In.C
	// All layers read one buffer and write another, as the buffers of a plan are
	// used again and again: activations are in L2 or L3, weights where 30 MB of them
	// fit.
	a := &Args{Images: images}
	a.In[0] = Buf{benchShared(&benchIn, images*c.In.N, fill), c.PH*c.In.H + c.PW*l}
	for i, p := range c.Outputs {
		v := View{H: c.W * Block, C: c.H * c.W * Block}
		v.N = Blocks(p.C) * v.C
		c.Outputs[i].View = v
		a.Out[i] = Buf{Mem: benchShared(&benchOut, images*v.N, fill)}
	}
	c = c.Split(images)
	k := mk(c)
	if w, ok := k.(Winograd); ok {
		k = w.Split(images)
	}
	if w, ok := k.(Winograd1D); ok {
		k = w.Split(images)
	}
	a.W[0] = benchAlloc(k.(Packer).PackedLen())
	k.(Packer).Pack(a.W[0], fill(c.OC()*c.IC*c.KH*c.KW, 0.1))
	a.W[1] = fill(c.BiasLen(), 1)
	a.Table = k.(Tabler).Table(isa)
	return &benchLayer{name, k, c, a}
}

func newWorkers(isa ISA, ls []*benchLayer) [2]*Worker {
	n := 0
	for _, l := range ls {
		if s, ok := l.kern.(Scratcher); ok {
			n = max(n, s.Scratch())
		}
	}
	return [2]*Worker{{ISA: isa, Scratch: benchAlloc(n)}, {ID: 1, ISA: isa, Scratch: benchAlloc(n)}}
}

func (l *benchLayer) run(w *Worker) {
	for i := range l.kern.Tasks(l.args.Images) {
		l.kern.Run(w, i, l.args)
	}
}

func (l *benchLayer) runDuo(d *duo, ws [2]*Worker) {
	n := l.kern.Tasks(l.args.Images)
	d.run(func(id int) {
		for {
			i := int(d.next.Add(1)) - 1
			if i >= n {
				return
			}
			l.kern.Run(ws[id], i, l.args)
		}
	})
}

// timeMin is the least time of f in seconds over a while, interleaved with peak:
// other work on the machine can only add to it.
func timeMin(isa ISA, d time.Duration, p *benchPeak, f func()) float64 {
	f()
	var ts []float64
	for start := time.Now(); time.Since(start) < d || len(ts) < 5; {
		if len(ts)%16 == 0 {
			p.sample(isa)
		}
		t := time.Now()
		f()
		ts = append(ts, time.Since(t).Seconds())
	}
	sort.Float64s(ts)
	return ts[0]
}

// benchTile returns a call of the tier's largest microkernel, over operands that
// stay in the first-level cache (64 channels) or the second (512), and how many
// operations it is.
func benchTile(b *testing.B, isa ISA, channels int) (call func(), ops float64) {
	tier := &tileTiers[isa]
	if tier.portable() {
		b.Skip("assembly only")
	}
	p, blocks := tier.pixels, tier.blocks
	f := tier.tile[blocks-1][p]
	in, out, weights := benchAlloc(p*channels), benchAlloc(p*2*Block), benchAlloc(2*Block*channels)
	taps := make([]int, channels/Block)
	for i := range taps {
		taps[i] = 4 * Block * p * i
	}
	second := (p + 1) / 2 * Block
	t := &tile{a: float(in, 0), b: float(in, second), w: float(weights, 0), taps: unsafe.Pointer(&taps[0]), ntaps: len(taps), ps: 4 * Block,
		bias: unsafe.Pointer(&zeroBias), outA: float(out, 0), outB: float(out, second), obs: 4 * p * Block, ws: 8 * Block, ops: 4 * Block, kc: Block}
	return func() { f((*byte)(unsafe.Pointer(t))) }, float64(2 * p * blocks * Block * channels)
}

// BenchmarkTile is that microkernel again and again: what convolutions can reach. The
// peak beside it is sampled between the tiles, about at their clock.
func BenchmarkTile(b *testing.B) {
	isa := benchISA(b)
	for _, channels := range []int{64, 512} {
		b.Run(fmt.Sprintf("channels=%d", channels), func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			call, ops := benchTile(b, isa, channels)
			const calls = 200
			for b.Loop() {
				var peak benchPeak
				least := timeMin(isa, 300*time.Millisecond, &peak, func() {
					for range calls {
						call()
					}
				})
				b.ReportMetric(100*calls*ops/least/1e9/peak.gflops, "%peak")
				b.ReportMetric(peak.gflops, "peak-GFLOP/s")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// BenchmarkClock shows that a processor may lower its clock under a kernel with loads:
// the peak in the first tenth of a millisecond after 20 ms of microkernels, and from
// 3 ms after them on; medians.
func BenchmarkClock(b *testing.B) {
	isa := benchISA(b)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	call, ops := benchTile(b, isa, 512)
	var tile, atOnce, later []float64
	for b.Loop() {
		for range 100 {
			calls := 0
			start := time.Now()
			for time.Since(start) < 20*time.Millisecond {
				for range 20 {
					call()
				}
				calls += 20
			}
			tile = append(tile, float64(calls)*ops/float64(time.Since(start).Nanoseconds()))
			atOnce = append(atOnce, peakSlice(isa, 100*time.Microsecond))
			peakSlice(isa, 3*time.Millisecond)
			later = append(later, peakSlice(isa, time.Millisecond))
		}
	}
	for unit, x := range map[string][]float64{"tile-GFLOP/s": tile, "peak-at-once-GFLOP/s": atOnce, "peak-3ms-later-GFLOP/s": later} {
		sort.Float64s(x)
		b.ReportMetric(x[len(x)/2], unit)
	}
	b.ReportMetric(0, "ns/op")
}

type namedConv struct {
	name string
	c    Conv
}

// googleNet lays out the 57 convolutions of GoogLeNet.
func googleNet(isa ISA, images int, mk func(Conv) Kernel) []*benchLayer {
	var ls []*benchLayer
	for _, s := range googleNetShapes() {
		ls = append(ls, newBenchLayer(s.name, isa, images, s.c, mk))
	}
	return ls
}

// googleNetShapes is the 57 convolutions of GoogLeNet at 224x224.
func googleNetShapes() []namedConv {
	var ls []namedConv
	add := func(name string, ic, oc, k, s, hw int) {
		c := Conv{IC: ic, H: hw, W: hw, KH: k, KW: k, SH: s, SW: s, PH: k / 2, PW: k / 2, Planar: ic == 3, Outputs: [4]Output{{C: oc, Act: ActReLU}}}
		ls = append(ls, namedConv{fmt.Sprintf("%s %dx%d/%d %d->%d @%d", name, k, k, s, ic, oc, hw), c})
	}
	add("conv1", 3, 64, 7, 2, 112)
	add("conv2r", 64, 64, 1, 1, 56)
	add("conv2", 64, 192, 3, 1, 56)
	for i, g := range [][8]int{
		{192, 28, 64, 96, 128, 16, 32, 32}, {256, 28, 128, 128, 192, 32, 96, 64}, {480, 14, 192, 96, 208, 16, 48, 64},
		{512, 14, 160, 112, 224, 24, 64, 64}, {512, 14, 128, 128, 256, 24, 64, 64}, {512, 14, 112, 144, 288, 32, 64, 64},
		{528, 14, 256, 160, 320, 32, 128, 128}, {832, 7, 256, 160, 320, 32, 128, 128}, {832, 7, 384, 192, 384, 48, 128, 128},
	} {
		n := [...]string{"3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"}[i]
		add(n+" 1x1", g[0], g[2], 1, 1, g[1])
		add(n+" 3r", g[0], g[3], 1, 1, g[1])
		add(n+" 3x3", g[3], g[4], 3, 1, g[1])
		add(n+" 5r", g[0], g[5], 1, 1, g[1])
		add(n+" 5x5", g[5], g[6], 5, 1, g[1])
		add(n+" proj", g[0], g[7], 1, 1, g[1])
	}
	return ls
}

func benchLayers(b *testing.B, isa ISA, ls []*benchLayer) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ws := newWorkers(isa, ls)
	d := newDuo()
	defer d.quit.Store(true)
	verbose := os.Getenv("INCC_LAYERS") == "1"
	for b.Loop() {
		var p benchPeak
		var one, two, macs, predicted float64
		// Every layer's least time within the sequence: its weights come from where
		// the layers before have left them, as in a network.
		t1, t2 := make([]float64, len(ls)), make([]float64, len(ls))
		pass := func(t []float64, run func(l *benchLayer)) func() {
			for i := range t {
				t[i] = math.Inf(1)
			}
			return func() {
				for i, l := range ls {
					start := time.Now()
					run(l)
					t[i] = min(t[i], time.Since(start).Seconds())
				}
			}
		}
		one = timeMin(isa, 600*time.Millisecond, &p, pass(t1, func(l *benchLayer) { l.run(ws[0]) }))
		two = timeMin(isa, 600*time.Millisecond, &p, pass(t2, func(l *benchLayer) { l.runDuo(d, ws) }))
		for i, l := range ls {
			macs += float64(l.conv.PaddedMACs()) * float64(l.args.Images)
			if verbose {
				gf := 2 * float64(l.conv.PaddedMACs()) * float64(l.args.Images) / 1e9
				cost := 0.0
				if c, ok := l.kern.(interface{ nanoseconds(int) float64 }); ok {
					cost = c.nanoseconds(l.args.Images) / 1e9
				}
				predicted += cost
				fmt.Fprintf(os.Stderr, "%-28s %8.1f us %5.1f %%  two %8.1f us %5.1f %%  predicted %8.1f us  rows %d pairs %d tasks %d\n", l.name, t1[i]*1e6, 100*gf/t1[i]/p.gflops,
					t2[i]*1e6, 50*gf/t2[i]/p.gflops, cost*1e6, l.conv.Rows, l.conv.Pairs, l.kern.Tasks(l.args.Images))
			}
		}
		if verbose {
			fmt.Fprintf(os.Stderr, "predicted %.2f ms\n", predicted*1e3)
		}
		b.ReportMetric(one*1e3, "ms/1thr")
		b.ReportMetric(two*1e3, "ms/2thr")
		b.ReportMetric(p.gflops, "peak-GFLOP/s")
		b.ReportMetric(100*2*macs/1e9/one/p.gflops, "%peak/1thr")
		b.ReportMetric(50*2*macs/1e9/two/p.gflops, "%peak/2thr")
		b.ReportMetric(0, "ns/op")
	}
}

func BenchmarkGoogLeNetDirect(b *testing.B) {
	isa := benchISA(b)
	benchLayers(b, isa, googleNet(isa, 1, direct))
}

// winograd makes a Winograd kernel where one fits.
func winograd(c Conv) Kernel {
	if WinogradFits(c) {
		return Winograd{Conv: c}
	}
	if Winograd1DFits(c) {
		return Winograd1D{Conv: c}
	}
	return c
}

// inceptionV3 is the convolutions of Inception v3 that Winograd may take.
func inceptionV3(isa ISA, images int, mk func(Conv) Kernel) []*benchLayer {
	var ls []*benchLayer
	for _, s := range []struct{ ic, oc, kh, kw, st, hw, pad int }{
		{3, 32, 3, 3, 2, 149, 0}, {32, 32, 3, 3, 1, 147, 0}, {32, 64, 3, 3, 1, 147, 1}, {64, 80, 1, 1, 1, 73, 0}, {80, 192, 3, 3, 1, 71, 0},
		{192, 176, 1, 1, 1, 35, 0}, {48, 64, 5, 5, 1, 35, 2}, {64, 96, 3, 3, 1, 35, 1}, {96, 96, 3, 3, 1, 35, 1}, {288, 384, 3, 3, 2, 17, 0},
		{128, 128, 1, 7, 1, 17, 3}, {192, 192, 7, 1, 1, 17, 3}, {768, 192, 1, 1, 1, 17, 0}, {192, 320, 3, 3, 2, 8, 0}, {448, 384, 3, 3, 1, 8, 1}, {384, 384, 1, 3, 1, 8, 1},
	} {
		c := Conv{IC: s.ic, H: s.hw, W: s.hw, KH: s.kh, KW: s.kw, SH: s.st, SW: s.st, Planar: s.ic == 3, Outputs: [4]Output{{C: s.oc, Act: ActReLU}}}
		if s.kh > 1 {
			c.PH = s.pad
		}
		if s.kw > 1 {
			c.PW = s.pad
		}
		ls = append(ls, newBenchLayer(fmt.Sprintf("%dx%d/%d %d->%d @%d", s.kh, s.kw, s.st, s.ic, s.oc, s.hw), isa, images, c, mk))
	}
	return ls
}

func BenchmarkInceptionV3Direct(b *testing.B) {
	isa := benchISA(b)
	benchLayers(b, isa, inceptionV3(isa, 1, direct))
}

func BenchmarkInceptionV3Winograd(b *testing.B) {
	isa := benchISA(b)
	benchLayers(b, isa, inceptionV3(isa, 1, winograd))
}

func BenchmarkGoogLeNetWinograd(b *testing.B) {
	isa := benchISA(b)
	benchLayers(b, isa, googleNet(isa, 1, winograd))
}

// NIN for CIFAR-10: its 5x5 and 3x3.
func ninCIFAR(isa ISA, images int, mk func(Conv) Kernel) []*benchLayer {
	var ls []*benchLayer
	for _, s := range [][4]int{{3, 192, 5, 32}, {192, 160, 1, 32}, {160, 96, 1, 32}, {96, 192, 5, 16}, {192, 192, 1, 16}, {192, 192, 3, 8}, {192, 192, 1, 8}} {
		c := Conv{IC: s[0], H: s[3], W: s[3], KH: s[2], KW: s[2], PH: s[2] / 2, PW: s[2] / 2, Planar: s[0] == 3, Outputs: [4]Output{{C: s[1], Act: ActReLU}}}
		ls = append(ls, newBenchLayer(fmt.Sprintf("%dx%d %d->%d @%d", s[2], s[2], s[0], s[1], s[3]), isa, images, c, mk))
	}
	return ls
}

func BenchmarkNIN(b *testing.B) {
	isa := benchISA(b)
	for _, images := range []int{1, 8} {
		for _, mk := range []struct {
			name string
			mk   func(Conv) Kernel
		}{{"direct", direct}, {"winograd", winograd}} {
			b.Run(fmt.Sprintf("%s/images=%d", mk.name, images), func(b *testing.B) { benchLayers(b, isa, ninCIFAR(isa, images, mk.mk)) })
		}
	}
}

// BenchmarkBackward is the gradients of convolutions of GoogLeNet, a few images.
func BenchmarkBackward(b *testing.B) {
	isa := benchISA(b)
	const images = 4
	for _, s := range [][4]int{{64, 192, 3, 56}, {96, 128, 3, 28}, {480, 192, 1, 14}, {96, 208, 3, 14}, {160, 320, 3, 7}} {
		name := fmt.Sprintf("%dx%d_%d-%d@%d", s[2], s[2], s[0], s[1], s[3])
		c := Conv{IC: s[0], H: s[3], W: s[3], KH: s[2], KW: s[2], PH: s[2] / 2, PW: s[2] / 2, Outputs: [4]Output{{C: s[1]}}}
		b.Run("weights/"+name, func(b *testing.B) {
			l := newBenchLayer(name, isa, images, c, direct)
			benchLayers(b, isa, []*benchLayer{gradientBenchLayer(l, isa, ConvBackwardWeights{Conv: l.conv}.Split(images))})
		})
		b.Run("data/"+name, func(b *testing.B) {
			h := s[3]
			x := View{H: h * Block, C: h * h * Block}
			x.N = Blocks(s[0]) * x.C
			d := ConvBackwardDataOf(c, h, h, x, x)[0].Conv
			benchLayers(b, isa, []*benchLayer{newBenchLayer(name, isa, images, d, direct)})
		})
	}
}

// BenchmarkDense is fully connected layers: one image is bound by the memory that
// streams the weights, so it reports GB/s.
func BenchmarkDense(b *testing.B) {
	isa := benchISA(b)
	for _, s := range [][3]int{{9216, 4096, 1}, {1024, 1000, 1}, {400, 120, 1}, {9216, 4096, 16}, {4096, 4096, 64}, {400, 120, 128}} {
		b.Run(fmt.Sprintf("%d-%d/images=%d", s[0], s[1], s[2]), func(b *testing.B) {
			images := s[2]
			d := Dense{C: s[0], H: 1, W: 1, Out: Output{C: s[1], View: View{N: Block, C: images * Block}, Act: ActReLU}, In: View{N: Block, C: images * Block}}
			d = d.Split(images)
			a := &Args{Images: images, Table: d.Table(isa)}
			a.In[0].Mem, a.Out[0].Mem = benchAlloc(images*Blocks(s[0])*Block), benchAlloc(images*Blocks(s[1])*Block)
			a.W[0], a.W[1] = benchAlloc(d.PackedLen()), benchAlloc(d.BiasLen())
			for i := range a.W[0] {
				a.W[0][i] = float32(i%7) * 1e-3
			}
			l := &benchLayer{"dense", d, d.conv(), a}
			benchLayers(b, isa, []*benchLayer{l})
			var p benchPeak
			ws := newWorkers(isa, []*benchLayer{l})
			one := timeMin(isa, 200*time.Millisecond, &p, func() { l.run(ws[0]) })
			b.ReportMetric(float64(4*d.PackedLen())/one/1e9, "GB/s/1thr")
			b.ReportMetric(d.nanoseconds(images)/1e6, "ms-predicted")
		})
	}
}

// BenchmarkWinogradRepack is the weights of GoogLeNet's 3x3 and 5x5 convolutions,
// once a training step.
func BenchmarkWinogradRepack(b *testing.B) {
	isa := benchISA(b)
	var ls []*benchLayer
	for _, l := range googleNet(isa, 1, winograd) {
		if w, ok := l.kern.(Winograd); ok {
			a := &Args{Images: 1}
			a.In[0].Mem, a.Out[0].Mem = benchAlloc(w.Conv.PackedLen()), l.args.W[0]
			ls = append(ls, &benchLayer{l.name, WinogradRepack{w}, l.conv, a})
		}
	}
	benchLayers(b, isa, ls)
}
