package dsl

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/incc-lang/incc/ir/recipe"
)

// TestMixPages: the pages about mixing fit 80 columns, and their examples mix.
func TestMixPages(t *testing.T) {
	for _, p := range mixPages {
		text, ok := Explain(p.name)
		if !ok {
			t.Fatal(text)
		}
		for line := range strings.Lines(text) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 80 {
				t.Errorf("%s: a line is wider than 80 columns:\n%s", p.name, line)
			}
		}
		g := buildWith(t, "net a\ninput x 3x8x8\nconv 3x3 2 -> gap -> softmax\n"+p.example+"\n", Options{})
		m := recipe.MixingOf(g.Recipe.Train.Augment)
		if p.name == "mixup" && m.Mixup == 0 || p.name == "cutmix" && m.CutMix == 0 {
			t.Errorf("the example of %s has %+v", p.name, m)
		}
	}
}
