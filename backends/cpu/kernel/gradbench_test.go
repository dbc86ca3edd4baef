package kernel

import (
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"
)

// BenchmarkGradientCall measures the bare microkernel of backward weights. The operands
// are in the first cache, or, with more blocks of input and taps, in the second.
func BenchmarkGradientCall(b *testing.B) {
	isa := benchISA(b)
	for _, s := range []struct{ pixels, units, taps, blocks int }{
		{16, 1, 1, 2}, {49, 1, 1, 2}, {98, 1, 9, 2}, {196, 1, 1, 2}, {196, 1, 9, 2}, {196, 1, 9, 1}, {196, 6, 9, 2}, {196, 30, 1, 2}, {256, 30, 1, 2}, {784, 30, 1, 2}} {
		b.Run(fmt.Sprintf("pixels=%d/units=%d/taps=%d/blocks=%d", s.pixels, s.units, s.taps, s.blocks), func(b *testing.B) {
			xn := (s.pixels + 128) * Block
			width := s.blocks * Block
			c := &(&Worker{ISA: isa}).grad
			c.x, c.dy, c.dw = benchAlloc(s.units*xn), benchAlloc(s.blocks*s.pixels*Block), benchAlloc(s.units*s.taps*Block*width)
			c.dyblock, c.dwrow = 4*s.pixels*Block, 4*width
			for p := range s.pixels {
				c.pixels = append(c.pixels, 4*Block*p, 4*Block*p)
			}
			c.channels(Block)
			n := 1 + (1<<26)/(s.units*s.taps*s.pixels*Block*width)
			for b.Loop() {
				var p benchPeak
				one := timeMin(isa, 60*time.Millisecond, &p, func() {
					for range n {
						for k := range s.units * s.taps {
							c.xat, c.dwat = k/s.taps*xn+k%s.taps*Block, k*Block*width
							c.add(isa, s.blocks)
						}
					}
				})
				b.ReportMetric(100*2*float64(n*s.units*s.taps*s.pixels*Block*width)/1e9/one/p.gflops, "%peak")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func gradientBenchLayer(l *benchLayer, isa ISA, k ConvBackwardWeightsSplit) *benchLayer {
	a := &Args{Images: l.args.Images, Table: k.Whole.Table(isa)}
	a.In[0], a.In[1] = l.args.In[0], l.args.Out[0]
	a.Out[0].Mem = benchAlloc(k.Count(a.Images) * k.Whole.PackedLen())
	return &benchLayer{l.name, k, l.conv, a}
}

// BenchmarkGradientSplits tries how the work is cut.
func BenchmarkGradientSplits(b *testing.B) {
	isa := benchISA(b)
	const images = 16
	for _, i := range []int{0, 1, 2, 3, 15, 17, 43, 53, 50} {
		s := googleNetShapes()[i]
		l := newBenchLayer(s.name, isa, images, s.c, direct)
		chosen := ConvBackwardWeights{Conv: l.conv}.Split(images)
		ws := newWorkers(isa, []*benchLayer{gradientBenchLayer(l, isa, chosen)})
		d := newDuo()
		measure := func(mark string, k ConvBackwardWeightsSplit) {
			g := gradientBenchLayer(l, isa, k)
			var p benchPeak
			t := timeMin(isa, 10*time.Millisecond, &p, func() { g.runDuo(d, ws) })
			if k.Images < images {
				t += 0
			}
			fmt.Fprintf(os.Stderr, "%-28s %s pairs %2d units %2d images %2d tasks %3d dW %4d KB: %7.0f us %5.1f %%  predicted %7.0f\n", s.name, mark, k.Whole.Conv.Pairs, k.Whole.Units, k.Images, k.Tasks(images), k.Whole.PackedLen()*4/1024,
				t*1e6, 50*2*float64(l.conv.MACs()*images)/1e9/t/p.gflops, k.nanoseconds(images)/1e3/2)
		}
		measure("*", chosen)
		for _, parts := range []int{1, 2, 4, 8, 16} {
			for _, pairs := range []int{1, 2, 3, 6, 12} {
				for _, units := range []int{1, 2, 4, 8, 16, 30, 52} {
					k := ConvBackwardWeightsSplit{Whole: ConvBackwardWeights{Conv: l.conv}, Images: images / parts}
					k.Whole.Conv.Pairs, k.Whole.Units = pairs, units
					if pairs > k.Whole.Conv.npairs() || units > k.Whole.mostUnits() || k.Tasks(images)%2 != 0 || k.Tasks(images) > 64 {
						continue
					}
					measure(" ", k)
				}
			}
		}
		d.quit.Store(true)
	}
}

// BenchmarkWeightGradients is the kernels of gradients with respect to weights side by
// side, as a plan would cut their work, on one thread: of layers of mnist/conv, of
// GoogLeNet, NIN-CIFAR and the Inception networks on MNIST.
func BenchmarkWeightGradients(b *testing.B) {
	isa := benchISA(b)
	for _, s := range [][5]int{{16, 16, 3, 28, 128}, {16, 16, 3, 14, 128}, {32, 32, 3, 14, 128}, {16, 32, 5, 28, 128},
		{64, 192, 3, 56, 16}, {96, 128, 3, 28, 16}, {128, 192, 3, 28, 16}, {96, 208, 3, 14, 16}, {112, 224, 3, 14, 16}, {128, 256, 3, 14, 16}, {144, 288, 3, 14, 16}, {160, 320, 3, 14, 16},
		{160, 320, 3, 7, 16}, {192, 384, 3, 7, 16}, {16, 32, 5, 28, 16}, {32, 96, 5, 28, 16}, {16, 48, 5, 14, 16}, {32, 128, 5, 14, 16}, {32, 128, 5, 7, 16}, {48, 128, 5, 7, 16},
		{96, 192, 5, 16, 32}, {192, 192, 3, 8, 32}, {96, 192, 5, 16, 128}, {192, 192, 3, 8, 128}} {
		images := s[4]
		b.Run(fmt.Sprintf("%dx%d_%d-%d@%d/images=%d", s[2], s[2], s[0], s[1], s[3], images), func(b *testing.B) {
			c := Conv{IC: s[0], H: s[3], W: s[3], KH: s[2], KW: s[2], PH: s[2] / 2, PW: s[2] / 2, Outputs: [4]Output{{C: s[1]}}}
			l := newBenchLayer("", isa, images, c, direct)
			type coster interface {
				Kernel
				PackedLen() int
				Count(images int) int
				nanoseconds(images int) float64
			}
			direct := ConvBackwardWeights{Conv: l.conv}.Split(images)
			wino := ConvBackwardWeightsWinograd{Parts: direct, Padded: true}.Split(images)
			// As a plan lays its operands out.
			m := wino.m()
			wino.Parts.Whole.Conv.In.H = (ceilDiv(c.W, m)*m + c.KW - 1) * Block
			wino.Parts.Whole.Conv.In.C = (ceilDiv(c.H, m)*m + c.KH - 1) * wino.Parts.Whole.Conv.In.H
			wino.Parts.Whole.Conv.In.N = Blocks(c.IC) * wino.Parts.Whole.Conv.In.C
			wino.Parts.Whole.Conv.Outputs[0].View = View{H: ceilDiv(c.W, m) * m * Block, C: ceilDiv(c.H, m) * m * ceilDiv(c.W, m) * m * Block}
			wino.Parts.Whole.Conv.Outputs[0].View.N = Blocks(c.OC()) * wino.Parts.Whole.Conv.Outputs[0].View.C
			kernels := []coster{wino, direct}
			if k := (ConvBackwardWeightsRows{Conv: l.conv}).Split(images); k.Fits() {
				kernels = append(kernels, k)
			}
			least, peak := make([]float64, len(kernels)), benchPeak{}
			for b.Loop() {
				for i, k := range kernels {
					in, dy := l.args.In[0], l.args.Out[0]
					if i == 0 {
						in = Buf{benchShared(&benchIn, images*wino.Parts.Whole.Conv.In.N, nil), c.PH*wino.Parts.Whole.Conv.In.H + c.PW*Block}
						dy = Buf{Mem: benchShared(&benchOut, images*wino.Parts.Whole.Conv.Outputs[0].View.N, nil)}
					}
					g := &benchLayer{kern: k, args: &Args{Images: images, In: [4]Buf{in, dy}, Out: [4]Buf{{Mem: benchAlloc(k.Count(images) * k.PackedLen())}}}}
					if t, ok := k.(Tabler); ok {
						g.args.Table = t.Table(isa)
					}
					w := newWorkers(isa, []*benchLayer{g})[0]
					if t := timeMin(isa, 60*time.Millisecond, &peak, func() { g.run(w) }); least[i] == 0 || t < least[i] {
						least[i] = t
					}
				}
			}
			b.ReportMetric(0, "ns/op")
			for i, k := range kernels {
				name := reflect.TypeOf(k).Name()
				b.ReportMetric(least[i]*1e6, name+"-us")
				b.ReportMetric(k.nanoseconds(images)/1e3, name+"-predicted-us")
			}
			b.ReportMetric(100*2*float64(l.conv.MACs()*images)/1e9/least[1]/peak.gflops, "%peak-direct")
			if os.Getenv("INCC_LAYERS") == "1" {
				w := kernels[0].(ConvBackwardWeightsWinograd)
				fmt.Fprintf(os.Stderr, "pairs %d units %d images %d tiles %d scratch %d KB; direct: pairs %d units %d images %d\n", w.Parts.Whole.Conv.Pairs, w.Parts.Whole.Units, w.Parts.Images, w.tiles(), w.Scratch()/256, direct.Whole.Conv.Pairs, direct.Whole.Units, direct.Images)
			}
		})
	}
}
