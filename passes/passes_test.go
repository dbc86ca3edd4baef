package passes

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ops"
)

// graphs is the number of random networks that a test runs.
func graphs(short int) int {
	return longtest.Count(short, 6*short, 50_000)
}

// exactly is the largest relative difference that folding may cause in float64.
const exactly = 1e-9

// tolerance returns the largest relative difference for a step: none for Exact passes;
// for Rounding passes that of float64, or of float32 if const-fold has rounded weights.
func tolerance(s Step) float64 {
	switch {
	case s.Pass.Contract != Rounding:
		return 0
	case s.Pass == &ConstFold:
		return RoundingTolerance
	}
	return exactly
}

func check(g *ir.Graph, p Pipeline, o Options) ([]Difference, error) {
	table, _, err := Check(g, p, o, CheckOptions{Seed: 3, Batch: 2})
	if err != nil {
		return nil, err
	}
	for _, d := range table {
		if d.Compared && !(d.Relative() <= tolerance(d.Step)) {
			return nil, fmt.Errorf("%s changes %s by %g of %g", d.Step, d.Value, d.Max, d.Scale)
		}
	}
	return table, nil
}

// Every pass, run by itself on random networks, keeps its contract and changes nothing when
// it runs a second time. It must apply to enough of the networks for a meaningful test.
func TestRandom(t *testing.T) {
	t.Parallel()
	fired := map[string]int{}
	n := graphs(100)
	for seed := range uint64(n) {
		for _, pass := range All() {
			g := randomNet(seed)
			s := Step{Pass: pass, Args: map[string]string{"force": "on"}}
			if pass.Contract == Redesign {
				clear(g.Data)
				restoreConstants(g, seed)
			}
			if pass != &DCE {
				// An unused reader may stop a rewrite that is possible after its removal.
				if _, err := Run(g, Pipeline{{Pass: &DCE}}, Options{}); err != nil {
					t.Fatal(err)
				}
			}
			table, err := check(g, Pipeline{s}, Options{})
			if err != nil {
				t.Fatalf("network %d: %v", seed, err)
			}
			if table[0].Changed > 0 {
				fired[pass.Name]++
			}
			rep, err := Run(g, Pipeline{s}, Options{})
			if err != nil {
				t.Fatalf("network %d: %s again: %v", seed, pass.Name, err)
			}
			if c := rep.Steps[0].Changed; c != 0 {
				t.Errorf("network %d: %s changes %d more when it runs again", seed, pass.Name, c)
			}
		}
	}
	for _, pass := range All() {
		if fired[pass.Name]*20 < n {
			t.Errorf("%s changed only %d of %d networks", pass.Name, fired[pass.Name], n)
		}
	}
	t.Log(fired)
}

// restoreConstants restores the data of constants that have no initialization.
func restoreConstants(g *ir.Graph, seed uint64) {
	h := randomNet(seed)
	for _, v := range g.Params {
		if v.Param.Kind == ir.Constant && v.Param.Init.Kind != ir.InitConstant {
			g.Data[v.Name] = h.Data[v.Name]
		}
	}
}

