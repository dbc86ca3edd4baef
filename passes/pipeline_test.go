package passes

import (
	"errors"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
)

func names(p Pipeline) string {
	var s []string
	for _, x := range p {
		s = append(s, x.Pass.Name)
	}
	return strings.Join(s, " ")
}

func TestLevels(t *testing.T) {
	for n, want := range []string{
		"drop-heads drop-dropout dce",
		"drop-heads drop-dropout dce cse fuse-act",
		"drop-heads drop-dropout dce cse trim-padding sum-channels fold-bn commute-avgpool fold-linear fuse-act merge-siblings const-fold",
	} {
		if got := names(Level(n)); got != want {
			t.Errorf("-O%d is %s, want %s", n, got, want)
		}
		if err := Level(n).Check(); err != nil {
			t.Error(err)
		}
		for _, s := range Level(n) {
			c := s.Pass.Contract
			if c == Redesign || n < 2 && c == Rounding || n < 1 && c == Exact && s.Pass != &DCE && s.Pass != &DropDropout {
				t.Errorf("-O%d has %s, which is %v", n, s.Pass.Name, c)
			}
		}
	}
	if names(Level(-1)) != names(Level(0)) || names(Level(9)) != names(Level(2)) {
		t.Error("a level below 0 is not level 0, or one above MaxLevel is not MaxLevel")
	}
}

// The order of the table satisfies all constraints, each constraint names a pass and gives
// a reason, and every pass is documented.
func TestTable(t *testing.T) {
	var p Pipeline
	seen := map[string]bool{}
	for _, x := range All() {
		p = append(p, Step{Pass: x})
		if seen[x.Name] || Lookup(x.Name) != x {
			t.Errorf("%s is not the only one of its name", x.Name)
		}
		seen[x.Name] = true
		if x.Doc == "" || x.Run == nil || strings.HasSuffix(x.Doc, ".") {
			t.Errorf("%s: doc %q", x.Name, x.Doc)
		}
		for _, c := range x.After {
			if Lookup(c.Pass) == nil || c.Why == "" {
				t.Errorf("%s must run after %q because %q", x.Name, c.Pass, c.Why)
			}
		}
	}
	if err := p.Check(); err != nil {
		t.Error(err)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"fold-bn, merge-siblings", "fold-bn,merge-siblings"},
		{"factorize", "factorize=retrain"},
		{"factorize=svd,mid=8,dce", "factorize=svd,mid=8,dce"},
		{"factorize=retrain,only=5x5,mid=out,force", "factorize=retrain,force,mid=out,only=5x5"},
		{"O0", "drop-heads,drop-dropout,dce"},
		{"O1,-dce", "drop-heads,drop-dropout,cse,fuse-act"},
		{"stack-3x3,O0", "stack-3x3,drop-heads,drop-dropout,dce"},
		{"fold-bn,fold-bn", "fold-bn,fold-bn"},
	} {
		p, err := Parse(c.text)
		if err != nil || p.String() != c.want {
			t.Errorf("Parse(%q) = %q, %v, want %q", c.text, p, err, c.want)
			continue
		}
		if again, err := Parse(p.String()); err != nil || again.String() != p.String() {
			t.Errorf("Parse(%q) = %q, %v", p, again, err)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"fold-bm", `unknown pass "fold-bm"; did you mean fold-bn?`},
		{"xyzzyplugh", "want drop-heads, drop-dropout"},
		{"factorize=svt", "want retrain, svd"},
		{"fold-bn=x", "it has no variants"},
		{"factorize,mdi=8", "did you mean mid?"},
		{"mid=8", `unknown pass "mid"`},
		{"O2,mid=8", `unknown pass "mid"`},
		{"O1=3", "O1 takes no value"},
		{"dce,-cse", "there is no cse before it in the list"},
		{"-nope", `unknown pass "nope"`},
		{"O3", `unknown pass "O3"`},
		{"merge-siblings,commute-avgpool", "merge-siblings must run after commute-avgpool: the convolution"},
		{"O2,stack-3x3", "must run after stack-3x3: a redesign"},
		{"fold-bn\x1b[31m", `"fold-bn\x1b[31m"`},
	} {
		if p, err := Parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Parse(%q) = %v, %v, want an error with %q", c.text, p, err, c.want)
		}
	}
}

// A node that a pass adds records the pass and the place in the spec that it comes from.
func TestOrigins(t *testing.T) {
	g := randomNet(4)
	line := 0
	old := map[*ir.Node]bool{}
	for _, n := range g.Nodes {
		line++
		n.Pos.File, n.Pos.Line, n.Part = "x.incc", line, "part"
		old[n] = true
	}
	if _, err := Run(g, Level(2), Options{}); err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, n := range g.Nodes {
		if !old[n] {
			made++
			if n.By == "" {
				t.Errorf("%s does not say which pass made it", n.Out[0].Name)
			}
		}
		if n.By != "" && Lookup(n.By) == nil {
			t.Errorf("%s was made by %q", n.Out[0].Name, n.By)
		}
		if !n.Pos.IsValid() || n.Part != "part" {
			t.Errorf("%s by %s comes from %v, part %q", n.Out[0].Name, n.By, n.Pos, n.Part)
		}
	}
	if made == 0 {
		t.Error("nothing was made")
	}
}

