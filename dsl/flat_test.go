package dsl

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/specs"
)

// differ describes the first difference between two graphs, "" if they are equal. It ignores
// positions, the hash of the spec and the elements of weights that are drawn.
func differ(a, b *ir.Graph) string {
	lines := func(g *ir.Graph) []string {
		r := []string{"name " + g.Name, "doc " + g.Doc}
		for _, v := range g.Inputs {
			r = append(r, fmt.Sprintf("input %s %v", v.Name, v.Type))
		}
		for _, v := range g.Params {
			p := *v.Param
			if d := g.Data[v.Name]; d != nil && p.Kind == ir.Constant && !filled(d, p.Init) {
				p.Init = ir.Init{}
			}
			s := fmt.Sprintf("param %s %v %v %v lr %v decay %v norm %v", v.Name, v.Type, p.Kind, p.Init, p.LR, p.Decay, p.MaxNorm)
			if d := g.Data[v.Name]; d != nil && p.Init.Kind == "" {
				s += " data " + dataHash(d)
			}
			r = append(r, s)
		}
		for _, n := range g.Nodes {
			s := fmt.Sprintf("node %#v by %q part %q:", n.Op, n.By, n.Part)
			for _, v := range n.In {
				s += " " + v.Name
			}
			s += " ->"
			for _, v := range n.Out {
				s += fmt.Sprintf(" %s %v", v.Name, v.Type)
			}
			r = append(r, s)
		}
		for _, v := range g.Outputs {
			r = append(r, "output "+v.Name)
		}
		for _, h := range g.Heads {
			r = append(r, fmt.Sprint("head ", h.Value.Name, h.Weight))
		}
		for _, u := range g.Updates {
			r = append(r, "update "+u.Param.Name+" = "+u.Value.Name)
		}
		for _, p := range g.Parts {
			r = append(r, "part "+p.Name+" = "+p.Out.Name)
		}
		return r
	}
	x, y := lines(a), lines(b)
	for i := range max(len(x), len(y)) {
		if i >= len(x) || i >= len(y) || x[i] != y[i] {
			at := func(l []string) string {
				if i < len(l) {
					return l[i]
				}
				return "nothing"
			}
			return at(x) + "\n" + at(y)
		}
	}
	ra, rb := *a.Recipe, *b.Recipe
	ra.SpecHash, rb.SpecHash = "", ""
	if !reflect.DeepEqual(ra, rb) {
		return fmt.Sprintf("recipe %+v %+v %+v\n%+v %+v %+v", ra.Input, ra.Labels, ra.Train, rb.Input, rb.Labels, rb.Train)
	}
	return ""
}

// flatTrip prints a graph, loads the text and compares the graphs.
func flatTrip(t *testing.T, g *ir.Graph) []byte {
	t.Helper()
	text := Print(g)
	back, diags := Load("graph.incc", text, Options{Data: func(name, _ string) *tensor.F32 { return g.Data[name] }})
	if diags.HasErrors() {
		t.Fatal(show("graph.incc", text, diags))
	}
	if d := differ(g, back); d != "" {
		t.Fatalf("%s\nin\n%s", d, text)
	}
	if err := ir.Verify(back); err != nil {
		t.Fatal(err)
	}
	if again := Print(back); !bytes.Equal(again, text) {
		t.Fatalf("printing what was read gives another text:\n%s\n%s", text, again)
	}
	if f, _ := Format("graph.incc", text); !bytes.Equal(f, text) {
		t.Fatalf("the text is not as fmt lays it out:\n%s\n%s", text, f)
	}
	return text
}

func TestFlatSpecs(t *testing.T) {
	for _, name := range specs.Names() {
		src, file, _ := specs.Source(name)
		g, diags := Load(file, src, Options{})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		flatTrip(t, g)
	}
}

// TestFlatOps prints and loads graphs of the examples of every op.
func TestFlatOps(t *testing.T) {
	for _, d := range ir.Defs() {
		for i, e := range d.Examples {
			if e.Violates != 0 {
				continue
			}
			t.Run(fmt.Sprint(d.Name, i), func(t *testing.T) {
				flatTrip(t, exampleGraph(t, "example", e))
			})
		}
	}
}

