package kernel

import (
	"math"
	"reflect"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/threads"
)

// TestMatVecLayout compares the struct with what the assembly assumes.
func TestMatVecLayout(t *testing.T) {
	checkLayout[matVecStrip](t, 9)
}

// TestMatVec multiplies vectors and maps, with borders and gaps, by matrices whose
// last strips are of all widths: the sums are those of float64, padded lanes and
// canaries stay, and AVX2 and AVX-512 give the same bits.
func TestMatVec(t *testing.T) {
	r := newRand(5, 7)
	for n := 1; n <= 67; n++ {
		for _, oc := range []int{n, 1 + r.IntN(67)} {
			m := MatVec{C: n, H: 1, W: 1, Out: Output{C: oc, Act: fusedAct(r)}}
			if oc == n { // the other size at random
				m.C = 1 + r.IntN(67)
			}
			switch r.IntN(3) {
			case 1:
				m.H, m.W = 1+r.IntN(5), 1+r.IntN(5)
			case 2:
				m.C *= 20
			}
			images := 1 + r.IntN(2)
			in := newAct(images, m.C, m.H, m.W, n%2, n%2, n%2, n%2, n%2, false)
			in.fill(r, false)
			m.In = in.v
			out := newAct(images, m.Out.C, 1, 1, 0, 0, 0, 0, n%2, false)
			m.Out.View = out.v
			k := m.C * m.H * m.W
			w, b := make([]float32, m.Out.C*k), make([]float32, m.Out.C)
			for i := range w {
				w[i] = (r.Float32()*2 - 1) / float32(math.Sqrt(float64(k)))
			}
			for i := range b {
				b[i] = r.Float32()
			}
			a := &Args{Images: images, Table: m.Table(Portable)}
			a.In[0], a.Out[0] = in.Buf, out.Buf
			a.W[0] = alignedFloats(m.PackedLen())
			m.Pack(a.W[0], w)
			if n%3 > 0 {
				a.W[1] = make([]float32, m.BiasLen())
				m.PackBias(a.W[1], b)
			} else {
				clear(b)
			}
			ref := denseReference(images, m.C, m.H, m.W, m.Out, in, w, b)
			var simd []float32
			for isa := range tiers(r) {
				for i := range images {
					for c := range Blocks(m.Out.C) * Block {
						*out.at(i, c, 0, 0, false) = canary
					}
				}
				runAll(isa, m, a)
				var got []float32
				for i := range images {
					for o := range m.Out.C {
						got = append(got, *out.at(i, o, 0, 0, false))
					}
				}
				if err := out.check(); err != nil {
					t.Fatalf("%v: %v\n%#v", isa, err, m)
				}
				if e := maxErr(got, ref); e > 4e-6 {
					t.Fatalf("%v: error %.2g\n%#v", isa, e, m)
				}
				if isa == Portable {
					continue
				}
				if simd != nil && !reflect.DeepEqual(bits(simd), bits(got)) {
					t.Fatalf("AVX2 and AVX-512 differ\n%#v", m)
				}
				simd = got
			}
		}
	}
}

// TestMatVecNaN sees that a NaN passes ReLU, from every lane of every strip.
func TestMatVecNaN(t *testing.T) {
	for _, oc := range []int{3, 7, 16} {
		in, out := newAct(1, 9, 1, 1, 0, 0, 0, 0, 0, false), newAct(1, oc, 1, 1, 0, 0, 0, 0, 0, false)
		m := MatVec{C: 9, H: 1, W: 1, In: in.v, Out: Output{C: oc, View: out.v, Act: ActReLU}}
		a := &Args{Images: 1, Table: m.Table(Portable)}
		a.In[0], a.Out[0], a.W[0] = in.Buf, out.Buf, alignedFloats(m.PackedLen())
		for o := range oc {
			w := make([]float32, oc*9)
			w[o*9+8] = float32(math.NaN())
			m.Pack(a.W[0], w)
			for isa := range tiers(nil) {
				runAll(isa, m, a)
				for i := range oc {
					if x := *out.at(0, i, 0, 0, false); (x != x) != (i == o) {
						t.Errorf("%v: output %d of %d is %g, the NaN is in %d", isa, i, oc, x, o)
					}
				}
			}
		}
	}
}

func BenchmarkMatVec(b *testing.B) {
	for _, c := range []MatVec{{C: 784, H: 1, W: 1, Out: Output{C: 500}}, {C: 8, H: 28, W: 28, Out: Output{C: 196}}, {C: 1024, H: 1, W: 1, Out: Output{C: 1000}}} {
		in, out := newAct(1, c.C, c.H, c.W, 0, 0, 0, 0, 0, false), newAct(1, c.Out.C, 1, 1, 0, 0, 0, 0, 0, false)
		c.In, c.Out.View = in.v, out.v
		a := &Args{Images: 1, Table: c.Table(Portable)}
		a.In[0], a.Out[0], a.W[0] = in.Buf, out.Buf, alignedFloats(c.PackedLen())
		for isa := range tiers(nil) {
			b.Run(isa.String(), func(b *testing.B) {
				p := threads.NewPool(1)
				defer p.Close()
				t := NewTeam(p, isa, 0)
				body := func(w *Worker) { w.Do(c, a) }
				b.SetBytes(int64(4 * c.PackedLen()))
				for range b.N {
					t.Run(body)
				}
			})
		}
	}
}
