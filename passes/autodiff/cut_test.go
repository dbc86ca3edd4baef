package autodiff

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/specs"
)

// cutText has a module with branches, a head and dropout before its last layer.
const cutText = `net a
input image 3x8x8
stem: conv 3x3 6 pad=1 bn=1e-3 act=relu
3a: inception 4  4 6  2 4  4 -> head weight=0.3 { gap -> dropout 0.5 -> fc 4 -> softmax }
3b: conv 1x1 9 act=relu bn=1e-2
top: gap -> dropout 0.4 -> fc 4 -> softmax
`

// TestCut: the network is cut behind the last value that all that changes depends on, and
// the two halves compute together what the whole does.
func TestCut(t *testing.T) {
	g, l := dsl.Load("a.incc", []byte(cutText), dsl.Options{})
	if l.HasErrors() {
		t.Fatal(l)
	}
	ir.Materialize(g, 3)
	r := rand.New(rand.NewPCG(1, 2))
	x := tensor.New(2, 3, 8, 8)
	for i := range x.Data {
		x.Data[i] = r.NormFloat64()
	}
	want, err := ref.Run(g, []*tensor.Tensor{x}, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		freeze string // parts
		at     string // shape of the cut, or an error
		heads  int
	}{
		{"stem 3a 3b", "Nx9x1x1", 0},
		{"stem 3a/inception 3a/head", "Nx18x8x8", 0},
		{"stem 3a/inception", "Nx18x8x8", 1},
		{"stem 3a/inception 3b", "Nx18x8x8", 1}, // the head and 3b read it
		{"stem", "Nx6x8x8", 1},
		{"stem 3a/inception/b1", "Nx6x8x8", 1}, // half of a module
		{"stem/conv_3x3", "Nx6x8x8", 1},        // the batch norm behind it is trained
		{"3a 3b", "reads the input itself", 0},
		{"top", "reads the input itself", 0},
		{"stem 3a 3b top", "nothing would be trained", 0},
	} {
		freeze := strings.Fields(c.freeze)
		for _, p := range freeze {
			if !slices.Contains(g.PartPaths(), p) {
				t.Fatalf("no part %s among %v", p, g.PartPaths())
			}
		}
		trunk, top, err := Cut(g, freeze)
		if err != nil {
			if !strings.Contains(err.Error(), c.at) {
				t.Errorf("%s: %v, want %s", c.freeze, err, c.at)
			}
			continue
		}
		if got := top.Inputs[0].Type.Shape.String(); got != c.at || len(top.Heads) != c.heads || !top.Inputs[0].Type.Shape.Equal(trunk.Outputs[0].Type.Shape) {
			t.Errorf("%s: cut at %s with %d heads behind, want %s with %d", c.freeze, got, len(top.Heads), c.at, c.heads)
		}
		for _, p := range trunk.Params {
			if p.Param.Kind != ir.Constant && !ir.UnderAny(p.Name, freeze) {
				t.Errorf("%s: %s is before the cut", c.freeze, p.Name)
			}
		}
		mid, err := ref.Run(trunk, []*tensor.Tensor{x}, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ref.Run(top, []*tensor.Tensor{mid[trunk.Outputs[0]]}, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got[top.Outputs[0]].Data, want[g.Outputs[0]].Data) {
			t.Errorf("%s: the halves compute something else", c.freeze)
		}
	}
}

// TestCutGoogLeNet: with all but the last layer frozen, its features are the 1024 numbers
// before dropout.
func TestCutGoogLeNet(t *testing.T) {
	text, file, ok := specs.Source("googlenet")
	if !ok {
		t.Fatal("no googlenet")
	}
	g, l := dsl.Load(file, text, dsl.Options{})
	if l.HasErrors() {
		t.Fatal(l)
	}
	_, top, err := Cut(g, strings.Fields("stem 3a 3b 4a 4b 4c 4d 4e 5a 5b"))
	if err != nil {
		t.Fatal(err)
	}
	if s := top.Inputs[0].Type.Shape; s.Size() != 1024 || len(top.Params) != 2 {
		t.Errorf("cut at %v with %d params behind", s, len(top.Params))
	}
}
