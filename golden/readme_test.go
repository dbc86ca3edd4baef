package golden

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// link is a link or an image of a Markdown file.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestReadmes checks every README.md: its relative links and images exist, and that of the
// first page has at most 200 lines.
func TestReadmes(t *testing.T) {
	found := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != ".." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if d.Name() != "README.md" {
			return nil
		}
		found[filepath.ToSlash(path)] = true
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				to, _, _ := strings.Cut(m[1], "#")
				if to == "" || strings.Contains(to, "://") {
					continue
				}
				if _, err := os.Stat(filepath.Join(filepath.Dir(path), filepath.FromSlash(to))); err != nil {
					t.Errorf("%s:%d: %v", path, i+1, err)
				}
			}
		}
		if n := strings.Count(string(text), "\n"); path == filepath.Join("..", "README.md") && n > 200 {
			t.Errorf("%s has %d lines, want 200 at most", path, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"../README.md", "../dsl/README.md", "../backends/cpu/peers/report/README.md", "../golden/experiments/README.md"} {
		if !found[want] {
			t.Errorf("there is no %s", want)
		}
	}
}

// TestReadmePaths checks that each section of the first page for one kind of reader has at
// most 15 lines, beside blank lines and fences.
func TestReadmePaths(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(text), "\n## ")
	paths := 0
	for _, s := range sections {
		title, body, _ := strings.Cut(s, "\n")
		if !strings.HasPrefix(title, "I ") {
			continue
		}
		paths++
		lines := 0
		for _, l := range strings.Split(body, "\n") {
			if l != "" && !strings.HasPrefix(l, "```") {
				lines++
			}
		}
		if lines > 15 {
			t.Errorf("section %q has %d lines, want 15 at most", title, lines)
		}
	}
	if paths != 5 {
		t.Errorf("there are %d sections for kinds of readers, want 5", paths)
	}
}

// TestReadmeSpeed looks up the measured numbers of the first page: each row of its table
// must be in one row of the report.
func TestReadmeSpeed(t *testing.T) {
	read := func(path string) []string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(b), "\n")
	}
	report := read("../backends/cpu/peers/report/README.md")
	number := regexp.MustCompile(`\d+\.\d+|\d\d\d`)
	rows := 0
	for _, line := range read("../README.md") {
		if !strings.HasPrefix(line, "| ") || !strings.Contains(line, "| AVX") {
			continue
		}
		rows++
		// The first cell says what it is, with a number of images.
		_, cells, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		ok := false
		for _, r := range report {
			if !strings.HasPrefix(r, "| ") {
				continue
			}
			all := true
			for _, n := range number.FindAllString(strings.ReplaceAll(cells, "AVX-512", ""), -1) {
				all = all && strings.Contains(r, n)
			}
			ok = ok || all
		}
		if !ok {
			t.Errorf("no row of the report has the numbers of: %s", line)
		}
	}
	if rows < 5 {
		t.Errorf("the table has %d rows, want 5", rows)
	}
}
