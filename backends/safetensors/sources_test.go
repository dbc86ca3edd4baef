package safetensors

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSources: every file of the package is embedded, but for this package's tests and the
// file that embeds.
func TestSources(t *testing.T) {
	all, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(all, func(name string) bool { return name == "sources.go" || strings.HasSuffix(name, "_test.go") })
	var have []string
	list, err := Sources.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		have = append(have, e.Name())
	}
	if !slices.Equal(have, want) {
		t.Errorf("embedded are %v, the folder has %v: change sources.go", have, want)
	}
}