// With Train, a network keeps its batch norms, dropouts and heads, and a pass for inference
// that was asked for by name is an error.
func TestTrain(t *testing.T) {
	for seed := range uint64(40) {
		g := randomNet(seed)
		ir.Materialize(g, 1)
		table, rep, err := Check(g, Level(2), Options{Train: true}, CheckOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range table {
			if d.Compared && d.Relative() > tolerance(d.Step) {
				t.Errorf("network %d: %s changes %s by %g", seed, d.Step, d.Value, d.Relative())
			}
			if s := rep.Steps[i]; s.Step.Pass.Inference != (s.Skipped != "") {
				t.Errorf("%s is for inference: %v, skipped: %q", s.Step, s.Step.Pass.Inference, s.Skipped)
			}
		}
		for _, v := range g.Params {
			if v.Param.Kind == ir.Constant && strings.Contains(v.Name, "weight") {
				t.Errorf("network %d: %s became a constant", seed, v.Name)
			}
		}
	}
	if _, err := Run(randomNet(1), Pipeline{{Pass: &FoldBN}}, Options{Train: true}); err == nil {
		t.Error("fold-bn, asked for by name, runs on a network that will be trained")
	}
}

// Options.After and Options.Log are called for every step in order. An error of After ends
// the run.
func TestHooks(t *testing.T) {
	var steps []string
	stop := errors.New("stop")
	o := Options{After: func(s Step, g *ir.Graph) error {
		steps = append(steps, s.String())
		if err := ir.Verify(g); err != nil {
			t.Error(err)
		}
		if len(steps) == 3 {
			return stop
		}
		return nil
	}}
	rep, err := Run(randomNet(2), Level(2), o)
	if !errors.Is(err, stop) || len(rep.Steps) != 3 || strings.Join(steps, ",") != Level(2)[:3].String() {
		t.Errorf("steps %v, report of %d, error %v", steps, len(rep.Steps), err)
	}
}

// If a pass breaks the graph, the error names the pass.
func TestVerifiesAfterEveryPass(t *testing.T) {
	p := Pass{Name: "breaks", Contract: Exact, Run: func(r *ir.Rewriter, o Options) error {
		n := r.Graph().Nodes[0]
		n.Out[0].Type.Shape = append(ir.Shape{7}, n.Out[0].Type.Shape...)
		return nil
	}}
	if _, err := Run(randomNet(1), Pipeline{{Pass: &p}}, Options{}); err == nil || !strings.Contains(err.Error(), "pass breaks: ") || !errors.Is(err, ir.ErrGraph) {
		t.Errorf("error %v", err)
	}
}

// With Work{Copies: true}, passes merge and move fewer convolutions than with Work{}.
func TestCostDecides(t *testing.T) {
	rewrites := func(c CostModel) (n int) {
		for seed := range uint64(60) {
			rep, err := Run(randomNet(seed), Level(2), Options{Cost: c})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range rep.Steps {
				if s.Step.Pass == &MergeSiblings || s.Step.Pass == &CommuteAvgPool {
					n += s.Changed
				}
			}
		}
		return n
	}
	views, copies := rewrites(Work{}), rewrites(Work{Copies: true})
	if copies >= views {
		t.Errorf("%d rewrites where slices are copied, %d where they are views", copies, views)
	}
}

// If merge-siblings is asked for by name, it merges even if slices are copied.
func TestMergeByName(t *testing.T) {
	byName, err := Parse("merge-siblings")
	if err != nil {
		t.Fatal(err)
	}
	count := func(p Pipeline, c CostModel) (n int) {
		for seed := range uint64(60) {
			rep, err := Run(randomNet(seed), p, Options{Cost: c})
			if err != nil {
				t.Fatal(err)
			}
			n += rep.Steps[0].Changed
		}
		return n
	}
	leveled := Pipeline{{Pass: &MergeSiblings, level: true}}
	if a, b, c := count(byName, Work{Copies: true}), count(byName, Work{}), count(leveled, Work{Copies: true}); a != b || a <= c {
		t.Errorf("%d merges by name, %d where slices are views, %d as part of a level", a, b, c)
	}
}

func TestWriteDifferences(t *testing.T) {
	var b strings.Builder
	err := WriteDifferences(&b, []Difference{
		{Step: Step{Pass: &FoldBN}, Changed: 2, Compared: true, Value: "y", Max: 1e-7, Scale: 2},
		{Step: Step{Pass: &FuseAct}, Changed: 1, Compared: true, Value: "y", Max: 1, Scale: 2},
		{Step: Step{Pass: &Stack3x3}, Changed: 1},
		{Step: Step{Pass: &CSE}},
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := `pass       contract  rewrites  largest difference  relative  value
---------  --------  --------  ------------------  --------  ---------
fold-bn    rounding         2               1e-07     5e-08  y
fuse-act   exact            1                   1       0.5  y  BROKEN
stack-3x3  redesign         1    another function
cse        exact            0
`
	var got strings.Builder
	for line := range strings.Lines(b.String()) {
		got.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}
