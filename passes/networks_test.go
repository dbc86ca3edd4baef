package passes_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/cputime"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs/spectest"
)

func run(t testing.TB, g *ir.Graph, text string, o passes.Options) *passes.Report {
	t.Helper()
	p, err := passes.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := passes.Run(g, p, o)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// count returns the number of nodes with an op of a type, among the nodes that depend on
// the input.
func count[T ir.Op](g *ir.Graph) int {
	live := map[*ir.Value]bool{}
	for _, v := range g.Inputs {
		live[v] = true
	}
	n := 0
	for _, x := range g.Nodes {
		for _, v := range x.In {
			live[x.Out[0]] = live[x.Out[0]] || live[v]
		}
		for _, v := range x.Out {
			live[v] = live[x.Out[0]]
		}
		if _, ok := x.Op.(T); ok && live[x.Out[0]] {
			n++
		}
	}
	return n
}

// The passes change the structure of the large networks as expected.
func TestCounts(t *testing.T) {
	for _, c := range []struct {
		net, passes      string
		before, after    int // convolutions
		bn, act, dropout int // after the passes
	}{
		// Nine modules, each with three parallel 1x1 convolutions.
		{"googlenet", "drop-heads,merge-siblings", 59, 39, 0, 57, 1},
		{"googlenet", "O2", 59, 39, 0, 0, 0},
		{"googlenet_bn", "O2", 59, 39, 0, 0, 0},
		// Parallel 1x1 convolutions: four, with the projection, in seven modules, three in
		// one, two in two. In a module with a projection, the four activations follow the
		// slices.
		{"inception_v2", "O2", 69, 44, 0, 28, 0},
		{"inception_v3", "drop-heads,merge-siblings", 96, 75, 94, 94, 1},
		{"inception_v3", "drop-heads,fold-bn,commute-avgpool,merge-siblings", 96, 66, 0, 94, 1},
		{"inception_v3", "O2", 96, 66, 0, 36, 0},
		// Parallel 1x1 convolutions: four in fourteen modules, two in reduction B and in the
		// stem.
		{"inception_v4", "O2", 149, 105, 0, 56, 0},
		// Parallel 1x1 convolutions: three in five modules, two in fifteen, three in
		// reduction B. An activation follows each of the twenty sums.
		{"inception_resnet_v1", "O2", 127, 100, 0, 20, 0},
		// Parallel 1x1 convolutions: four in 5b, three in ten modules, two in thirty, three
		// in 7a. The last of the forty sums has no activation.
		{"inception_resnet_v2", "O2", 244, 189, 0, 43, 0},
		{"vgg16", "O2", 13, 13, 0, 0, 0},
		{"nin_cifar10", "O2", 9, 9, 0, 0, 0},
	} {
		g := spectest.Load(t, c.net)
		if n := count[ops.Conv](g); n != c.before {
			t.Errorf("%s has %d convolutions, want %d", c.net, n, c.before)
		}
		run(t, g, c.passes, passes.Options{})
		acts := count[ops.ReLU](g) + count[ops.Sigmoid](g) + count[ops.Tanh](g)
		got := [4]int{count[ops.Conv](g), count[ops.BatchNorm](g), acts, count[ops.Dropout](g)}
		if want := [4]int{c.after, c.bn, c.act, c.dropout}; got != want {
			t.Errorf("%s, %s: convolutions, batch norms, activations, dropouts are %d, want %d", c.net, c.passes, got, want)
		}
	}
}

// The factorization of GoogLeNet gives the expected table and the modules of the paper.
func TestFactorizationTable(t *testing.T) {
	for _, c := range []struct {
		passes       string
		params, macs int64
	}{
		{"drop-heads", 6998552, 1582671872},
		{"drop-heads,factorize=retrain,mid=out,only=3x3+5x5,force", 6880984, 1625221120},
		{"drop-heads,factorize=retrain,mid=in,only=3x3+5x5,force", 5026712, 1002273536},
		{"drop-heads,factorize=retrain,mid=out,only=5x5,force", 6893064, 1555827712},
		{"drop-heads,factorize=retrain,mid=in,only=5x5,force", 6562968, 1486522112},
		{"drop-heads,stack-3x3,mid=out,force", 7284232, 1639721984},
	} {
		g := spectest.Load(t, "googlenet")
		before := ir.Summarize(g)
		rep := run(t, g, c.passes, passes.Options{})
		s := ir.Summarize(g)
		if s.Params != c.params || s.MACs != c.macs {
			t.Errorf("%s: %d params, %d MACs, want %d, %d", c.passes, s.Params, s.MACs, c.params, c.macs)
		}
		params, macs := before.Params, before.MACs
		for _, d := range rep.Decisions() {
			if !d.Done {
				continue
			}
			params += d.Params[1] - d.Params[0]
			macs += d.MACs[1] - d.MACs[0]
		}
		if params != s.Params || macs != s.MACs {
			t.Errorf("%s: the decisions add up to %d params, %d MACs; the network has %d, %d", c.passes, params, macs, s.Params, s.MACs)
		}
	}
}

func narrow(module string) string {
	return fmt.Sprintf("net narrow\ninput image 16x14x14\ndefault pad=same\ndefault conv act=relu\nm: %s\n", module)
}

const (
	narrowV1 = `concat {
  conv 1x1 4
  conv 1x1 4 -> conv 3x3 4
  conv 1x1 4 -> conv 5x5 4
  maxpool 3x3/1 -> conv 1x1 4
}`
	narrowV2 = `concat {
  conv 1x1 4
  conv 1x1 4 -> conv 3x3 4
  conv 1x1 4 -> conv 3x3 4 -> conv 3x3 4
  maxpool 3x3/1 -> conv 1x1 4
}`
	narrowV3 = `concat {
  conv 1x1 4
  conv 1x1 4 -> conv 3x1 4 -> conv 1x3 4
  conv 1x1 4 -> conv 5x1 4 -> conv 1x5 4
  maxpool 3x3/1 -> conv 1x1 4
}`
)

// signature returns the params and the ops of a graph, without names, as text.
func signature(g *ir.Graph) (s []string) {
	for _, n := range g.Nodes {
		line := ir.FormatOp(n.Op)
		for _, v := range n.In {
			if v.Param != nil {
				line += fmt.Sprintf(" %v %v %v lr=%g decay=%g", v.Type, v.Param.Kind, v.Param.Init, v.Param.LR, v.Param.Decay)
			}
		}
		s = append(s, line)
	}
	return s
}

// The redesigns turn the narrow module v1 into v2 and v3, with exactly their params.
func TestNarrowModules(t *testing.T) {
	for _, c := range []struct {
		passes, want string
		params       int64
	}{
		{"dce", narrowV1, 824},
		{"stack-3x3", narrowV2, 716},
		{"factorize=retrain", narrowV3, 544},
	} {
		g := spectest.Build(t, "v1.incc", narrow(narrowV1))
		run(t, g, c.passes, passes.Options{})
		if n := ir.Summarize(g).Params; n != c.params {
			t.Errorf("%s gives %d params, want %d", c.passes, n, c.params)
		}
		got, want := signature(g), signature(spectest.Build(t, "want.incc", narrow(c.want)))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s gives\n%q\nwant\n%q", c.passes, got, want)
		}
	}
}

// The whole pipeline for a large network without weights takes a very short time.
func TestPipelineIsFast(t *testing.T) {
	g := spectest.Load(t, "inception_v4")
	best := time.Hour
	for range 5 {
		c := g.Clone()
		since := cputime.Start()
		if _, err := passes.Run(c, passes.Level(2), passes.Options{}); err != nil {
			t.Fatal(err)
		}
		best = min(best, since())
	}
	t.Log(best)
	if best > 90*time.Millisecond {
		t.Errorf("the passes of -O2 take %v on inception_v4", best)
	}
}

func BenchmarkPipeline(b *testing.B) {
	for _, name := range []string{"googlenet", "inception_v4"} {
		b.Run(name, func(b *testing.B) {
			g := spectest.Load(b, name)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := passes.Run(g.Clone(), passes.Level(2), passes.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
