package kernel

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

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
			for op := range strings.SplitSeq(line, ";") {
				words := strings.Fields(op)
				if len(words) > 1 && vector.MatchString(op) && !strings.HasPrefix(words[0], "V") && words[0] != "TEXT" {
					t.Errorf("%s:%d: %s", f, i+1, strings.TrimSpace(op))
				}
			}
		}
	}
}
