package dsl

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/diag"
)

// syntaxCheck returns all problems that are found without building the graph.
func syntaxCheck(src string) diag.List {
	f, l := Parse("x.incc", []byte(src))
	if !l.HasErrors() {
		l = append(l, Vet(f, []string{"inception"})...)
	}
	return l
}

// TestCodesOfTheSyntax: the wrong text of each code has the problem, and the right one does
// not.
func TestCodesOfTheSyntax(t *testing.T) {
	for _, c := range slices.Concat(lexicalCodes, syntaxCodes, vetCodes) {
		if c.Wrong == "" {
			if !slices.Contains([]string{"E0109", "E0110", "E0111", "E0228"}, c.ID) {
				t.Errorf("%s has no example", c.ID)
			}
			continue
		}
		if l := syntaxCheck(c.Wrong); !slices.ContainsFunc(l, func(d *diag.Diagnostic) bool { return d.Code == c.ID }) {
			t.Errorf("%s is not what is said of\n%s\n%v", c.ID, c.Wrong, show("x.incc", []byte(c.Wrong), l))
		} else if (c.ID[0] == 'W') != (l[0].Severity == diag.Warning) {
			t.Errorf("%s is an %v", c.ID, l[0].Severity)
		}
		if c.Right == "" {
			continue
		}
		for _, d := range syntaxCheck(c.Right) {
			if d.Severity == diag.Error || d.Code == c.ID {
				t.Errorf("the mended example of %s: %v", c.ID, d)
			}
		}
	}
}

func TestCodesAreInOrder(t *testing.T) {
	form := regexp.MustCompile(`^[EW]\d{4}$`)
	last := ""
	for _, c := range Codes() {
		if !form.MatchString(c.ID) || c.ID <= last || c.Title == "" || c.Text == "" {
			t.Errorf("code %q after %q: %q", c.ID, last, c.Title)
		}
		if strings.HasSuffix(c.Title, ".") || strings.ToUpper(c.Title[:1]) == c.Title[:1] {
			t.Errorf("%s: a title is no sentence: %q", c.ID, c.Title)
		}
		last = c.ID
	}
}

func TestExplainCode(t *testing.T) {
	text, ok := ExplainCode("e0217")
	if !ok {
		t.Fatal("E0217 is not known")
	}
	golden(t, "testdata/explain_e0217.txt", text)
	for line := range strings.Lines(text) {
		if len([]rune(line)) > 81 {
			t.Errorf("a long line: %q", line)
		}
	}
	if _, ok := ExplainCode("E9999"); ok {
		t.Error("E9999 is explained")
	}
}
