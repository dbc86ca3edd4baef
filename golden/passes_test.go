package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes"
)

// TestPasses rewrites before.incc of every file in passes/ by the passes that its
// comment names ("passes: fold-bn") and compares with after.incc. Both are in the
// flat form. decisions.txt has what the passes report about their decisions.
//
// The test also checks that the numbers change only as the contracts of the passes allow.
func TestPasses(t *testing.T) {
	files, err := filepath.Glob("passes/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := pipelineOf(t, a)
			for _, s := range p {
				shown[s.Pass.Name] = true
			}
			before := flat(t, a, "before.incc")
			g := before.Clone()
			table, rep, err := passes.Check(g, p, passes.Options{}, passes.CheckOptions{Seed: 1, Batch: 2})
			if err != nil {
				t.Fatal(err)
			}
			changed := 0
			for _, d := range table {
				changed += d.Changed
				if !d.Kept() {
					t.Errorf("%s changes %s by %g of %g", d.Step, d.Value, d.Max, d.Scale)
				}
			}
			after := string(dsl.Print(g))
			var decisions strings.Builder
			if ds := rep.Decisions(); len(ds) > 0 {
				if err := passes.WriteDecisions(&decisions, ds, 0); err != nil {
					t.Fatal(err)
				}
			}
			if *update {
				a.Files = []txtar.File{{Name: "before.incc", Data: dsl.Print(before)}, {Name: "after.incc", Data: []byte(after)}}
				if decisions.Len() > 0 {
					a.Files = append(a.Files, txtar.File{Name: "decisions.txt", Data: []byte(decisions.String())})
				}
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := text(a, "after.incc"); after != want {
				t.Errorf("after.incc is\n%s\nwant\n%s", after, want)
			}
			if want := text(a, "decisions.txt"); decisions.String() != want {
				t.Errorf("decisions.txt is\n%s\nwant\n%s", decisions.String(), want)
			}
			if string(dsl.Print(before)) != text(a, "before.incc") {
				t.Error("before.incc is not laid out as the flat form is printed; run with -update")
			}
			if again := flat(t, a, "after.incc"); string(dsl.Print(again)) != after {
				t.Error("after.incc does not read back to itself")
			}
			if refuses := strings.Contains(string(a.Comment), "refuse"); refuses == (changed > 0) {
				t.Errorf("%d rewrites, and the comment says refuse: %v", changed, refuses)
			}
		})
	}
	for _, p := range passes.All() {
		if !shown[p.Name] {
			t.Errorf("no golden shows %s", p.Name)
		}
	}
}

func pipelineOf(t *testing.T, a *txtar.Archive) passes.Pipeline {
	for line := range strings.Lines(string(a.Comment)) {
		if names, ok := strings.CutPrefix(line, "passes: "); ok {
			p, err := passes.Parse(strings.TrimSpace(names))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	t.Fatal("the comment has no line \"passes: …\"")
	return nil
}

func text(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func flat(t *testing.T, a *txtar.Archive, name string) *ir.Graph {
	t.Helper()
	g, problems := dsl.Load(name, []byte(text(a, name)), dsl.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return g
}
