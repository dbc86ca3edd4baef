package kernel

import (
	"fmt"
	"testing"
	"time"

	"github.com/incc-lang/incc/backends/cpu/memory"
	"github.com/incc-lang/incc/backends/cpu/random"
)

// The benchmarks report bytes a second of what a kernel must at least read and
// write, and that as a share of a triad (a = b + s*c on 3 x 16 MB) timed in
// between. A share above 1 is the caches' doing.

func dense(c, h, w int) (View, int) {
	v := View{H: w * Block, C: h * w * Block, N: Blocks(c) * h * w * Block}
	return v, v.N
}

var triadMem = func() func() [3][]float32 {
	var m [3][]float32
	return func() [3][]float32 {
		if m[0] == nil {
			for i := range m {
				m[i] = memory.NewArena(4 << 20).Mem
				fill(m[i], 1)
			}
		}
		return m
	}
}()

func triad(isa ISA) (bytesPerSecond float64) {
	m := triadMem()
	begin := time.Now()
	vecFor(isa).addScaled(m[0], m[1], m[2], 3)
	return float64(3*4*len(m[0])) / time.Since(begin).Seconds()
}

func benchmarkKernel(b *testing.B, k Kernel, in, out int, a *Args) {
	for isa := range tiers(nil) {
		b.Run(isa.String(), func(b *testing.B) {
			n := 0
			if s, ok := k.(Scratcher); ok {
				n = s.Scratch()
			}
			w := &Worker{ISA: isa, Scratch: memory.NewArena(n + 1).Mem}
			best := triad(isa)
			tasks := k.Tasks(1)
			for i := 0; b.Loop(); i++ {
				for t := range tasks {
					k.Run(w, t, a)
				}
				if i%100 == 0 {
					b.StopTimer()
					best = max(best, triad(isa))
					b.StartTimer()
				}
			}
			bytes := float64(4*(in+out)) * float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(bytes/1e9, "GB/s")
			b.ReportMetric(bytes/best, "of-triad")
		})
	}
}

func onePlace(in, out int) *Args {
	mem := memory.NewArena(in + out).Mem
	r := random.NewRand(1, 0, 0, 0)
	r.FillNormal(mem[:in], 0, 1, 0)
	return &Args{Images: 1, In: [4]Buf{{Mem: mem}}, Out: [4]Buf{{Mem: mem, Off: in}}}
}

func BenchmarkLRN(b *testing.B) {
	for _, c := range []int{64, 192} {
		b.Run(fmt.Sprintf("%dx56x56", c), func(b *testing.B) {
			v, n := dense(c, 56, 56)
			benchmarkKernel(b, LRN{C: c, H: 56, W: 56, Size: 5, Alpha: 1e-4, Beta: 0.75, K: 1, In: v, Out: v}, n, n, onePlace(n, n))
		})
	}
}

func BenchmarkMaxPool(b *testing.B) {
	for _, p := range []MaxPool{
		{C: 64, IH: 112, IW: 112, H: 56, W: 56, KH: 3, KW: 3, SH: 2, SW: 2},
		{C: 192, IH: 28, IW: 28, H: 28, W: 28, KH: 3, KW: 3, SH: 1, SW: 1, PH: 1, PW: 1},
		{C: 512, IH: 14, IW: 14, H: 14, W: 14, KH: 3, KW: 3, SH: 1, SW: 1, PH: 1, PW: 1},
		{C: 832, IH: 7, IW: 7, H: 7, W: 7, KH: 3, KW: 3, SH: 1, SW: 1, PH: 1, PW: 1},
	} {
		b.Run(fmt.Sprintf("%dx%dx%d_%dx%d_%d", p.C, p.IH, p.IW, p.KH, p.KW, p.SH), func(b *testing.B) {
			var in, out int
			p.In, in = dense(p.C, p.IH, p.IW)
			p.Out, out = dense(p.C, p.H, p.W)
			benchmarkKernel(b, p, in, out, onePlace(in, out))
		})
	}
}

