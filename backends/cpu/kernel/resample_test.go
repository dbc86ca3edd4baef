package kernel

import (
	"fmt"
	"testing"
)

// TestResample compares with the definition: any weights, bands of weights, and one weight of 1.
func TestResample(t *testing.T) {
	r := newRand(77)
	for i := range 60 {
		ih, iw, h, w := 1+r.IntN(7), 1+r.IntN(20), 1+r.IntN(9), 1+r.IntN(40)
		k := Resample{C: 1 + r.IntN(36), IH: ih, IW: iw, H: h, W: w, Rows: i%4 != 1, Cols: i%4 != 2, Planar: i%8 >= 4}
		if !k.Rows {
			k.H = k.IH
		}
		if !k.Cols {
			k.W = k.IW
		}
		weights := func(out, in int, resized bool) []float32 {
			m := make([]float32, out*in)
			for o := range out {
				first, count := r.IntN(in), 1+r.IntN(3)
				switch {
				case !resized:
					m[o*in+o] = 1
				case i%3 == 0:
					m[o*in+first] = 1
				case i%3 == 1:
					first, count = 0, in
					fallthrough
				default:
					for j := first; j < min(in, first+count); j++ {
						m[o*in+j] = float32(r.NormFloat64())
					}
				}
			}
			return m
		}
		rows, cols := weights(k.H, k.IH, k.Rows), weights(k.W, k.IW, k.Cols)
		in := newBox(r, 2, k.C, k.IH, k.IW).fill(normal(r))
		ref := func(n, c, y, x int) (sum float64) {
			for a := range k.IH {
				for b := range k.IW {
					sum += float64(rows[y*k.IH+a]) * float64(cols[x*k.IW+b]) * in.at(n, c, a, b)
				}
			}
			return sum
		}
		args := Args{Images: 2, In: [4]Buf{in.buf}}
		k.In = in.view
		if k.Rows {
			args.W[0] = make([]float32, k.PackedLen())
			k.Pack(args.W[0], rows)
		}
		if k.Cols {
			args.W[1] = make([]float32, k.BiasLen())
			k.PackBias(args.W[1], cols)
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if !k.Planar {
				out := newBox(r, 2, k.C, k.H, k.W)
				k.Out = out.view
				onAllTiers(t, r, k, func() (*Args, *box) {
					o, a := out.clone(), args
					a.Out[0] = o.buf
					return &a, o
				}, ref, 1e-5)
				return
			}
			plane := newPlanarBox(2, k.C, k.IH, k.IW, 0)
			plane.each(func(n, c, y, x int, e *float32) { *e = float32(in.at(n, c, y, x)) })
			args.In[0], k.In = plane.buf, plane.view
			checkPlanes(t, k, args, ref)
		})
	}
}

// checkPlanes runs a kernel with a planar result on all tiers.
func checkPlanes(t *testing.T, k Resample, args Args, ref func(n, c, y, x int) float64) {
	t.Helper()
	var first []float32
	for _, isa := range Available() {
		out := newPlanarBox(2, k.C, k.H, k.W, 0)
		args.Out[0], k.Out = out.buf, out.view
		w := &Worker{ISA: isa, Scratch: make([]float32, k.Scratch())}
		for task := range k.Tasks(2) {
			k.Run(w, task, &args)
		}
		out.each(func(n, c, y, x int, e *float32) {
			if want := ref(n, c, y, x); !within(float64(*e), want, 1e-5*(1+abs(want))) {
				t.Fatalf("%v: element (%d, %d, %d, %d) is %g, want %g", isa, n, c, y, x, *e, want)
			}
		})
		if got, want := len(out.buf.Mem)-2*k.C*k.H*k.W, out.poisoned(); got != want {
			t.Fatalf("%v: %d canaries of %d are left", isa, want, got)
		}
		if first == nil {
			first = out.buf.Mem
		} else if err := sameBits(out.buf.Mem, first); err != nil {
			t.Fatalf("%v: %v", isa, err)
		}
	}
}

func within(got, want, most float64) bool { return abs(got-want) <= most }

func abs(x float64) float64 { return max(x, -x) }
