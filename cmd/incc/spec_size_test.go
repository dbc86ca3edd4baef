package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A spec is read completely or gives an error: an error after two megabytes of comments is
// found, and a text above the limit is not cut off silently.
func TestLongSpecsAreReadWhole(t *testing.T) {
	graph := "graph g\nx = input 3x4x4\ny = relu x\noutput y\n"
	for name, c := range map[string]struct {
		comment int
		end     string
		want    string // a part of the error; "" for a valid spec
	}{
		"whole":     {2 << 20, "", ""},
		"error":     {2 << 20, "z = relu !!!\n", "E0103"},
		"too large": {9 << 20, "", "E0109"},
	} {
		path := filepath.Join(t.TempDir(), "g.incc")
		comments := strings.Repeat("# "+strings.Repeat("c", 97)+"\n", c.comment/100)
		if err := os.WriteFile(path, []byte(graph+comments+c.end), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := capture(t, "vet", path)
		if (code == 0) != (c.want == "") || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d\n%.1000s", name, code, stderr)
		}
	}
}
