package irtest

import (
	"math"
	"reflect"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
)

// Random networks are valid, evaluate to finite numbers, and are the same for the same
// seed. Together they contain every op that is not only for gradients.
func TestRandom(t *testing.T) {
	seen := map[string]int{}
	nodes, heads := 0, 0
	const many = 300
	for seed := range int64(many) {
		opt := Options{Fused: seed%3 == 0, Heads: seed%2 == 0}
		g := Random(seed, opt)
		if err := ir.Verify(g); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if h := Random(seed, opt); !reflect.DeepEqual(lines(g), lines(h)) || !reflect.DeepEqual(g.Data, h.Data) {
			t.Fatalf("seed %d: another network the second time", seed)
		}
		nodes += len(g.Nodes)
		heads += len(g.Heads)
		for _, n := range g.Nodes {
			seen[ir.Name(n.Op)]++
		}
		res, err := ref.Run(g, Inputs(g, 2, seed), ref.Options{})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, v := range g.All() {
			y := res[v]
			for _, x := range y.Data {
				if math.IsNaN(x) || math.Abs(x) > 1e6 {
					t.Fatalf("seed %d: %s is %v", seed, v.Name, y.Data)
				}
			}
		}
	}
	for _, d := range ir.Defs() {
		// A difference in the last bit becomes a whole step of quantize: no tolerance would fit.
		if !d.Grad && seen[d.Name] == 0 && d.Name != "cross_entropy" && d.Name != "quantize" {
			t.Errorf("%s occurs in none of %d networks", d.Name, many)
		}
	}
	if nodes < 10*many || heads == 0 {
		t.Errorf("%d nodes and %d heads in %d networks", nodes, heads, many)
	}
}

func lines(g *ir.Graph) (r []string) {
	for _, n := range g.Nodes {
		s := ir.FormatOp(n.Op)
		for _, v := range n.In {
			s += " " + v.Name
		}
		r = append(r, s)
	}
	return r
}

// Ops that Skip excludes do not occur.
func TestSkip(t *testing.T) {
	for seed := range int64(200) {
		g := Random(seed, Options{Skip: func(op ir.Op) bool {
			switch ir.Name(op) {
			case "lrn", "maxout", "concat", "gap", "softmax", "transpose", "add":
				return true
			}
			return false
		}})
		for _, n := range g.Nodes {
			switch ir.Name(n.Op) {
			case "lrn", "maxout", "concat", "gap", "softmax", "transpose", "add":
				t.Fatalf("seed %d: %s", seed, ir.Name(n.Op))
			}
		}
	}
}
