package kernel

import (
	"fmt"
	"testing"
	"time"
)

// int8VariantsHere are the ways in which AVX2 and AVX-512 can multiply bytes on this machine, by
// name, each with a loop of nothing but its products.
func int8VariantsHere() (l []int8VariantHere) {
	if !AVX2.ok() {
		return nil
	}
	exact := int8Tier256
	exact.pairs = int8Kernels{}
	exact.winograd = nil
	pairs := int8Tier256
	pairs.winograd = nil
	l = append(l, int8VariantHere{"16 bits", AVX2, exact, int8TilePeak256, 4 * 2 * 32},
		int8VariantHere{"pairs", AVX2, pairs, int8PairsPeak256, 6 * 2 * 32},
		int8VariantHere{"the best", AVX2, int8Tier256, int8PairsPeak256, 6 * 2 * 32})
	for _, size := range []int{2, 4} {
		wino, tier := *int8Tier256.winograd, int8Tier256
		wino.only, tier.winograd = size, &wino
		l = append(l, int8VariantHere{fmt.Sprintf("Winograd of %dx%d", size, size), AVX2, tier, int8PairsPeak256, 6 * 2 * 32})
	}
	if hasAVXVNNI() {
		l = append(l, int8VariantHere{"AVX-VNNI", AVX2, int8TierDots, int8DotsPeak256, 6 * 2 * 32})
	}
	if hasVNNI() {
		l = append(l, int8VariantHere{"AVX-512 VNNI", AVX512, int8Tier512, int8TilePeak512, 14 * 2 * 64})
	}
	if AVX512.ok() {
		l = append(l, int8VariantHere{"AVX-512 without VNNI", AVX512, int8TierAVX512(false, false), int8PairsPeak256, 6 * 2 * 32})
	}
	return l
}

type int8VariantHere struct {
	name string
	isa  ISA
	tier int8Tier
	peak func(n int)
	macs int // of an iteration of peak
}

// use lets a variant compute until the function that it returns is called.
func (v int8VariantHere) use() (restore func()) {
	old := int8Tiers[v.isa]
	int8Tiers[v.isa] = v.tier
	return func() { int8Tiers[v.isa] = old }
}

func init() {
	eachInt8Variant = func(isa ISA, run func(name string)) {
		some := false
		for _, v := range int8VariantsHere() {
			if v.isa != isa {
				continue
			}
			some = true
			restore := v.use()
			run(v.name)
			restore()
		}
		if !some {
			run("")
		}
	}
}

// BenchmarkConvInt8 prints the rate of convolutions of bytes on one thread in multiply-accumulates, and
// its share of that of a loop of nothing but the products.
func BenchmarkConvInt8(b *testing.B) {
	for _, v := range int8VariantsHere() {
		for _, s := range []struct{ ic, c, size, k int }{{192, 96, 28, 1}, {64, 256, 56, 1}, {16, 96, 112, 1}, {832, 384, 7, 1}, {512, 512, 14, 1}, {64, 192, 56, 3}, {96, 128, 28, 3}, {256, 256, 14, 3}, {192, 384, 7, 3}, {512, 512, 7, 3}} {
			b.Run(fmt.Sprintf("%s/%dx%dx%d_%d_%d", v.name, s.k, s.k, s.ic, s.c, s.size), func(b *testing.B) {
				defer v.use()()
				k, a := benchConvInt8(v.isa, s.ic, s.c, s.size, s.k)
				w := &Worker{ISA: v.isa, Scratch: benchAlloc(k.Scratch())}
				run := func(n int) time.Duration {
					start := time.Now()
					for range n {
						for t := range k.Tasks(1) {
							k.Run(w, t, a)
						}
					}
					return time.Since(start)
				}
				best, peak := 0.0, 0.0
				for range b.N {
					const n = 20000
					start := time.Now()
					v.peak(n)
					peak = max(peak, float64(n*v.macs)/float64(time.Since(start)))
					best = max(best, 4*float64(k.Cost(1).MACs)/float64(run(4)))
				}
				b.ReportMetric(best, "GMAC/s")
				b.ReportMetric(100*best/peak, "%peak")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// benchConvInt8 is a convolution with stride 1 and padding whose pairs of weights fit.
func benchConvInt8(isa ISA, ic, c, size, k int) (ConvInt8, *Args) {
	pad := k / 2
	row := (size + pad) * byteWords
	in := View{C: (size + 2*pad) * row, H: row}
	in.N = Blocks(ic) * in.C
	out := View{C: size * size * byteWords, H: size * byteWords}
	conv := ConvInt8{IC: ic, C: c, H: size, W: size, KH: k, KW: k, PH: pad, PW: pad, In: in, Out: out, InScale: 1, OutScale: 100, High: 255}.Split()
	weight, scale := make([]float32, c*ic*k*k), make([]float32, c)
	for i := range weight {
		weight[i] = float32(i%127 - 63)
	}
	fill(scale, 1)
	a := &Args{Images: 1, Table: conv.Table(isa), In: [4]Buf{{Mem: benchAlloc(in.N + 4*row), Off: pad * (row + byteWords)}},
		Out: [4]Buf{{Mem: benchAlloc(Blocks(c) * out.C)}}, W: [4][]float32{benchAlloc(conv.PackedLen()), benchAlloc(conv.BiasLen()), benchAlloc(conv.BiasLen())}}
	conv.packInt8(a.W[0], weight, scale)
	conv.packInt8Scale(a.W[2], scale)
	return conv, a
}