func exampleGraph(t *testing.T, name string, e ir.Example) *ir.Graph {
	t.Helper()
	b := ir.NewBuilder(name)
	var in []*ir.Value
	for i, ty := range e.In {
		in = append(in, b.Input(fmt.Sprint("x", i), ty))
	}
	n, err := b.Add("y", e.Op, in...)
	if err != nil {
		t.Fatal(err)
	}
	g := b.Graph()
	g.Outputs = n.Out
	return g
}

// TestFlatEverything prints and loads a graph with everything that a graph can contain.
func TestFlatEverything(t *testing.T) {
	b := ir.NewBuilder("everything")
	g := b.Graph()
	g.Doc = "A comment\n\nof several lines # with a sign"
	x := b.Input("image", ir.Float(ir.Batch, 2, 4, 4))
	b.Input("classes", ir.Type{DType: ir.I64, Shape: ir.Shape{ir.Batch}})
	b.Input("fixed", ir.Float(3, 4))
	b.Input("one", ir.Float())
	b.Input("turned", ir.Float(4, ir.Batch))
	w := b.Param("a b/weight \"quoted\"", ir.Shape{2}, ir.Param{Kind: ir.Weight, LR: 2, Decay: 0.5, MaxNorm: 1.5})
	g.Data[w.Name] = tensor.Of([]float32{1.5, float32(math.Inf(-1))}, 2)
	big := b.Param("7x7", ir.Shape{4, 5}, ir.Param{Kind: ir.Constant})
	g.Data[big.Name] = tensor.Make[float32]([]int{4, 5})
	slot := b.Param("momentum", ir.Shape{2}, ir.Param{Kind: ir.State, Init: ir.Init{Kind: ir.InitConstant, A: math.Inf(1)}})
	step := b.Param("step", ir.Shape{}, ir.Param{Kind: ir.State, Init: ir.Init{Kind: ir.InitConstant}, LR: 1})
	step.Type.DType = ir.I64
	b.Fill("minus", math.Inf(-1), 3, 1)
	b.Part, b.By = "3a", "merge-siblings"
	v, err := b.Add("3a/relu", ir.Lookup("relu").Default(), x)
	if err != nil {
		t.Fatal(err)
	}
	b.Part, b.By = "", ""
	split, err := ir.Lookup("split").With(map[string]string{"axis": "1", "sizes": "1,1"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Add("3a/split", split, v.Out[0])
	if err != nil {
		t.Fatal(err)
	}
	b.Part = "elsewhere"
	m, err := b.Add("new/momentum", ir.Lookup("add").Default(), slot, w)
	if err != nil {
		t.Fatal(err)
	}
	g.Outputs = []*ir.Value{s.Out[1], s.Out[1]}
	g.Heads = []ir.Head{{Value: s.Out[0], Weight: 0}}
	g.Updates = []ir.Update{{Param: slot, Value: m.Out[0]}}
	g.Parts = []ir.Part{{Name: "3a", Out: v.Out[0]}, {Name: "3a/inner part", Out: s.Out[0]}}
	text := string(flatTrip(t, g))
	for _, want := range []string{`"7x7" `, `hash="`, "from.pass=", "state=on", "type=i64", "fill=-inf", "batch=off"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	// Without its elements, a constant that folding made is an error that names it.
	_, diags := Load("graph.incc", []byte(text), Options{})
	if !slices.ContainsFunc(diags, func(d *diagnostic) bool { return d.Code == "E0707" }) {
		t.Errorf("no E0707 in %v", diags)
	}
	// With Hollow the elements are not needed, and the text is the same again.
	hollow, diags := Load("graph.incc", []byte(text), Options{Hollow: true})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if again := Print(hollow); string(again) != text {
		t.Errorf("hollow, it prints as\n%s\nnot\n%s", again, text)
	}
	if err := ir.Verify(hollow); err == nil {
		t.Error("a hollow graph is verified as if it could run")
	}
}

type diagnostic = diag.Diagnostic

// TestFlatRandom prints and loads random networks that use every op.
func TestFlatRandom(t *testing.T) {
	for seed := range int64(50 * long()) {
		flatTrip(t, irtest.Random(seed, irtest.Options{}))
	}
}