func BenchmarkAvgPool(b *testing.B) {
	for _, p := range []AvgPool{
		{C: 1024, IH: 7, IW: 7, H: 1, W: 1, KH: 7, KW: 7},
		{C: 192, IH: 35, IW: 35, H: 35, W: 35, KH: 3, KW: 3, PH: 1, PW: 1, PB: 1, PR: 1},
	} {
		b.Run(fmt.Sprintf("%dx%dx%d_%dx%d", p.C, p.IH, p.IW, p.KH, p.KW), func(b *testing.B) {
			var in, out int
			p.In, in = dense(p.C, p.IH, p.IW)
			p.Out, out = dense(p.C, p.H, p.W)
			benchmarkKernel(b, p, in, out, onePlace(in, out))
		})
	}
}

func BenchmarkEltwise(b *testing.B) {
	v, n := dense(256, 28, 28)
	for _, act := range []Act{ActReLU, ActSigmoid, ActTanh} {
		b.Run(act.String(), func(b *testing.B) {
			benchmarkKernel(b, Activation{Act: act, C: 256, H: 28, W: 28, In: v, Out: v}, n, n, onePlace(n, n))
		})
	}
	b.Run("residual", func(b *testing.B) {
		a := onePlace(2*n, n)
		a.In[1] = Buf{Mem: a.In[0].Mem, Off: n}
		benchmarkKernel(b, Binary{Op: OpAdd, Scale: 0.17, Act: ActReLU, C: 256, H: 28, W: 28, A: v, B: v, Out: v}, 2*n, n, a)
	})
	b.Run("maxout2", func(b *testing.B) {
		v2, n2 := dense(192, 32, 32)
		v1, n1 := dense(96, 32, 32)
		benchmarkKernel(b, Maxout{C: 96, Pieces: 2, H: 32, W: 32, In: v2, Out: v1}, n2, n1, onePlace(n2, n1))
	})
}

func BenchmarkReorder(b *testing.B) {
	p := View{H: 28, C: 28 * 28, N: 256 * 28 * 28}
	v, n := dense(256, 28, 28)
	b.Run("from", func(b *testing.B) {
		benchmarkKernel(b, FromNCHW{C: 256, H: 28, W: 28, In: p, Out: v}, n, n, onePlace(n, n))
	})
	b.Run("to", func(b *testing.B) {
		benchmarkKernel(b, ToNCHW{C: 256, H: 28, W: 28, In: v, Out: p}, n, n, onePlace(n, n))
	})
	b.Run("input", func(b *testing.B) {
		q := View{H: 240, C: 240 * 240, N: 3 * 240 * 240}
		in := View{H: 224, C: 224 * 224, N: 3 * 224 * 224}
		benchmarkKernel(b, CopyNCHW{C: 3, H: 224, W: 224, In: in, Out: q}, in.N, in.N, onePlace(in.N, q.N))
	})
}

func BenchmarkSoftmax(b *testing.B) {
	v, n := dense(1000, 1, 1)
	benchmarkKernel(b, Softmax{C: 1000, H: 1, W: 1, In: v, Out: v}, n, n, onePlace(n, n))
}

