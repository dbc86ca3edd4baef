package golden

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs"
	"github.com/incc-lang/incc/specs/spectest"
)

// smallGraph is how many nodes a network may have for its golden to hold the
// whole text; of larger ones a diff would be read by nobody.
const smallGraph = 60

// TestGoldenSpecs pins what each built-in network becomes: for small ones the
// graph and the nodes of the model in full, for all the counts, how often each op
// occurs before and after the passes, and the hash of the model's message
// without its weights.
func TestGoldenSpecs(t *testing.T) {
	for _, name := range specs.Names() {
		t.Run(name, func(t *testing.T) {
			g := spectest.Load(t, name)
			a := &txtar.Archive{Comment: []byte("Written by go test ./golden -update.\n")}
			add := func(name, text string) {
				a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
			}
			add("summary", summaryText(g))
			add("ops", histogram(g))
			o2 := g.Clone()
			rep, err := passes.Run(o2, passes.Level(2), passes.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, s := range rep.Steps {
				fmt.Fprintf(&b, "%-16s %d changes, %d nodes\n", s.Step, s.Changed, s.Nodes[1])
			}
			add("passes -O2", b.String())
			add("ops -O2", histogram(o2))
			m, err := onnx.Backend{Version: "golden", Heads: true}.Model(withZeroWeights(g.Clone())) // the message holds no weights
			if err != nil {
				t.Fatal(err)
			}
			msg, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.Proto)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(msg)
			add("onnx sha256", hex.EncodeToString(sum[:])+"\n")
			if len(g.Nodes) <= smallGraph {
				add("graph", string(dsl.Print(g)))
				var n bytes.Buffer
				for _, x := range m.Proto.Graph.Node {
					fmt.Fprintf(&n, "%s = %s(%s)", strings.Join(x.Output, ", "), x.OpType, strings.Join(x.Input, ", "))
					for _, at := range x.Attribute {
						fmt.Fprintf(&n, " %s=", at.Name)
						switch {
						case len(at.Ints) > 0:
							fmt.Fprint(&n, at.Ints)
						case at.S != nil:
							fmt.Fprintf(&n, "%q", at.S)
						case at.F != 0:
							fmt.Fprint(&n, at.F)
						default:
							fmt.Fprint(&n, at.I)
						}
					}
					n.WriteByte('\n')
				}
				add("onnx nodes", n.String())
			}
			compareGolden(t, filepath.Join("specs", strings.ReplaceAll(name, "/", "_")+".txtar"), txtar.Format(a))
		})
	}
}

// compareGolden compares a file of golden/ with what it should be, or writes it.
func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what it was; go test ./golden -update writes it, git diff shows it.\nfirst difference: %s", path, firstDiff(string(got), string(want)))
	}
}

func firstDiff(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			was := ""
			if i < len(w) {
				was = w[i]
			}
			return fmt.Sprintf("line %d: %q, was %q", i+1, g[i], was)
		}
	}
	return fmt.Sprintf("%d lines are missing at the end", len(w)-len(g))
}

func summaryText(g *ir.Graph) string {
	s := ir.Summarize(g)
	return fmt.Sprintf("input %v\nparams %d\nparams with heads %d\nMACs %d\nMACs of heads %d\nBN statistics %d\nreceptive field %v\nactivation bytes %d\nnodes %d\n",
		g.Inputs[0].Type, s.Params, s.Params+s.HeadParams, s.MACs, s.HeadMACs, s.States, s.RF, s.Activations, len(g.Nodes))
}

func histogram(g *ir.Graph) string {
	n := map[string]int{}
	for _, x := range g.Nodes {
		n[ir.FormatOp(x.Op)]++
	}
	var lines []string
	for op, k := range n {
		lines = append(lines, fmt.Sprintf("%4d %s", k, op))
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i][5:] < lines[j][5:] })
	return strings.Join(lines, "\n") + "\n"
}