// The whole pipeline keeps the function, also if the weights are drawn and folded later.
func TestRandomPipeline(t *testing.T) {
	t.Parallel()
	for seed := range uint64(graphs(100)) {
		g := randomNet(seed)
		if _, err := check(g, Level(2), Options{KeepHeads: seed%2 == 0}); err != nil {
			t.Fatalf("network %d: %v", seed, err)
		}
		ir.Materialize(g, 3)
		if _, err := check(g, Pipeline{{Pass: &ConstFold}}, Options{}); err != nil {
			t.Fatalf("network %d, with data: %v", seed, err)
		}
		rep, err := Run(g, Level(2), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range rep.Steps {
			// After a merge, a layer that had several readers may have only one, so that
			// more folds are possible; or all its readers are slices.
			later := s.Step.Pass == &FoldLinear || s.Step.Pass == &FuseAct || s.Step.Pass == &ConstFold
			if s.Changed > 0 && !later && s.Step.Pass != &DropHeads && s.Step.Pass != &DCE {
				t.Errorf("network %d: %s changes %d more in a second run of -O2", seed, s.Step, s.Changed)
			}
		}
	}
}

// The passes keep their contracts on the networks of irtest, on which all backends are
// tested. Every op occurs in them.
func TestRandomOps(t *testing.T) {
	t.Parallel()
	for seed := range int64(graphs(100)) {
		g := irtest.Random(seed, irtest.Options{Side: 9, Fused: seed%2 == 0, Heads: true})
		if _, err := check(g, Level(2), Options{KeepHeads: seed%3 == 0}); err != nil {
			t.Fatalf("network %d: %v", seed, err)
		}
		if n := countType[ops.BatchNorm](g); n != 0 {
			t.Errorf("network %d: %d batch norms are left", seed, n)
		}
	}
}

func countType[T ir.Op](g *ir.Graph) (n int) {
	for _, x := range g.Nodes {
		if _, ok := x.Op.(T); ok {
			n++
		}
	}
	return n
}

// shuffled returns the passes in a random order that satisfies their constraints.
func shuffled(r *rand.Rand, ps []*Pass) Pipeline {
	for {
		var p Pipeline
		for _, i := range r.Perm(len(ps)) {
			p = append(p, Step{Pass: ps[i]})
		}
		if p.Check() == nil {
			return p
		}
	}
}

// The passes keep the function in every order that satisfies the constraints.
func TestRandomOrder(t *testing.T) {
	t.Parallel()
	var ps []*Pass
	for _, p := range All() {
		if p.Contract != Redesign {
			ps = append(ps, p)
		}
	}
	orders := map[string]bool{}
	for seed := range uint64(graphs(100)) {
		g := randomNet(seed)
		p := shuffled(rand.New(rand.NewPCG(seed, 1)), ps)
		orders[p.String()] = true
		if _, err := check(g, p, Options{KeepHeads: true}); err != nil {
			t.Fatalf("network %d, %v: %v", seed, p, err)
		}
	}
	if len(orders) < 50 {
		t.Errorf("only %d orders were tried", len(orders))
	}
}

// Check finds passes that break their contract.
func TestCheckFindsWrongPasses(t *testing.T) {
	broken := map[string]func(*Pass){
		"fold-bn as an exact pass":        func(p *Pass) { *p = FoldBN; p.Contract = Exact },
		"drop-heads that drops an output": func(p *Pass) { *p = DropHeads; p.Run = dropOutput },
		"a weight that changes":           func(p *Pass) { *p = FoldLinear; p.Run = nudge },
	}
	for name, make := range broken {
		found := false
		for seed := uint64(0); seed < 20 && !found; seed++ {
			var p Pass
			make(&p)
			g := randomNet(seed)
			table, _, err := Check(g, Pipeline{{Pass: &p}}, Options{}, CheckOptions{})
			found = err != nil || !table[0].Kept()
		}
		if !found {
			t.Errorf("Check does not find the error of %s", name)
		}
	}
}

func dropOutput(r *ir.Rewriter, o Options) error {
	r.Graph().Outputs = r.Graph().Outputs[1:]
	r.Changed++
	return nil
}

func nudge(r *ir.Rewriter, o Options) error {
	for _, v := range r.Graph().Params {
		if v.Param.Kind == ir.Weight && strings.HasSuffix(v.Name, "weight") {
			v.Name += "'" // elements are drawn by name, so this changes them
			delete(r.Graph().Data, strings.TrimSuffix(v.Name, "'"))
			r.Changed++
		}
	}
	return nil
}

// The passes keep their contracts also on networks that are rewired at random and that no
// author of a spec would write: operands are replaced by any earlier value of the same
// type, weights are shared or computed from the input, labels and outputs are at unusual
// places.
func TestRewired(t *testing.T) {
	t.Parallel()
	rewired, dynamic := 0, 0
	for seed := range uint64(graphs(100)) {
		g := randomNet(seed)
		r := rand.New(rand.NewPCG(seed, 9))
		at := map[*ir.Value]int{}
		var all []*ir.Value
		g.EachValue(func(v *ir.Value) {
			at[v] = len(all)
			all = append(all, v)
		})
		for range 1 + r.IntN(8) {
			n := g.Nodes[r.IntN(len(g.Nodes))]
			i := r.IntN(len(n.In))
			var fits []*ir.Value
			for _, v := range all[:at[n.Out[0]]] {
				if v.Type.Equal(n.In[i].Type) && v != n.In[i] {
					fits = append(fits, v)
				}
			}
			if len(fits) == 0 {
				continue
			}
			n.In[i] = fits[r.IntN(len(fits))]
			rewired++
		}
		// Make a weight depend on the image.
		n := g.Nodes[r.IntN(len(g.Nodes))]
		if l, ok := asLinear(n); ok {
			b := ir.Extend(g)
			mean := b.Do(ops.Reduce{Kind: ops.ReduceMean, Axes: "0,1,2,3"}, g.Inputs[0])
			n.In[1] = b.Do(ops.Mul{}, l.weight, mean)
			if err := errors.Join(b.Err(), ir.Sort(g)); err != nil {
				t.Fatal(err)
			}
			dynamic++
		}
		v := all[r.IntN(len(all))]
		g.Parts = append(g.Parts, ir.Part{Name: "odd", Out: v})
		if v.Def != nil {
			g.Outputs = append(g.Outputs, v)
		}
		if err := ir.Verify(g); err != nil {
			t.Fatalf("network %d: rewired: %v", seed, err)
		}
		p := Level(2)
		if seed%2 == 0 {
			p = append(Pipeline{{Pass: &Stack3x3, Args: map[string]string{"force": "on"}}, {Pass: &Factorize, Args: map[string]string{"force": "on"}}}, p...)
			clear(g.Data)
			restoreConstants(g, seed)
		}
		if _, err := check(g, p, Options{KeepHeads: true}); err != nil {
			t.Fatalf("network %d: %v", seed, err)
		}
	}
	if rewired < 200 || dynamic < 20 {
		t.Errorf("%d operands were rewired, %d weights made dynamic", rewired, dynamic)
	}
}
