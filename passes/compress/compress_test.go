package compress_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/compress"
	"github.com/incc-lang/incc/specs/spectest"
)

const net = `net n
input image 3x12x11
a: conv 3x3 8 pad=1 act=relu
b: conv 5x5/2 6 pad=2,1,1,2 bn=0.001 act=relu
c: conv 3x5 12 bias=off pad=same
i: inception 4 4 6 4 4 4
d: conv 1x1 9 act=tanh
top: maxpool 2x2/2 -> fc 20 act=tanh -> dropout 0.5 -> fc 4
`

// built returns a network whose weights and statistics are random.
func built(t *testing.T, text string) *ir.Graph {
	t.Helper()
	g := spectest.Build(t, "n.incc", text)
	ir.Materialize(g, 1)
	r := rand.New(rand.NewPCG(3, 3))
	for _, v := range g.Params {
		for i := range g.Data[v.Name].Data {
			if len(v.Type.Shape) == 1 {
				g.Data[v.Name].Data[i] = float32(0.5 + r.Float64()) // also variances
			}
		}
	}
	return g
}

func outputs(t *testing.T, g *ir.Graph) *tensor.Tensor {
	t.Helper()
	x := tensor.New(append([]int{2}, g.Inputs[0].Type.Shape[1:]...)...)
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

// TestOptions: each option of each layer can be applied, has the multiply-accumulates that it says,
// and changes the outputs more where it says that its error is larger; at full rank it changes
// nothing.
func TestOptions(t *testing.T) {
	g := built(t, net)
	want := outputs(t, g)
	methods := map[compress.Method]int{}
	cache := &compress.Cache{}
	for _, l := range compress.Layers(g) {
		list, err := l.Options(4, nil)
		if err != nil {
			t.Fatal(err)
		}
		one, err := l.Alone()
		if err != nil {
			t.Fatal(err)
		}
		if got := ir.Summarize(one).MACs; got != l.MACs() {
			t.Errorf("%s has %d MACs, it says %d", l.Name, got, l.MACs())
		}
		for _, o := range list {
			methods[o.Method]++
			part, err := compress.Apply(one, []compress.Change{o.Change}, nil, cache)
			if err != nil {
				t.Fatal(err)
			}
			if got := ir.Summarize(part).MACs; got != o.MACs || got >= l.MACs() {
				t.Errorf("%s has %d MACs, it says %d of %d", o, got, o.MACs, l.MACs())
			}
			h, err := compress.Apply(g, []compress.Change{o.Change}, nil, cache)
			if err != nil {
				t.Fatal(err)
			}
			if diff, scale := tensor.MaxDiff(outputs(t, h), want); o.Error > 0.1 && diff < 1e-6*scale {
				t.Errorf("%s changes nothing, but its error is %g", o, o.Error)
			}
		}
	}
	for _, m := range []compress.Method{compress.Pair, compress.Tucker, compress.LowRank} {
		if methods[m] < 3 {
			t.Errorf("only %d options are %s", methods[m], m)
		}
	}
}

// TestFullRank: at full rank every method computes the same function.
func TestFullRank(t *testing.T) {
	g := built(t, net)
	want := outputs(t, g)
	for _, l := range compress.Layers(g) {
		for _, c := range []compress.Change{{l.Name, compress.Pair, [2]int{999}}, {l.Name, compress.Tucker, [2]int{999, 999}}, {l.Name, compress.LowRank, [2]int{999}}} {
			h, err := compress.Apply(g, []compress.Change{c}, nil, nil)
			one := l.Node().In[1].Type.Shape
			square := len(one) < 4 || one[2]*one[3] == 1
			if (c.Method == compress.LowRank) != square {
				if c.Method == compress.LowRank && err == nil {
					t.Errorf("%s is possible", c)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff, scale := tensor.MaxDiff(outputs(t, h), want); !(diff <= 1e-5*scale) {
				t.Errorf("%s changes the outputs by %g of %g", c, diff, scale)
			}
		}
	}
}

// TestLowRankWeights: weights of a low rank are reproduced at that rank by all methods.
func TestLowRankWeights(t *testing.T) {
	g := built(t, "net n\ninput image 6x7x7\na: conv 3x3 8 pad=same\nb: conv 1x1 10\ntop: gap -> fc 6\n")
	r := rand.New(rand.NewPCG(2, 2))
	for _, v := range g.Params {
		s := v.Type.Shape
		if len(s) < 2 {
			continue
		}
		d := g.Data[v.Name]
		clear(d.Data)
		inner := s.Size() / s[0] / s[1]
		for range 2 { // each term is a product over o, over c, and over i and j apart
			f := make([][]float64, 2)
			for i := range f {
				f[i] = make([]float64, s[i])
				for k := range f[i] {
					f[i][k] = r.NormFloat64()
				}
			}
			rows, cols := [3]float64{r.NormFloat64(), 1, r.NormFloat64()}, [3]float64{1, r.NormFloat64(), r.NormFloat64()}
			for i := range d.Data {
				k := i % inner
				d.Data[i] += float32(f[0][i/inner/s[1]] * f[1][i/inner%s[1]] * rows[k/3%3] * cols[k%3])
			}
		}
	}
	want := outputs(t, g)
	for _, l := range compress.Layers(g) {
		c := []compress.Change{{l.Name, compress.LowRank, [2]int{2}}}
		if l.Node().In[1].Type.Shape.Size() == 8*6*9 {
			c = []compress.Change{{l.Name, compress.Pair, [2]int{2}}, {l.Name, compress.Tucker, [2]int{2, 2}}}
		}
		for _, c := range c {
			h, err := compress.Apply(g, []compress.Change{c}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff, scale := tensor.MaxDiff(outputs(t, h), want); !(diff <= 1e-5*scale) {
				t.Errorf("%s changes the outputs by %g of %g", c, diff, scale)
			}
		}
	}
}

// squares measures what Scores needs with the reference interpreter.
func squares(t *testing.T, g *ir.Graph, readers []compress.Reader) [][]float64 {
	t.Helper()
	x := tensor.New(append([]int{3}, g.Inputs[0].Type.Shape[1:]...)...)
	r := rand.New(rand.NewPCG(7, 7))
	for i := range x.Data {
		x.Data[i] = r.NormFloat64()
	}
	var all [][]float64
	for _, rd := range readers {
		res, err := ref.Run(g, []*tensor.Tensor{x}, ref.Options{Keep: []*ir.Value{rd.Value}})
		if err != nil {
			t.Fatal(err)
		}
		v := res[rd.Value]
		sq := make([]float64, v.Shape[1])
		per := len(v.Data) / v.Shape[0] / v.Shape[1]
		for i, x := range v.Data {
			sq[i/per%v.Shape[1]] += x * x / float64(v.Shape[0]*per)
		}
		all = append(all, sq)
	}
	return all
}

// TestPruneDead: channels that are always 0, or whose readers have weights of 0, can go without a
// change of the outputs, through batch norm, pools, concat, dropout and flatten.
func TestPruneDead(t *testing.T) {
	g := built(t, net)
	kill := func(name string, axis, channel, n int) {
		d := g.Data[name]
		if d == nil {
			t.Fatalf("there is no weight %s", name)
		}
		inner := len(d.Data)
		for _, s := range d.Shape[:axis+1] {
			inner /= s
		}
		for i := range d.Data {
			if c := i / inner % d.Shape[axis]; c >= channel && c < channel+n {
				d.Data[i] = 0
			}
		}
	}
	kill("a/conv_3x3/weight", 0, 2, 1)
	kill("a/conv_3x3/bias", 0, 2, 1)
	kill("a/conv_3x3/weight", 0, 7, 1)
	kill("a/conv_3x3/bias", 0, 7, 1)
	kill("b/conv_5x5/weight", 0, 5, 1)
	kill("b/conv_5x5/beta", 0, 5, 1)
	kill("b/conv_5x5/mean", 0, 5, 1)
	kill("i/inception/b3/conv_3x3/weight", 0, 1, 1)
	kill("i/inception/b3/conv_3x3/bias", 0, 1, 1)
	kill("top/fc/weight", 1, 3*6, 6) // what becomes of channel 3 of d
	want := outputs(t, g)
	dead := map[string][]int{"a/conv_3x3": {2, 7}, "b/conv_5x5": {5}, "i/inception/b3/conv_3x3": {1}, "d/conv_1x1": {3}}
	var all []compress.Change
	scores := map[string][]float64{}
	for _, l := range compress.Layers(g) {
		readers := l.Readers()
		if readers == nil {
			continue
		}
		s := l.Scores(readers, squares(t, g, readers))
		scores[l.Name] = s
		gone := dead[l.Name]
		for i, x := range s {
			if (x == 0) != slices.Contains(gone, i) {
				t.Errorf("%s: channel %d has score %g", l.Name, i, x)
			}
		}
		if gone == nil {
			continue
		}
		delete(dead, l.Name)
		found := false
		for _, o := range l.Prunings(s, readers, 4) {
			if o.Rank[0] == len(s)-len(gone) {
				all, found = append(all, o.Change), o.Error == 0
			}
		}
		if !found {
			t.Errorf("%s: removing the dead channels is no option, or has an error", l.Name)
		}
	}
	if len(dead) > 0 {
		t.Fatalf("not found: %v", dead)
	}
	for i := range all {
		for _, list := range [][]compress.Change{all[i : i+1], all} {
			h, err := compress.Apply(g, list, scores, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff, scale := tensor.MaxDiff(outputs(t, h), want); !(diff <= 1e-12*scale) {
				t.Errorf("%v changes the outputs by %g of %g", list, diff, scale)
			}
			if ir.Summarize(h).MACs >= ir.Summarize(g).MACs {
				t.Errorf("%v removes nothing", list)
			}
		}
	}
}

// TestPruneMACs: a pruning has the multiply-accumulates that it says.
func TestPruneMACs(t *testing.T) {
	g := built(t, net)
	whole := ir.Summarize(g).MACs
	n := 0
	for _, l := range compress.Layers(g) {
		readers := l.Readers()
		if readers == nil {
			continue
		}
		s := l.Scores(readers, squares(t, g, readers))
		before := l.MACs()
		for _, p := range l.Prunings(s, readers, 4) {
			h, err := compress.Apply(g, []compress.Change{p.Change}, map[string][]float64{l.Name: s}, nil)
			if err != nil {
				t.Fatal(err)
			}
			parts, err := l.Parts(readers, len(s))
			if err != nil {
				t.Fatal(err)
			}
			base := int64(0)
			for _, x := range parts {
				base += ir.Summarize(x).MACs
			}
			if got := ir.Summarize(h).MACs; whole-got != base-p.MACs || base < before {
				t.Errorf("%s saves %d MACs, it says %d", p, whole-got, base-p.MACs)
			}
			n++
		}
	}
	if n < 10 {
		t.Errorf("only %d prunings", n)
	}
}

// TestPruneRefused: outputs of the network and of sums keep their channels.
func TestPruneRefused(t *testing.T) {
	g := built(t, "net n\ninput image 4x7x7\na: conv 3x3 8 pad=same\nb: residual { conv 3x3 8 pad=same }\nout: conv 1x1 5\n")
	for _, l := range compress.Layers(g) {
		if l.Readers() != nil {
			t.Errorf("the channels of %s can be removed", l.Name)
		}
	}
	if _, err := compress.Apply(g, []compress.Change{{"out/conv_1x1", compress.Prune, [2]int{2}}}, nil, nil); err == nil {
		t.Error("pruning the output is no error")
	}
	if _, err := compress.Apply(g, []compress.Change{{"none", compress.Pair, [2]int{2}}}, nil, nil); err == nil {
		t.Error("changing a layer that does not exist is no error")
	}
}

// TestMergeLinear: a redundant 1x1 convolution becomes part of its neighbour.
func TestMergeLinear(t *testing.T) {
	g := built(t, "net n\ninput image 4x7x7\na: conv 3x3 8 pad=same -> conv 1x1 6 act=relu\nb: conv 1x1 8 act=relu -> gap -> fc 5\n")
	want := outputs(t, g)
	n, err := compress.MergeLinear(g)
	if err != nil || n != 1 {
		t.Fatalf("%d layers are gone, want 1: %v", n, err)
	}
	if diff, scale := tensor.MaxDiff(outputs(t, g), want); !(diff <= 1e-6*scale) {
		t.Errorf("the outputs change by %g of %g", diff, scale)
	}
	if len(compress.Layers(g)) != 3 {
		t.Errorf("%d layers can be changed, want 3", len(compress.Layers(g)))
	}
}

// TestPath: after each step there is no choice for all units with less loss that costs no more, as far
// as an exhaustive search finds and the gap of the greedy solution allows: on convex choices none.
func TestPath(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for range 50 {
		units := 1 + r.IntN(4)
		cost := make([]float64, units)
		choices := make([][]compress.Price, units)
		for u := range units {
			cost[u] = 100
			at, loss, slope := 100.0, 0.0, 0.0
			for range r.IntN(4) {
				d := 5 + 20*r.Float64()
				slope += 0.1 + r.Float64()
				at, loss = at-d, loss+d*slope
				choices[u] = append(choices[u], compress.Price{Cost: at, Loss: loss})
			}
			choices[u] = append(choices[u], compress.Price{Cost: 120, Loss: 0}, compress.Price{Cost: 99.9, Loss: 1e9})
			r.Shuffle(len(choices[u]), func(i, j int) { choices[u][i], choices[u][j] = choices[u][j], choices[u][i] })
		}
		now := slices.Repeat([]int{-1}, units)
		for _, s := range compress.Path(cost, choices) {
			now[s.Unit] = s.Choice
			c, l := total(cost, choices, now)
			if best := search(cost, choices, nil, c); best < l-1e-9 {
				t.Fatalf("after a step the loss is %g at a cost of %g; %g is possible", l, c, best)
			}
		}
	}
}

func total(cost []float64, choices [][]compress.Price, now []int) (c, l float64) {
	for u, i := range now {
		if i < 0 {
			c += cost[u]
		} else {
			c, l = c+choices[u][i].Cost, l+choices[u][i].Loss
		}
	}
	return c, l
}

// search tries all choices and returns the least loss at a cost of at most most.
func search(cost []float64, choices [][]compress.Price, now []int, most float64) float64 {
	if len(now) == len(cost) {
		if c, l := total(cost, choices, now); c <= most+1e-9 {
			return l
		}
		return math.Inf(1)
	}
	best := math.Inf(1)
	for i := -1; i < len(choices[len(now)]); i++ {
		best = min(best, search(cost, choices, append(slices.Clone(now), i), most))
	}
	return best
}
