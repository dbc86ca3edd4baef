// Package spectest loads the built-in networks as graphs, for tests.
package spectest

import (
	"strings"
	"testing"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/specs"
)

// Load builds a built-in network, after pairs of texts of the spec, which must occur
// in it, were replaced.
func Load(t testing.TB, name string, replace ...string) *ir.Graph {
	t.Helper()
	source, file, ok := specs.Source(name)
	if !ok {
		t.Fatalf("no spec is called %s", name)
	}
	text := string(source)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("%s has no %q", file, replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	return Build(t, file, text)
}

// Build builds the network of a text; diagnostics of errors end the test.
func Build(t testing.TB, file, text string) *ir.Graph {
	t.Helper()
	g, list := dsl.Load(file, []byte(text), dsl.Options{})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return g
}
