package kernel

import (
	"hash/fnv"
	"math"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/random"
)

// TestPinnedBits pins what portable Go computes, so that a compiler that fuses a
// product with a sum (arm64, GOAMD64=v3) or an architecture with other roundings
// fails here. Numbers change only where an algorithm does: the error prints the new
// one.
func TestPinnedBits(t *testing.T) {
	const c, h, w, n = 37, 5, 9, 2
	v, size := dense(c, h, w)
	size *= n
	dv, dsize := dense(c, 1, 1)
	draw := func(stream uint32, size, channels int, scale float32) []float32 {
		m := make([]float32, size)
		random.NewRand(9, 0, 0, stream).FillNormal(m, 0, scale, 0)
		for i := range m { // zeros in the padded lanes
			block := i / (size / n / Blocks(channels)) % Blocks(channels)
			if block*Block+i%Block >= channels {
				m[i] = 0
			}
		}
		return m
	}
	x, dy, e := draw(1, size, c, 1), draw(2, size, c, 1), draw(3, size, c, 0.3)
	vec := func() []float32 { return make([]float32, Blocks(c)*Block) }
	gamma, beta := draw(4, n*dsize, c, 1)[:dsize], draw(5, n*dsize, c, 1)[:dsize]
	labels, step := make([]float32, n), make([]float32, 1)
	PutInt(labels, 0, 7)
	PutInt(labels, 1, 36)
	PutInt(step, 0, 4321)
	in := func(b ...[]float32) (l [4]Buf) {
		for i := range b {
			l[i].Mem = b[i]
		}
		return l
	}
	rate := []float32{0.045}
	mean, variance := vec(), vec()
	out := func() []float32 { return make([]float32, size) }
	clone := func(m []float32) []float32 { return append([]float32(nil), m...) }
	square := func(m []float32) []float32 {
		m = clone(m)
		for i := range m {
			m[i] *= m[i]
		}
		return m
	}

	pinned := []struct {
		name string
		k    Kernel
		a    Args
		want uint64
	}{
		{"lrn", LRN{C: c, H: h, W: w, Size: 5, Alpha: 0.7, Beta: 0.75, K: 1, In: v, Out: v}, Args{In: in(x), Out: in(out())}, 0x4bb1ecc63da88371},
		{"lrn of another beta", LRN{C: c, H: h, W: w, Size: 4, Alpha: 0.7, Beta: 0.6, K: 2, In: v, Out: v}, Args{In: in(x), Out: in(out())}, 0xffe809ead09bf014},
		{"lrn gradient", LRNBackward{C: c, H: h, W: w, Size: 5, Alpha: 0.7, Beta: 0.75, K: 1, DY: v, X: v, DX: v}, Args{In: in(dy, x), Out: in(out())}, 0x5da685e7e3b11eb8},
		{"lrn gradient of another beta", LRNBackward{C: c, H: h, W: w, Size: 3, Alpha: 0.7, Beta: 0.6, K: 2, DY: v, X: v, DX: v}, Args{In: in(dy, x), Out: in(out())}, 0x9a8b1cc5a7fbbc68},
		{"average pool", AvgPool{C: c, H: h, W: w, IH: h, IW: w, KH: 3, KW: 3, PH: 1, PW: 1, In: v, Out: v}, Args{In: in(x), Out: in(out())}, 0x891a1027daaeac35},
		{"average pool gradient", AvgPoolBackward{C: c, H: h, W: w, IH: h, IW: w, KH: 3, KW: 3, PH: 1, PW: 1, DY: v, DX: v}, Args{In: in(dy), Out: in(out())}, 0xfaa27d2d8c6fef7b},
		{"sigmoid", Activation{Act: ActSigmoid, C: c, H: h, W: w, In: v, Out: v}, Args{In: in(x), Out: in(out())}, 0xc031f795c98cd51c},
		{"tanh", Activation{Act: ActTanh, C: c, H: h, W: w, In: v, Out: v}, Args{In: in(x), Out: in(out())}, 0x16613db2e6edfb1b},
		{"sigmoid gradient", ActBackward{Act: ActSigmoid, C: c, H: h, W: w, DY: v, Y: v, DX: v}, Args{In: in(dy, x), Out: in(out())}, 0x295b434eca577fce},
		{"tanh gradient", ActBackward{Act: ActTanh, C: c, H: h, W: w, DY: v, Y: v, DX: v}, Args{In: in(dy, x), Out: in(out())}, 0xb09ce0067adf3808},
		{"affine", Affine{C: c, H: h, W: w, In: v, Out: v}, Args{In: in(x), Out: in(out()), W: [4][]float32{gamma, beta}}, 0x9320461abde34d0e},
		{"residual", Binary{Op: OpAdd, Scale: 0.17, C: c, H: h, W: w, A: v, B: v, Out: v}, Args{In: in(x, dy), Out: in(out())}, 0xb07f38766db0b504},
		{"softmax", Softmax{C: c, H: h, W: w, In: v, Out: v}, Args{In: in(x), Out: in(out())}, 0xdebf0ecc7850da3c},
		{"log softmax", Softmax{C: c, H: h, W: w, Log: true, In: v, Out: v}, Args{In: in(x), Out: in(out())}, 0x8c22a79a5fc6648c},
		{"softmax gradient", SoftmaxBackward{C: c, H: h, W: w, DY: v, Y: v, DX: v}, Args{In: in(dy, e), Out: in(out())}, 0xce491b98e7780f8d},
		{"log softmax gradient", SoftmaxBackward{C: c, H: h, W: w, Log: true, DY: v, Y: v, DX: v}, Args{In: in(dy, e), Out: in(out())}, 0x83bdf2027484059},
		{"cross-entropy", CrossEntropy{C: c, Smoothing: 0.1, In: dv}, Args{In: in(x, labels), Out: in(make([]float32, 1))}, 0x5a2b0890239c6fac},
		{"cross-entropy gradient", CrossEntropyBackward{C: c, Smoothing: 0.1, Weight: 0.3, In: dv, Out: dv}, Args{In: in(nil, x, labels), Out: in(out())}, 0xde96819f1a19824a},
		{"batch norm", BatchNormTrain{C: c, H: h, W: w, Eps: 1e-3, In: v, Out: v}, Args{In: in(x), Out: in(out(), mean, variance), W: [4][]float32{gamma, beta}}, 0x79ff66e5aec7bb53},
		{"batch norm gradient", BatchNormBackward{C: c, H: h, W: w, Eps: 1e-3, DY: v, X: v, DX: v}, Args{In: in(dy, x, mean, variance), Out: in(out(), vec(), vec()), W: [4][]float32{gamma}}, 0x28bce71fe3b86006},
		{"running statistics", BatchNormRunning{C: c, Pixels: h * w, Momentum: 0.9}, Args{In: in(mean, variance), Out: in(clone(gamma), clone(beta))}, 0x7c1919a75352999a},
		{"sum over pixels", SumPixels{C: c, H: h, W: w, In: v}, Args{In: in(dy), Out: in(vec())}, 0xb2f8bbd35493faf0},
		{"dropout", Dropout{C: c, H: h, W: w, Key: [2]uint32{1, 2}, Below: 1 << 30, Scale: 4.0 / 3, In: v, Out: v}, Args{In: in(x, step), Out: in(out())}, 0x35743184978e05be},
		{"sgd", SGD{N: size, Momentum: 0.9, Decay: 1e-3}, Args{In: in(dy, rate), Out: in(clone(x), clone(e))}, 0x3f6263998a2de302},
		{"nesterov", SGD{N: size, Momentum: 0.9, Nesterov: true, Decay: 1e-3}, Args{In: in(dy, rate), Out: in(clone(x), clone(e))}, 0xde3ead59050ea0f9},
		{"rmsprop", RMSProp{N: size, Rho: 0.9, Eps: 1, Momentum: 0.9, Decay: 1e-3}, Args{In: in(dy, rate), Out: in(clone(x), clone(e), square(e))}, 0xebd676a72910f98a},
		{"rmsprop of PyTorch", RMSProp{N: size, Rho: 0.99, Eps: 1e-3, Momentum: 0.9, Decay: 1e-3, Torch: true}, Args{In: in(dy, rate), Out: in(clone(x), clone(e), square(e))}, 0x6134a6e331686e38},
		{"adam", Adam{N: size, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 1e-3}, Args{In: in(dy, rate, step), Out: in(clone(x), clone(e), square(e))}, 0x25ae98bd2baaeb06},
		{"adamw", Adam{N: size, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 1e-3, Decoupled: true}, Args{In: in(dy, rate, step), Out: in(clone(x), clone(e), square(e))}, 0x8075df08457184c4},
		{"average", Average{N: size, Rate: 1e-3}, Args{In: in(dy), Out: in(clone(x))}, 0x7df7612010b1ba3},
		{"penalty", Penalty{N: size, L1: 0.01, L2: 0.03}, Args{In: in(x, dy), Out: in(out())}, 0x8dcf99e10780c3a7},
		{"squares", SquareSums{N: size}, Args{In: in(x), Out: in(make([]float32, 1))}, 0x7c2cf7be4969193a},
		{"mean", Reduce{Op: ReduceMean, Axes: 2, Dims: [MaxAxes]int{30, 40}, Over: [MaxAxes]bool{true}, InN: 1200, OutN: 40}, Args{In: in(x), Out: in(out())}, 0x4e756f3032ecd6b1},
	}
	for _, p := range pinned {
		p.a.Images = n
		execute(newRand(1), Portable, p.k, &p.a)
		sum := fnv.New64a()
		for _, o := range p.a.Out {
			for _, f := range o.Mem {
				b := math.Float32bits(f)
				sum.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)})
			}
		}
		if got := sum.Sum64(); got != p.want {
			t.Errorf("%s: %#x, pinned %#x", p.name, got, p.want)
		}
	}
}
