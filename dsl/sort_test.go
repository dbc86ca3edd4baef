package dsl

import (
	"testing"

	"github.com/incc-lang/incc/ir/diag"
)

// TestSameProblemTwice: a problem that is found twice is reported once, and the list has no
// nil in place of the second.
func TestSameProblemTwice(t *testing.T) {
	at := func(line int) diag.Span { return diag.Span{Pos: diag.Pos{File: "x.incc", Line: line, Col: 1}} }
	var l diag.List
	l.Errorf("E0109", at(2), "too much")
	l.Errorf("E0206", at(3), "never closed")
	l.Errorf("E0109", at(2), "too much")
	sortProblems(&l)
	if len(l) != 2 || l[0] == nil || l[1] == nil || l[0].Code != "E0206" || l[1].Code != "E0109" {
		t.Errorf("%d problems: %v", len(l), l)
	}
}
