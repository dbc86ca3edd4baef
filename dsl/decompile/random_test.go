package decompile_test

import (
	"testing"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/dsl/decompile"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// TestRandom: the spec of any network computes what the network computes, up to the rounding
// of constants that become batch normalization. Most networks are nets.
func TestRandom(t *testing.T) {
	n := int64(60)
	if longtest.Enabled() {
		n = 2000
	}
	flat := 0
	for seed := range n {
		opt := irtest.Options{Fused: seed%2 == 0, Size: 3 + int(seed%4), Side: 9}
		if seed%4 > 0 {
			opt.Skip = neverInNets
		}
		g := irtest.Random(seed, opt)
		if seed%3 > 0 {
			m, err := onnx.Backend{}.Model(g)
			if err != nil {
				t.Fatal(err)
			}
			if h, err := onnx.Import(m); err == nil { // not every LRN that is written is read
				g = h
			}
		}
		s, err := decompile.Write(g)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		if s.Flat != "" {
			t.Logf("seed %d: %s", seed, s.Flat)
			flat++
		}
		if b, l := dsl.Format("net.incc", s.Text); l.HasErrors() || string(b) != string(s.Text) {
			t.Errorf("seed %d: the text is not in the standard layout", seed)
		}
		x := irtest.Inputs(g, 2, seed)
		want, got := run(t, g, x), run(t, s.Graph, x)
		if d, largest := tensor.MaxDiff(got, want); !(d <= 1e-6*largest) {
			t.Errorf("seed %d: outputs differ by %g of %g\n%s", seed, d, largest, s.Text)
		}
	}
	if flat*5 > 2*int(n) {
		t.Errorf("%d of %d networks are written flat", flat, n)
	}
}

// neverInNets reports whether an op has no form in a net.
func neverInNets(op ir.Op) bool {
	switch ir.Name(op) {
	case "node", "sub", "div", "matmul", "sqrt", "split":
		return true
	}
	return false
}

func run(t *testing.T, g *ir.Graph, x []*tensor.Tensor) *tensor.Tensor {
	t.Helper()
	r, err := ref.Run(g, x, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r[g.Outputs[0]]
}
