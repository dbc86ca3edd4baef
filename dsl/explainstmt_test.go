package dsl

import (
	"slices"
	"strings"
	"testing"
)

// TestStatementPages: every keyword has a page, and the example of each page is valid.
func TestStatementPages(t *testing.T) {
	for _, w := range Keywords {
		if !slices.Contains(statementNames(), w) {
			t.Errorf("there is no page about %s", w)
		}
	}
	for _, p := range statementPages() {
		text := p.example + "\n"
		switch {
		case p.flat && p.name != "graph":
			text = "graph g\nx = input 4\n" + text
		case p.name == "input":
			text = "net n\n" + text + "gap\n"
		case p.name == "labels" || p.name == "train":
			text = "net n\ninput image 3x16x16\n" + text + "gap -> fc 10 -> softmax\n"
		case p.name != "net" && p.name != "graph":
			text = "net n\ninput image 3x16x16\n" + text
		}
		if _, l := Load(p.name+".incc", []byte(text), Options{}); l.HasErrors() {
			t.Errorf("the example of %s: %v\n%s", p.name, l, text)
		}
		page, ok := Explain(p.name)
		if first := strings.Fields(p.example)[0]; !ok || !strings.Contains(page, p.syntax) || !strings.Contains(page, first) {
			t.Errorf("%s: %s", p.name, page)
		}
	}
}