func BenchmarkTraining(b *testing.B) {
	v, n := dense(64, 56, 56)
	big, nb := dense(64, 112, 112)
	two := func(in, out int) *Args {
		a := onePlace(2*in, out)
		a.In[1] = Buf{Mem: a.In[0].Mem, Off: in}
		return a
	}
	b.Run("reluBackward", func(b *testing.B) {
		benchmarkKernel(b, ActBackward{Act: ActReLU, C: 64, H: 56, W: 56, DY: v, Y: v, DX: v}, 2*n, n, two(n, n))
	})
	b.Run("maxPoolGrad3x3_2", func(b *testing.B) {
		a := onePlace(n+nb, nb)
		a.In[1] = Buf{Mem: a.In[0].Mem, Off: n}
		benchmarkKernel(b, MaxPoolBackward{C: 64, H: 56, W: 56, IH: 112, IW: 112, KH: 3, KW: 3, SH: 2, SW: 2, DY: v, X: big, DX: big}, n+nb, nb, a)
	})
	b.Run("maxPoolGrad3x3_1", func(b *testing.B) {
		benchmarkKernel(b, MaxPoolBackward{C: 64, H: 56, W: 56, IH: 56, IW: 56, KH: 3, KW: 3, SH: 1, SW: 1, PH: 1, PW: 1, DY: v, X: v, DX: v}, 2*n, n, two(n, n))
	})
	b.Run("avgPoolGrad3x3_2", func(b *testing.B) {
		benchmarkKernel(b, AvgPoolBackward{C: 64, H: 56, W: 56, IH: 112, IW: 112, KH: 3, KW: 3, SH: 2, SW: 2, DY: v, DX: big}, n, nb, onePlace(n, nb))
	})
	b.Run("lrnBackward", func(b *testing.B) {
		benchmarkKernel(b, LRNBackward{C: 64, H: 56, W: 56, Size: 5, Alpha: 1e-4, Beta: 0.75, K: 1, DY: v, X: v, DX: v}, 2*n, n, two(n, n))
	})
	b.Run("batchNorm", func(b *testing.B) {
		a := onePlace(n, n+2*64)
		a.Out[1], a.Out[2] = Buf{Mem: a.Out[0].Mem, Off: 2 * n}, Buf{Mem: a.Out[0].Mem, Off: 2*n + 64}
		benchmarkKernel(b, BatchNormTrain{C: 64, H: 56, W: 56, Eps: 1e-3, In: v, Out: v}, n, n, a)
	})
	b.Run("batchNormGrad", func(b *testing.B) {
		a := two(n, n+4*64)
		for i := range 2 {
			a.Out[1+i], a.In[2+i] = Buf{Mem: a.Out[0].Mem, Off: 3*n + 64*i}, Buf{Mem: a.Out[0].Mem, Off: 3*n + 128 + 64*i}
		}
		benchmarkKernel(b, BatchNormBackward{C: 64, H: 56, W: 56, Eps: 1e-3, DY: v, X: v, DX: v}, 2*n, n, a)
	})
	b.Run("sumPixels", func(b *testing.B) {
		benchmarkKernel(b, SumPixels{C: 64, H: 56, W: 56, In: v}, n, 0, onePlace(n, 64))
	})
	b.Run("dropout", func(b *testing.B) {
		a := onePlace(n, n)
		a.In[1] = Buf{Mem: make([]float32, 1)}
		benchmarkKernel(b, Dropout{C: 64, H: 56, W: 56, Below: 1 << 31, Scale: 2, In: v, Out: v}, n, n, a)
	})
	b.Run("maxout2Grad", func(b *testing.B) {
		v2, n2 := dense(192, 32, 32)
		v1, n1 := dense(96, 32, 32)
		a := onePlace(n1+n2, n2)
		a.In[1] = Buf{Mem: a.In[0].Mem, Off: n1}
		benchmarkKernel(b, MaxoutBackward{C: 96, Pieces: 2, H: 32, W: 32, DY: v1, X: v2, DX: v2}, n1+n2, n2, a)
	})
	const params = 1 << 20
	b.Run("sgd", func(b *testing.B) {
		a := onePlace(params, 2*params)
		a.In[1], a.Out[1] = Buf{Mem: make([]float32, 1)}, Buf{Mem: a.Out[0].Mem, Off: 2 * params}
		benchmarkKernel(b, SGD{N: params, Momentum: 0.9}, 3*params, 2*params, a)
	})
	b.Run("adam", func(b *testing.B) {
		a := onePlace(params, 3*params)
		a.In[1], a.In[2] = Buf{Mem: make([]float32, 1)}, Buf{Mem: make([]float32, 1)}
		a.Out[1], a.Out[2] = Buf{Mem: a.Out[0].Mem, Off: 2 * params}, Buf{Mem: a.Out[0].Mem, Off: 3 * params}
		benchmarkKernel(b, Adam{N: params, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}, 4*params, 3*params, a)
	})
}
