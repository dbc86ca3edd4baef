package kernel

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSources: every file that is built is embedded, and no test is.
func TestSources(t *testing.T) {
	var want []string
	for _, pattern := range []string{"*.go", "*.s"} {
		l, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range l {
			if !strings.HasSuffix(name, "_test.go") {
				want = append(want, name)
			}
		}
	}
	slices.Sort(want)
	var have []string
	l, err := Sources.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range l {
		have = append(have, e.Name())
		embedded, err := Sources.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if string(embedded) != string(file) {
			t.Errorf("%s is not what is embedded", e.Name())
		}
	}
	if !slices.Equal(have, want) {
		t.Errorf("embedded are\n%v\nthe folder has\n%v\nadd a pattern to sources.go", have, want)
	}
}
