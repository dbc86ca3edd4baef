package lowrank_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/passes/lowrank"
)

// numpyCase is an entry of testdata/errors.json, which testdata/errors.py writes.
type numpyCase struct {
	Shape   []int
	Weights []float32
	Tucker  [][3]float64 // rank of the outputs, of the inputs, relative error
	Pair    []float64    // relative error of rank 1, 2 and so on
	Matrix  []float64
}

// TestNumpy: the errors are those of numpy's optimal truncation and of the higher-order singular
// value decomposition, and the factors have these errors.
func TestNumpy(t *testing.T) {
	text, err := os.ReadFile("testdata/errors.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []numpyCase
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		w := tensor.Of(c.Weights, c.Shape...)
		near := func(what string, got, want float64) {
			t.Helper()
			if !(math.Abs(got-want) < 1e-6) {
				t.Errorf("%v %s: error %g, numpy has %g", c.Shape, what, got, want)
			}
		}
		tucker, err := lowrank.NewTucker(w)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range c.Tucker {
			out, in := int(e[0]), int(e[1])
			near("tucker", tucker.Error(out, in), e[2])
			near("tucker's factors", tuckerError(tucker, c, out, in), e[2])
		}
		pair, err := passes.DecomposePair(w)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range c.Pair {
			near("pair", pair.Error(i+1), e)
		}
		m := lowrank.Matrix{Rows: c.Shape[0], Cols: len(c.Weights) / c.Shape[0], Data: tensor.Widen(w).Data}
		d, err := m.Decompose()
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range c.Matrix {
			near("matrix", d.Error(i+1), e)
			got := tensor.New(m.Rows, m.Cols)
			d.Factors(i+1, func(_ int, left, right []float64) {
				for a, x := range left {
					for b, y := range right {
						got.Data[a*m.Cols+b] += x * y
					}
				}
			})
			near("matrix's factors", distance(got.Data, c.Weights), e)
		}
	}
}

// TestLowRankWide: filters with many more outputs than elements, whose unfolding has a low rank, are
// decomposed, and at that rank without error.
func TestLowRankWide(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, shape := range [][]int{{192, 3, 5, 5}, {96, 1, 3, 3}, {4, 128, 1, 1}, {128, 128, 1, 1}} {
		for _, scale := range []float64{1, 1e-15} {
			w := tensor.Make[float32](shape)
			row := len(w.Data) / shape[0]
			for i := range w.Data {
				w.Data[i] = float32(scale * r.NormFloat64())
				if i/row >= 75 {
					w.Data[i] = w.Data[i%(75*row)]
				}
			}
			d, err := lowrank.NewTucker(w)
			if err != nil {
				t.Errorf("%v: %v", shape, err)
				continue
			}
			if rank := min(shape[0], 75, row); d.Error(rank, shape[1]) > 1e-7 || d.Error(1, shape[1]) < 0.1 {
				t.Errorf("%v has the error %g at rank %d, %g at rank 1", shape, d.Error(rank, shape[1]), rank, d.Error(1, shape[1]))
			}
		}
	}
}

// tuckerError multiplies the factors and compares the product with the weights.
func tuckerError(d *lowrank.Tucker, c numpyCase, out, in int) float64 {
	last, core, first := d.Factors(out, in)
	o, ch, k := c.Shape[0], c.Shape[1], c.Shape[2]*c.Shape[3]
	got := make([]float64, len(c.Weights))
	for x := range o {
		for y := range ch {
			for a := range out {
				for b := range in {
					for i := range k {
						got[(x*ch+y)*k+i] += last[x*out+a] * core[(a*in+b)*k+i] * first[b*ch+y]
					}
				}
			}
		}
	}
	return distance(got, c.Weights)
}

func distance(got []float64, want []float32) float64 {
	diff, norm := 0.0, 0.0
	for i, w := range want {
		diff += (got[i] - float64(w)) * (got[i] - float64(w))
		norm += float64(w) * float64(w)
	}
	return math.Sqrt(diff / norm)
}
