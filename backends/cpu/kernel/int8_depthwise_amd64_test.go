package kernel

import (
	"fmt"
	"testing"
	"time"
)

func init() {
	eachInt8Depthwise = func(isa ISA, run func(name string)) {
		withInt8Depthwise(isa, int8DepthwiseTier{}, func() { run("plain Go") })
		if isa != AVX2 && isa != AVX512 {
			return
		}
		withInt8Depthwise(isa, int8DepthwiseTier256, func() { run("words") })
		if hasAVXVNNI() {
			withInt8Depthwise(isa, int8DepthwiseTierDots, func() { run("AVX-VNNI") })
		}
		if isa == AVX512 && hasVNNI() {
			withInt8Depthwise(isa, int8DepthwiseTier512, func() { run("AVX-512 VNNI") })
		}
	}
}

// BenchmarkDepthwiseInt8 prints the rate of depthwise convolutions of bytes and of float32s on one
// thread in multiply-accumulates, for layers of MobileNet.
func BenchmarkDepthwiseInt8(b *testing.B) {
	for _, isa := range Available() {
		for _, s := range []struct{ c, size, k, stride int }{{144, 56, 3, 1}, {96, 56, 3, 2}, {384, 14, 3, 1}, {240, 14, 5, 1}} {
			b.Run(fmt.Sprintf("%v/%dx%d_%d_%d_s%d", isa, s.k, s.k, s.c, s.size, s.stride), func(b *testing.B) {
				pad := s.k / 2
				side := s.size*s.stride + 2*pad
				view := func(side, words int) View {
					v := View{H: side * words, C: side * side * words}
					v.N = Blocks(s.c) * v.C
					return v
				}
				buf := func(v View) Buf { return Buf{Mem: benchAlloc(v.N + 4*v.H)} }
				whole := DepthwiseInt8{ConvInt8{IC: 1, C: s.c, H: s.size, W: s.size, KH: s.k, KW: s.k, SH: s.stride, SW: s.stride, High: 255, In: view(side, byteWords), Out: view(s.size, byteWords)}}.Split()
				float := Depthwise{Conv{IC: s.c, H: s.size, W: s.size, KH: s.k, KW: s.k, SH: s.stride, SW: s.stride, Groups: s.c, In: view(side, Block),
					Outputs: [4]Output{{C: s.c, Act: ActReLU6, View: view(s.size, Block)}}}}.Split(1)
				w := &Worker{ISA: isa, Scratch: benchAlloc(float.Scratch())}
				rate := func(k Kernel, a *Args) float64 {
					best := 0.0
					for range max(3, b.N) {
						start := time.Now()
						for range 4 {
							for t := range k.Tasks(1) {
								k.Run(w, t, a)
							}
						}
						best = max(best, 4*float64(k.Cost(1).MACs)/float64(time.Since(start)))
					}
					return best
				}
				weights := func(packed, bias int) [4][]float32 {
					return [4][]float32{benchAlloc(packed), benchAlloc(bias), benchAlloc(bias)}
				}
				b.ReportMetric(rate(whole, &Args{Images: 1, In: [4]Buf{buf(whole.Conv.In)}, Out: [4]Buf{buf(whole.Conv.Out)}, W: weights(whole.PackedLen(), whole.BiasLen()), Table: whole.Table(isa)}), "GMAC/s")
				b.ReportMetric(rate(float, &Args{Images: 1, In: [4]Buf{buf(float.Conv.In)}, Out: [4]Buf{buf(float.Conv.Outputs[0].View)}, W: weights(float.PackedLen(), float.BiasLen()), Table: float.Table(isa)}), "float32-GMAC/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
