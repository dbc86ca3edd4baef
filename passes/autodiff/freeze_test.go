package autodiff

import (
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
)

// Gradients of a network with frozen parts are those of central differences, also where
// a frozen batch norm lies between the loss and weights that are trained.
func TestFrozenGradients(t *testing.T) {
	for _, c := range []struct {
		network string
		freeze  []string
	}{
		{"nin", []string{"conv1", "cccp1", "cccp2"}},
		{"nin", []string{"cccp4", "conv2"}},
		{"googlenet", []string{"conv1", "3a"}},
		{"googlenet", []string{"head1", "3b/5x5r"}},
		{"bn_inception", []string{"1x1", "3x3", "d3x3b/bn", "7x1/bn"}},
		{"residual", []string{"stem", "r0", "r1/1x1", "r2/1x1/bn"}},
	} {
		g := networks[c.network](irtest.NewNet(c.network, 5))
		if n, err := numeric(g, Options{Smoothing: 0.1, Seed: 3, Freeze: c.freeze}, 1, 12, nil); err != nil || n < 15 {
			t.Errorf("%s without %v: %d compared: %v", c.network, c.freeze, n, err)
		}
	}
}

// Nothing is computed backwards below the last part that is trained; frozen params have
// no update, no slot and no average.
func TestFrozenPartsHaveNoBackwardPass(t *testing.T) {
	opt := Options{Optimizer: &recipe.Optimizer{Kind: "adam", Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 0.1}, Regular: recipe.Regularize{L2: 0.1, MaxNorm: 1},
		Average: recipe.Average{Kind: "ema", Decay: 0.9}, Norm: true}
	for _, c := range []struct {
		network string
		freeze  []string
		below   []string // have no backward pass, and neither have the frozen parts
	}{
		{"googlenet", []string{"conv1", "3a", "3b", "head1", "head2"}, []string{"lrn", "gap", "drop"}},
		{"googlenet", []string{"conv1", "3a", "head1"}, []string{"lrn"}},
		{"bn_inception", []string{"1x1", "3x3r", "3x3", "d3x3r", "d3x3a", "d3x3b", "proj", "1x7", "7x1"}, []string{"concat", "concat2", "max", "pool", "gap"}},
	} {
		opt.Freeze = c.freeze
		tr, err := Train(networks[c.network](irtest.NewNet(c.network, 5)), opt)
		if err != nil {
			t.Fatal(err)
		}
		forward := tr.ownPass()
		names := slices.Concat(c.freeze, c.below)
		for _, n := range tr.Graph.Nodes {
			if name := n.Out[0].Name; !forward[n] && ir.UnderAny(name, names) {
				t.Errorf("%s without %v: %s (%s) is computed", c.network, c.freeze, name, ir.Name(n.Op))
			}
			if _, ok := n.Op.(ops.BatchNormTrain); ok && ir.UnderAny(n.Out[0].Name, c.freeze) {
				t.Errorf("%s: %s takes the statistics of the batch", c.network, n.Out[0].Name)
			}
		}
		for _, u := range tr.Graph.Updates {
			if ir.UnderAny(u.Param.Name, c.freeze) {
				t.Errorf("%s: %s is updated", c.network, u.Param.Name)
			}
		}
		for _, p := range tr.Graph.Params {
			if p.Param.Kind == ir.State && ir.UnderAny(p.Name, c.freeze) && !strings.HasSuffix(p.Name, "/mean") && !strings.HasSuffix(p.Name, "/variance") {
				t.Errorf("%s: there is a param %s", c.network, p.Name)
			}
		}
	}
}

// A head whose weights are frozen is a loss as long as it leads to trained weights.
func TestFrozenHeads(t *testing.T) {
	for _, c := range []struct {
		freeze []string
		losses int
	}{
		{nil, 3},
		{[]string{"head1", "head2"}, 3},
		{[]string{"conv1", "3a", "head1"}, 2},
		{[]string{"conv1", "3a"}, 3},
		{[]string{"conv1", "3a", "3b", "head1", "head2"}, 1},
	} {
		tr, err := Train(networks["googlenet"](irtest.NewNet("googlenet", 5)), Options{Freeze: c.freeze})
		if err != nil || len(tr.Losses) != c.losses {
			t.Errorf("%v: %v, %v", c.freeze, tr, err)
		}
	}
}

func TestFreezeAll(t *testing.T) {
	g := networks["nin"](irtest.NewNet("nin", 5))
	if _, err := Train(g, Options{Freeze: []string{"conv1", "cccp1", "cccp2", "conv2", "cccp4"}}); err == nil || !strings.Contains(err.Error(), "freeze fewer parts") {
		t.Error(err)
	}
}

// Rates multiply: of a part, of parts around it, and of the weight itself.
func TestRates(t *testing.T) {
	g := networks["googlenet"](irtest.NewNet("googlenet", 5))
	g.Value("3a/1x1/weight").Param.LR = 2
	tr, err := Train(g, Options{Optimizer: &recipe.Optimizer{Kind: "sgd"}, Rates: []recipe.Rate{{Parts: []string{"3a", "conv1"}, By: 0.5}, {Parts: []string{"3a/1x1"}, By: 0.25}, {Parts: []string{"fc"}, By: 0}}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"3a/1x1/weight": 0.25, "3a/1x1/bias": 0.125, "3a/3x3/weight": 0.5, "conv1/weight": 0.5, "3b/1x1/weight": 1, "fc/bias": 0}
	for _, n := range tr.Graph.Nodes {
		if op, ok := n.Op.(ops.SGD); ok {
			if w, ok := want[n.In[0].Name]; ok && op.LR != w {
				t.Errorf("%s is trained at %g, want %g", n.In[0].Name, op.LR, w)
			}
			delete(want, n.In[0].Name)
		}
	}
	if len(want) > 0 {
		t.Errorf("not seen: %v", want)
	}
}

// Where nothing would be trained, Train says so.
func TestNothingToTrain(t *testing.T) {
	g := networks["nin"](irtest.NewNet("nin", 5))
	all := g.PartNames()
	sgd := &recipe.Optimizer{Kind: "sgd"}
	for name, c := range map[string]struct {
		opt  Options
		want string // of the error, "" for none
	}{
		"frozen":            {Options{Optimizer: sgd, Freeze: all}, "all weights before the output are frozen"},
		"rate 0":            {Options{Optimizer: sgd, Rates: []recipe.Rate{{Parts: all}}}, "the factor on the learning rate is 0 for all weights"},
		"frozen and rate 0": {Options{Optimizer: sgd, Freeze: all[1:], Rates: []recipe.Rate{{Parts: all[:1]}}}, "the factor on the learning rate is 0 for all weights"},
		"rate 0 but one":    {Options{Optimizer: sgd, Rates: []recipe.Rate{{Parts: all[1:]}}}, ""},
		"frozen but one":    {Options{Optimizer: sgd, Freeze: all[1:]}, ""},
		"only gradients":    {Options{Rates: []recipe.Rate{{Parts: all}}}, ""},
	} {
		_, err := Train(g, c.opt)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
