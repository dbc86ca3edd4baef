package dsl

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBrokenBuild compares the messages about texts that parse but cannot be built, with
// their carets, with testdata/broken/build_*.txt and flat_*.txt. The name of a file
// contains the code that it tests.
func TestBrokenBuild(t *testing.T) {
	nets, err := filepath.Glob("testdata/broken/build_*.incc")
	if err != nil {
		t.Fatal(err)
	}
	graphs, err := filepath.Glob("testdata/broken/flat_*.incc")
	if err != nil {
		t.Fatal(err)
	}
	files := append(nets, graphs...)
	if len(files) < 70 {
		t.Fatalf("%d broken texts", len(files))
	}
	told := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".incc")
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Base(file)
			g, l := Load(path, src, Options{})
			if g != nil || !l.HasErrors() {
				t.Fatalf("no error in\n%s", src)
			}
			for _, d := range l {
				told[d.Code] = true
				if !d.Span.IsValid() || d.Summary == "" || d.Span.File != path {
					t.Errorf("a problem without place or summary: %+v", d)
				}
			}
			if m := regexp.MustCompile(`_(e\d{4})`).FindStringSubmatch(name); m != nil && !has(l, strings.ToUpper(m[1])) {
				t.Errorf("it has no %s", m[1])
			}
			golden(t, strings.TrimSuffix(file, ".incc")+".txt", show(path, src, l)+l.Tally()+"\n")
		})
	}
	for _, c := range append(buildCodes, flatCodes...) {
		switch c.ID {
		case "E0409", "E0505", "E0506", "E0507": // tested by TestDefines and TestBuildBombs
		default:
			if !told[c.ID] {
				t.Errorf("no broken text has %s, %s", c.ID, c.Title)
			}
		}
	}
}
