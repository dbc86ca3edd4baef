package kernel

import (
	"testing"
)

// TestNoAllocation runs whole convolutions and dense layers through the Kernel
// interface, as a session does.
func TestNoAllocation(t *testing.T) {
	r := newRand(1, 1)
	c := Conv{IC: 20, H: 9, W: 9, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 50, Act: ActSigmoid}, {C: 16, Act: ActReLU}}}
	k := newConvCase(r, 2, c, 0)
	planar := c
	planar.Planar = true
	kp := newConvCase(r, 2, planar, 0)
	line := Conv{IC: 20, H: 9, W: 9, KH: 7, KW: 1, PH: 3, Residual: true, Scale: 1, Outputs: [4]Output{{C: 50, Act: ActReLU}}}
	kl := newConvCase(r, 2, line, 0)
	vec := newAct(3, 100, 1, 1, 0, 0, 0, 0, 0, false)
	out := newAct(3, 40, 1, 1, 0, 0, 0, 0, 0, false)
	d := Dense{C: 100, H: 1, W: 1, In: vec.v, Out: Output{C: 40, View: out.v, Act: ActTanh}}
	dargs := &Args{Images: 3, Table: d.Table(Portable)}
	dargs.In[0], dargs.Out[0], dargs.W[0] = vec.Buf, out.Buf, make([]float32, d.PackedLen())
	m := MatVec{C: 100, H: 1, W: 1, In: d.In, Out: d.Out}
	margs := *dargs
	margs.W[0] = make([]float32, m.PackedLen())
	for isa := range tiers(r) {
		for _, s := range []struct {
			kern Kernel
			k    *convCase
		}{{k.c, k}, {kp.c, kp}, {Winograd{Conv: k.c, Tiles: 9}, k}, {Winograd1D{Conv: kl.c, Tiles: 9}, kl}, {d, nil}, {m, nil}} {
			a := dargs
			if s.kern == Kernel(m) {
				a = &margs
			}
			if s.k != nil {
				s.k.pack(s.kern.(Packer))
				a = s.k.args(s.kern.(Tabler).Table(isa))
			}
			w := &Worker{ISA: isa}
			if sc, ok := s.kern.(Scratcher); ok {
				w.Scratch = alignedFloats(sc.Scratch())
			}
			n := s.kern.Tasks(a.Images)
			if got := testing.AllocsPerRun(3, func() {
				for i := range n {
					s.kern.Run(w, i, a)
				}
			}); got != 0 {
				t.Errorf("%v %T: %g allocations", isa, s.kern, got)
			}
		}
	}
}
