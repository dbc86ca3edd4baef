package kernel

import (
	"encoding/binary"
	"hash/fnv"
	"testing"
)

// TestVectorBits pins what the vector tiers compute: AVX2, AVX-512 and NEON give the same bits, so a
// run on one processor is compared with those on all others. The error prints the new hash.
func TestVectorBits(t *testing.T) {
	relu := func(c ...int) (l [4]Output) {
		for i, n := range c {
			l[i] = Output{C: n, Act: ActReLU}
		}
		return l
	}
	mask := [4]Output{{C: 40, Act: ActReLUBackward}}
	for i, p := range []struct {
		name string
		c    Conv
		mk   func(Conv) Kernel
		n16  bool
		want uint32
	}{
		{"planar", Conv{IC: 3, H: 17, W: 19, KH: 5, KW: 5, SH: 2, SW: 2, PH: 2, PW: 2, Planar: true, Outputs: relu(20)}, direct, false, 0x9fbeac93},
		{"1x1 of two outputs", Conv{IC: 7, H: 14, W: 14, KH: 1, KW: 1, Outputs: relu(64, 20)}, direct, false, 0x1b9eb489},
		{"groups", Conv{IC: 64, H: 7, W: 7, KH: 3, KW: 3, PH: 1, PW: 1, Groups: 4, Outputs: relu(64)}, direct, false, 0x945b24c2},
		{"masked", Conv{IC: 33, H: 9, W: 9, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: mask}, direct, false, 0x82c79fd1},
		{"depthwise", Conv{IC: 40, Groups: 40, H: 9, W: 13, KH: 3, KW: 3, PH: 1, PW: 1, Residual: true, Scale: 0.3, Outputs: relu(40)}, func(c Conv) Kernel { return Depthwise{c} }, false, 0x14d40f96},
		{"Winograd 3x3", Conv{IC: 50, H: 14, W: 15, KH: 3, KW: 3, PH: 1, PW: 1, Residual: true, Scale: 0.3, Outputs: relu(40)}, wino, false, 0xb27de6aa},
		{"Winograd 3x3 masked", Conv{IC: 50, H: 14, W: 15, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: mask}, wino, false, 0xf4cd007e},
		{"Winograd 5x5", Conv{IC: 20, H: 12, W: 13, KH: 5, KW: 5, PH: 2, PW: 2, Outputs: relu(48)}, wino, false, 0x5c571cb1},
		{"Winograd 1x7", Conv{IC: 30, H: 5, W: 17, KH: 1, KW: 7, PW: 3, Outputs: relu(40)}, func(c Conv) Kernel { return Winograd1D{Conv: c} }, false, 0x14cdb6d},
		{"Winograd 7x1", Conv{IC: 30, H: 17, W: 5, KH: 7, KW: 1, PH: 3, Residual: true, Scale: 0.3, Outputs: relu(40)}, func(c Conv) Kernel { return Winograd1D{Conv: c} }, false, 0x2e6eff2b},
		{"16 images", Conv{IC: 5, H: 9, W: 11, KH: 3, KW: 3, PH: 1, PW: 1, Residual: true, Scale: 0.3, Outputs: relu(7)}, inLanes, true, 0xd31b51c},
		{"16 images masked", Conv{IC: 5, H: 9, W: 11, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 7, Act: ActReLUBackward}}}, inLanes, true, 0x698183f2},
		{"depthwise with stride 2", Conv{IC: 40, Groups: 40, H: 9, W: 13, KH: 3, KW: 3, SH: 2, SW: 2, PH: 1, PW: 1, Outputs: [4]Output{{C: 40, Act: ActReLU6}}}, func(c Conv) Kernel { return Depthwise{c} }, false, 0x1bb3e70a},
		{"groups of 4", Conv{IC: 40, Groups: 10, H: 9, W: 12, KH: 3, KW: 3, PH: 1, PW: 1, Residual: true, Scale: 0.3, Outputs: relu(40)}, func(c Conv) Kernel { return Grouped{c} }, false, 0xfd36dcba},
		{"groups of 8", Conv{IC: 40, Groups: 5, H: 9, W: 29, KH: 3, KW: 3, SH: 2, SW: 2, PH: 1, PW: 1, Outputs: [4]Output{{C: 40, Act: ActReLU6}}}, func(c Conv) Kernel { return Grouped{c} }, false, 0x669d8873},
		{"groups of 32", Conv{IC: 96, H: 7, W: 7, KH: 3, KW: 3, PH: 1, PW: 1, Groups: 3, Outputs: relu(96)}, direct, false, 0x1cdbda74},
	} {
		r := fixedRand(21, uint64(i+1))
		k := newConvCase(r, 2, p.c, 0)
		if p.n16 {
			k = newN16Case(r, 18, p.c, 0)
		}
		kern := p.mk(k.c)
		k.pack(kern.(Packer))
		pinBits(t, p.name, p.want, func(isa ISA) []float32 {
			k.clearOut()
			runAll(isa, kern, k.args(kern.(Tabler).Table(isa)))
			return k.got()
		})
	}

	r := fixedRand(22)
	k := newConvCase(r, 3, Conv{IC: 37, H: 9, W: 7, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 53}}}, 0)
	k.out[0].fill(r, false)
	b := ConvBackwardWeights{Conv: k.c}
	pinBits(t, "gradient with respect to weights", 0x484910e1, func(isa ISA) []float32 {
		a := &Args{Images: k.images, Table: b.Table(isa)}
		a.In[0], a.In[1] = k.in.Buf, k.out[0].Buf
		dw := alignedFloats(b.PackedLen())
		a.Out[0], a.Out[1] = Buf{Mem: dw}, Buf{Mem: alignedFloats(b.Conv.BiasLen())}
		runAll(isa, b, a)
		return dw
	})

	{
		c := Conv{IC: 40, Groups: 40, H: 9, W: 13, KH: 3, KW: 3, SH: 2, SW: 2, PH: 1, PW: 1, Outputs: [4]Output{{C: 40}}}
		k := newConvCase(fixedRand(26), 3, c, 0)
		k.out[0].fill(fixedRand(27), false)
		b := DepthwiseBackwardWeights{Conv: k.c, Images: 2}
		pinBits(t, "gradient with respect to weights, depthwise", 0xa5c189b6, func(isa ISA) []float32 {
			a := &Args{Images: 3}
			sums := alignedFloats(b.Count(3) * b.PackedLen())
			a.In[0], a.In[1], a.Out[0] = k.in.Buf, k.out[0].Buf, Buf{Mem: sums}
			runAll(isa, b, a)
			return sums
		})
	}

	for i, c := range []Conv{
		{IC: 20, H: 7, W: 9, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 13}}},
		{IC: 3, H: 7, W: 11, KH: 3, KW: 3, PH: 1, PW: 1, Planar: true, Outputs: [4]Output{{C: 13}}},
	} {
		k := newConvCase(fixedRand(24, uint64(i+1)), 2, c, 0)
		k.out[0].fill(fixedRand(25, uint64(i+1)), false)
		b := ConvBackwardWeightsRows{Conv: k.c}.Split(2)
		pinBits(t, "three columns of weights", []uint32{0x1dc79d5f, 0xfcd3dae3}[i], func(isa ISA) []float32 {
			a := &Args{Images: 2}
			sums := alignedFloats(b.Count(2) * b.PackedLen())
			a.In[0], a.In[1], a.Out[0] = k.in.Buf, k.out[0].Buf, Buf{Mem: sums}
			runAll(isa, b, a)
			return sums
		})
	}

	for i, width := range []int{64 + 16, 64 + 8, 64 + 4} {
		r := fixedRand(23, uint64(i+1))
		m := MatVec{C: 70, H: 2, W: 2, Out: Output{C: width, Act: ActReLU}}
		in, out := newAct(1, m.C, m.H, m.W, 0, 0, 0, 0, 0, false), newAct(1, width, 1, 1, 0, 0, 0, 0, 0, false)
		in.fill(r, false)
		m.In, m.Out.View = in.v, out.v
		w := make([]float32, width*m.C*m.H*m.W)
		for i := range w {
			w[i] = r.Float32()*2 - 1
		}
		a := &Args{Images: 1, Table: m.Table(Portable)}
		a.In[0], a.Out[0], a.W[0] = in.Buf, out.Buf, alignedFloats(m.PackedLen())
		m.Pack(a.W[0], w)
		pinBits(t, "matrix and vector", []uint32{0xcbeb81e4, 0x3a70c4f8, 0x53d4c0f0}[i], func(isa ISA) []float32 {
			runAll(isa, m, a)
			return outputs(out, 1, width)
		})
	}
}

// pinBits compares the hash of what a kernel computes on every vector tier.
func pinBits(t *testing.T, name string, want uint32, run func(isa ISA) []float32) {
	t.Helper()
	for isa := range tiers(nil) {
		if isa == Portable {
			continue
		}
		h := fnv.New32a()
		for _, b := range bits(run(isa)) {
			h.Write(binary.LittleEndian.AppendUint32(nil, b))
		}
		if got := h.Sum32(); got != want {
			t.Errorf("%s on %v: hash %#x, want %#x", name, isa, got, want)
		}
	}
}
