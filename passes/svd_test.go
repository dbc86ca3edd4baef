package passes_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs/spectest"
)

const svdNet = `net n
input image 3x12x11
a: conv 3x3 8 pad=1 act=relu
b: conv 5x5/2 6 pad=2,1,1,2 bn=0.001 act=relu
c: conv 3x5 12 bias=off
d: conv 3x3 5 pad=same act=tanh
top: gap -> fc 4
`

func outputs(t *testing.T, g *ir.Graph) *tensor.Tensor {
	t.Helper()
	x := tensor.New(2, 3, 12, 11)
	r := rand.New(rand.NewPCG(5, 5))
	for i := range x.Data {
		x.Data[i] = r.NormFloat64()
	}
	res, err := ref.Run(g, []*tensor.Tensor{x}, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return res[g.Outputs[0]]
}

// At full rank the factorized network computes the same as before, up to the rounding of the
// weights. At a lower rank, its error is the reported one and decreases as the rank grows.
func TestSVDFullRank(t *testing.T) {
	g := spectest.Build(t, "n.incc", svdNet)
	trained(g)
	want := outputs(t, g)
	last := math.Inf(1)
	for _, mid := range []string{"1", "2", "4", "8", "12", "full"} {
		h := g.Clone()
		rep := run(t, h, "factorize=svd,force,mid="+mid, passes.Options{})
		done, worst := 0, 0.0
		for _, d := range rep.Decisions() {
			if d.Done {
				done++
				worst = math.Max(worst, d.Error)
			}
		}
		if done != 4 {
			t.Fatalf("mid=%s: %d layers were factorized, want 4", mid, done)
		}
		if worst > last+1e-9 {
			t.Errorf("mid=%s: the error grows from %g to %g", mid, last, worst)
		}
		last = worst
		diff, scale := tensor.MaxDiff(outputs(t, h), want)
		t.Logf("mid=%s: worst layer %.3g, outputs %.3g", mid, worst, diff/scale)
		if mid == "full" && (diff > 1e-5*scale || worst > 1e-6) {
			t.Errorf("full rank changes the outputs by %g of %g, layers by %g", diff, scale, worst)
		}
		if mid == "1" && diff < 1e-2*scale {
			t.Errorf("rank 1 changes the outputs by only %g of %g", diff, scale)
		}
		for _, v := range h.Params {
			if strings.Contains(v.Name, "conv_5x5") || strings.Contains(v.Name, "conv_3x3") {
				t.Errorf("%s has the name of a layer that is gone", v.Name)
			}
			if v.Param.Kind == ir.Weight && h.Data[v.Name] == nil {
				t.Errorf("%s has no data", v.Name)
			}
		}
	}
}

// The approximation is the best one: a layer whose weights have low rank is reproduced, and
// no small change of the factors has a smaller error.
func TestSVDIsTheBest(t *testing.T) {
	g := spectest.Build(t, "n.incc", "net n\ninput image 4x9x9\na: conv 3x3 10 bias=off\n")
	r := rand.New(rand.NewPCG(2, 2))
	w := tensor.Make[float32]([]int{10, 4, 3, 3})
	g.Data["a/conv_3x3/weight"] = w
	for range 2 {
		a, b := make([]float64, 12), make([]float64, 30)
		for i := range a {
			a[i] = r.NormFloat64()
		}
		for i := range b {
			b[i] = r.NormFloat64()
		}
		for o := range 10 {
			for ci := range 12 {
				for j := range 3 {
					w.Data[(o*12+ci)*3+j] += float32(a[ci] * b[j*10+o])
				}
			}
		}
	}
	h := g.Clone()
	rep := run(t, h, "factorize=svd,max-error=1e-5", passes.Options{})
	d := rep.Decisions()[0]
	if !d.Done || d.Error > 1e-6 || !strings.Contains(d.What, "3x1 4 -> 2") {
		t.Fatalf("a layer of rank 2 became %v, error %g", d, d.Error)
	}
	// A layer of full rank, approximated with rank 3.
	for i := range w.Data {
		w.Data[i] += float32(0.3 * r.NormFloat64())
	}
	h = g.Clone()
	rep = run(t, h, "factorize=svd,mid=3", passes.Options{})
	best := rep.Decisions()[0].Error
	if best < 1e-2 {
		t.Fatalf("rank 3 of a full matrix has error %g", best)
	}
	a, b := h.Data["a/conv_3x1/weight"], h.Data["a/conv_1x3/weight"]
	if e := distance(w, a, b); math.Abs(e-best) > 1e-6 {
		t.Errorf("the report says %g, the weights %g", best, e)
	}
	for range 200 {
		a, b := a.Clone(), b.Clone()
		for i := range a.Data {
			a.Data[i] += float32(1e-2 * r.NormFloat64())
		}
		for i := range b.Data {
			b.Data[i] += float32(1e-2 * r.NormFloat64())
		}
		if e := distance(w, a, b); e < best {
			t.Fatalf("a change of the factors comes nearer: %g instead of %g", e, best)
		}
	}
}

// distance returns |W - AB| / |W|, computed in another way than by relativeError.
func distance(w, a, b *tensor.F32) float64 {
	diff, norm := 0.0, 0.0
	s := w.Shape
	for o := range s[0] {
		for c := range s[1] {
			for i := range s[2] {
				for j := range s[3] {
					x := float64(w.At(o, c, i, j))
					norm += x * x
					for k := range a.Shape[0] {
						x -= float64(a.At(k, c, i, 0)) * float64(b.At(o, k, 0, j))
					}
					diff += x * x
				}
			}
		}
	}
	return math.Sqrt(diff / norm)
}

// Without weights, and with wrong arguments, the error says what to do.
func TestRedesignErrors(t *testing.T) {
	for _, c := range []struct {
		passes string
		data   bool
		want   string
	}{
		{"factorize=svd", false, "factorize=retrain"},
		{"factorize=retrain", true, "use factorize=svd"},
		{"stack-3x3", true, "redesign the topology, then train"},
		{"factorize,mid=0", false, "mid=0"},
		{"factorize,mid=full", false, "mid=full"},
		{"factorize,only=3", false, ""},
		{"factorize,only=3y3", false, "3y3"},
		{"factorize,force=maybe", false, "force=maybe"},
		{"factorize=svd,max-error=2", true, "max-error=2"},
	} {
		g := spectest.Build(t, "n.incc", svdNet)
		if c.data {
			trained(g)
		}
		p, err := passes.Parse(c.passes)
		if err != nil {
			t.Fatal(err)
		}
		_, err = passes.Run(g, p, passes.Options{})
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.passes, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.passes, err, c.want)
		}
	}
}
