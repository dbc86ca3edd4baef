package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs"
)

// TestExplain asks about every statement, block, pass, built-in network and code, and about
// every op; the list without a word names them all.
func TestExplain(t *testing.T) {
	names := explainNames()
	_, all, _ := capture(t, "explain")
	want := slices.Concat(dsl.Keywords, dsl.PreludeBlocks(), specs.Names(), []string{"conv", "dense", "sgd", "schedule", "repeat", "head"})
	for _, p := range passes.All() {
		want = append(want, p.Name)
	}
	for _, c := range dsl.Codes() {
		want = append(want, c.ID)
	}
	for _, n := range want {
		if !slices.Contains(names, n) {
			t.Errorf("incc explain does not know %s", n)
		}
	}
	listed := strings.Fields(all)
	for _, n := range names {
		code, page, stderr := capture(t, "explain", n)
		if code != 0 || len(page) < 20 || strings.Contains(page, "%!") || !strings.Contains(page, n) {
			t.Errorf("incc explain %s exits with %d: %s%s", n, code, page, stderr)
		}
		if !slices.Contains(listed, n) {
			t.Errorf("incc explain does not list %s", n)
		}
	}
	if code, page, _ := capture(t, "explain", "quantization"); code != 0 || !strings.Contains(page, "train --quantize") || !strings.Contains(page, "zero    a whole number") {
		t.Errorf("incc explain quantization exits with %d: %s", code, page)
	}
	if code, _, stderr := capture(t, "explain", "eval"); code == 0 || !strings.Contains(stderr, "incc help eval") {
		t.Error(stderr)
	}
	if code, _, stderr := capture(t, "explain", "foldbn"); code == 0 || !strings.Contains(stderr, "did you mean fold-bn?") {
		t.Error(stderr)
	}
}
