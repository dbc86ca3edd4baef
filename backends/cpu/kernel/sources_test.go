package kernel

import (
	"os"
	"path/filepath"
	"regexp"
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

// A single SSE instruction among those of AVX waits until the upper halves of the
// registers are saved: dropout was slower than in plain Go by it.
func TestAssemblyIsVEX(t *testing.T) {
	files, err := filepath.Glob("*_amd64.s")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	vector := regexp.MustCompile(`\b[XYZ][0-9]+\b`)
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			line, _, _ = strings.Cut(line, "//")
			words := strings.Fields(line)
			if len(words) > 1 && vector.MatchString(line) && !strings.HasPrefix(words[0], "V") && words[0] != "TEXT" {
				t.Errorf("%s:%d: %s", f, i+1, strings.TrimSpace(line))
			}
		}
	}
}
