package dsl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBroken compares the messages about texts with syntax errors, with their carets, with
// testdata/broken/syntax_*.txt. Every code of a syntax error occurs at least once.
func TestBroken(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/syntax_*.incc")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d broken texts, %v", len(files), err)
	}
	told := map[string]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".incc"), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(file)
			_, l := Parse(name, src)
			if !l.HasErrors() {
				t.Fatalf("no error in\n%s", src)
			}
			for _, d := range l {
				told[d.Code] = true
				if !d.Span.IsValid() || d.Summary == "" {
					t.Errorf("a problem without place or summary: %+v", d)
				}
			}
			golden(t, strings.TrimSuffix(file, ".incc")+".txt", show(name, src, l)+l.Tally()+"\n")
		})
	}
	for _, c := range append(lexicalCodes, syntaxCodes...) {
		switch c.ID {
		case "E0109", "E0110", "E0111": // TestLimits
		default:
			if !told[c.ID] {
				t.Errorf("no broken text has %s, %s", c.ID, c.Title)
			}
		}
	}
}

// golden compares a text with a file or, with -update, writes the file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v\nrun with -update to write\n%s", err, got)
	}
	if string(want) != got {
		t.Errorf("%s\n--- want\n%s\n--- got\n%s", file, want, got)
	}
}
