package dsl

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/diag"
)

// TestBuildCodes: the wrong text of each code has the problem, and the right one does not.
func TestBuildCodes(t *testing.T) {
	for _, table := range [][]Code{buildCodes, flatCodes, lintCodes} {
		for _, c := range table {
			if c.Text == "" || c.Title == "" {
				t.Errorf("%s is not explained", c.ID)
			}
			if c.Wrong == "" {
				continue // tested by TestBuildBombs, TestDefines, TestLabels
			}
			if l := Lint("wrong.incc", []byte(c.Wrong), Options{}); !has(l, c.ID) {
				t.Errorf("%s: its wrong text has %v\n%s", c.ID, l, c.Wrong)
			}
			if l := Lint("right.incc", []byte(c.Right), Options{}); has(l, c.ID) || l.HasErrors() {
				t.Errorf("%s: its right text is still wrong: %v\n%s", c.ID, l, c.Right)
			}
			if f, l := Format("right.incc", []byte(c.Right)); l.HasErrors() || string(f) != c.Right {
				t.Errorf("%s: the right text is not laid out as fmt does:\n%s", c.ID, f)
			}
		}
	}
}

func has(l diag.List, code string) bool {
	for _, d := range l {
		if d.Code == code {
			return true
		}
	}
	return false
}

// TestCodesAreListed: every code in the sources is in a table, and the sources use every
// code in the tables.
func TestCodesAreListed(t *testing.T) {
	listed := map[string]bool{}
	for _, c := range Codes() {
		if listed[c.ID] {
			t.Errorf("%s is listed twice", c.ID)
		}
		listed[c.ID] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") || strings.HasPrefix(f, "codes") {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"([EW]0\d\d\d)"`).FindAllSubmatch(src, -1) {
			used[string(m[1])] = true
			if !listed[string(m[1])] {
				t.Errorf("%s: %s is in no table", f, m[1])
			}
		}
	}
	for id := range listed {
		if !used[id] {
			t.Errorf("nothing reports %s", id)
		}
	}
}
