package dsl

import (
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
)

// TestNumberLabels: a label may be a whole number, as in the tables of papers. Its name is
// the same in the flat form.
func TestNumberLabels(t *testing.T) {
	const text = `net paper
input x 3x16x16

1:  conv 3x3/2 8 pad=1 act=relu -> maxpool 2x2/2
2:  concat {
      1: conv 1x1 4
      2: conv 3x3 4 pad=1
    }
02: conv 1x1 4
repeat 2 { 3: conv 1x1 4 }
10: gap -> fc 10 -> softmax
`
	g, l := Load("x.incc", []byte(text), Options{})
	if len(l) > 0 {
		t.Fatal(l)
	}
	formatted, l := Format("x.incc", []byte(text))
	if len(l) > 0 {
		t.Fatal(l)
	}
	if twice, _ := Format("x.incc", formatted); string(twice) != string(formatted) {
		t.Errorf("fmt is not idempotent:\n%s", twice)
	}
	var parts []string
	for _, p := range g.Parts {
		parts = append(parts, p.Name)
	}
	if want := []string{"1", "2", "2/1", "2/2", "02", "3_1", "3_2", "10"}; !slices.Equal(parts, want) {
		t.Errorf("parts %q, want %q", parts, want)
	}
	for _, name := range []string{"1/conv_3x3/weight", "2/1/conv_1x1", "3_2/conv_1x1/bias", "10/fc"} {
		if g.Value(name) == nil {
			t.Errorf("no value is called %s", name)
		}
	}
	flat := Print(g)
	h, l := Load("flat.incc", flat, Options{})
	if len(l) > 0 {
		t.Fatalf("%v in\n%s", l, flat)
	}
	if d := differ(g, h); d != "" {
		t.Errorf("the flat form is another graph: %s", d)
	}
	if err := ir.Verify(h); err != nil {
		t.Error(err)
	}
	// In all other places a number cannot be a name.
	for _, wrong := range []string{"net a\nlet 2 = 3\n", "net a\nblock 2 = relu\n", "net a\ninput x 3x8x8\nrelu -> 2\n", "net a\ninput x 3x8x8\n2.5: relu\n", "net a\ninput x 3x8x8\n3x3: relu\n"} {
		if _, l := Load("x.incc", []byte(wrong), Options{}); !l.HasErrors() {
			t.Errorf("no error in %q", wrong)
		}
	}
}
