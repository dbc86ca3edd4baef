package dsl

import (
	"bytes"
	"flag"
	"strings"
	"testing"

	"github.com/incc-lang/incc/dsl/internal/specgen"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/irtest/longtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// long returns the factor by which INCC_LONG=1 makes random tests longer.
func long() int {
	return longtest.Count(1, 4, 200)
}

// show returns the problems of a text as incc prints them.
func show(path string, src []byte, l diag.List) string {
	r := diag.Renderer{Sources: diag.Sources{path: src}}
	return r.String(l)
}

// ops lists ops for generated texts. The parser does not know the ops.
var ops = []specgen.Op{
	{Name: "conv", Args: [][]string{{"3x3", "7x7/2", "1x7", "k", "k/2"}, {"64", "n1"}}, Keys: []specgen.Key{
		{Name: "act", Values: []string{"relu", "none", "tanh"}}, {Name: "pad", Values: []string{"same", "3", "3x0", "1,0,1,0"}},
		{Name: "bias", Values: []string{"on", "off", "0.2"}}, {Name: "bn", Values: []string{"0.001", "off"}}, {Name: "maxout", Values: []string{"2"}},
		{Name: "init", Values: []string{"he", "gaussian,0.05", "trunc,0.1"}}, {Name: "lr", Values: []string{"2"}}, {Name: "max_norm", Values: []string{"1.9365"}}}},
	{Name: "fc", Args: [][]string{{"1000", "classes"}}, Keys: []specgen.Key{{Name: "act", Values: []string{"relu"}}, {Name: "decay", Values: []string{"0"}}}},
	{Name: "maxpool", Args: [][]string{{"3x3/2", "2x2"}}, Keys: []specgen.Key{{Name: "ceil", Values: []string{"1"}}}},
	{Name: "avgpool", Args: [][]string{{"5x5/3"}}, Keys: []specgen.Key{{Name: "include_pad", Values: []string{"1"}}}},
	{Name: "lrn", Args: [][]string{{"5"}}, Keys: []specgen.Key{{Name: "alpha", Values: []string{"1e-4"}}}},
	{Name: "dropout", Args: [][]string{{"0.5"}}},
	{Name: "gap"}, {Name: "relu"}, {Name: "softmax"}, {Name: "identity"},
	{Name: "reshape", Args: [][]string{{"14x14x1"}}},
	{Name: "concat", Body: true}, {Name: "add", Body: true}, {Name: "max", Body: true},
	{Name: "residual", Keys: []specgen.Key{{Name: "scale", Values: []string{"0.17", "s"}}, {Name: "proj", Body: true}}, Body: true},
	{Name: "repeat", Args: [][]string{{"10"}}, Body: true},
	{Name: "head", Keys: []specgen.Key{{Name: "weight", Values: []string{"0.3"}}}, Body: true},
	{Name: "inception", Args: [][]string{{"64"}, {"96"}, {"128"}, {"16"}, {"32"}, {"32"}}},
}

// roundTrip checks a text without errors: formatting it keeps its meaning, and formatting
// it again does not change it.
func roundTrip(t *testing.T, f *File, src []byte) {
	t.Helper()
	want := dump(f)
	once := f.Format()
	g, l := Parse("x.incc", once)
	if l.HasErrors() {
		t.Fatalf("formatted text has errors\n%s\nfrom\n%s\n%s", once, src, show("x.incc", once, l))
	}
	if got := dump(g); got != want {
		t.Fatalf("fmt changed the meaning\n--- text\n%s\n--- formatted\n%s\n--- was\n%s\n--- is\n%s", src, once, want, got)
	}
	if a, b := comments(f), comments(g); a != b {
		t.Fatalf("fmt changed the comments\n--- text\n%s\n--- formatted\n%s\n%s\n%s", src, once, a, b)
	}
	if twice := g.Format(); !bytes.Equal(once, twice) {
		t.Fatalf("fmt is not idempotent\n--- text\n%s\n--- once\n%s\n--- twice\n%s", src, once, twice)
	}
}

func comments(f *File) string {
	var b strings.Builder
	for _, c := range f.Comments {
		b.WriteString(c.Text + "\n")
	}
	return b.String()
}

// TestGenerated parses random texts in random layouts, compares the trees with those of the
// generator, and formats the texts.
func TestGenerated(t *testing.T) {
	t.Parallel()
	g := specgen.New(1, ops)
	for i := range 2_500 * long() {
		s := g.Any()
		src := []byte(s.Source)
		f, l := Parse("x.incc", src)
		if len(l) > 0 {
			t.Fatalf("text %d has errors\n%s\n%s", i, s.Source, show("x.incc", src, l))
		}
		if got := dump(f); got != s.Tree {
			t.Fatalf("text %d\n%s\nparsed as\n%s\nwas made as\n%s", i, s.Source, got, s.Tree)
		}
		roundTrip(t, f, src)
		if i%20 == 0 {
			Vet(f, []string{"inception"})
		}
	}
	for _, p := range specgen.Productions() {
		if g.Hits[p] == 0 {
			t.Errorf("the generator never reached %q", p)
		}
	}
	for _, o := range ops {
		if g.Hits["op "+o.Name] == 0 {
			t.Errorf("the generator never called %s", o.Name)
		}
		for _, k := range o.Keys {
			if g.Hits["key "+o.Name+"."+k.Name] == 0 {
				t.Errorf("the generator never gave %s its key %s", o.Name, k.Name)
			}
		}
	}
}
