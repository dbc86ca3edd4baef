package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// document is README.md with its sections in order.
func document(t *testing.T) (text string, names []string) {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if s, ok := strings.CutPrefix(line, "<!-- begin "); ok {
			names = append(names, strings.TrimSuffix(s, " -->"))
		}
	}
	return string(b), names
}

// TestReplaceSection replaces every section of README.md: nothing else changes, and
// putting the old text back gives the old file.
func TestReplaceSection(t *testing.T) {
	doc, names := document(t)
	if len(names) < 8 {
		t.Fatalf("README.md has sections %v only", names)
	}
	for _, name := range names {
		before, rest, _ := strings.Cut(doc, beginOf(name))
		old, after, ok := strings.Cut(rest, endOf(name))
		if !ok {
			t.Fatalf("section %s does not end", name)
		}
		got, err := replaceSection(doc, name, "## New\n\ntext")
		if want := before + beginOf(name) + "## New\n\ntext\n" + endOf(name) + after; err != nil || got != want {
			t.Errorf("replacing %s (%v) changes other text", name, err)
		}
		if back, err := replaceSection(got, name, old); err != nil || back != doc {
			t.Errorf("%s: putting the old section back (%v) does not give the old document", name, err)
		}
	}
}

// TestReplaceSectionOrder adds sections in a random order: they end in that of the report.
func TestReplaceSectionOrder(t *testing.T) {
	doc, err := "# Title\n", error(nil)
	for _, name := range []string{"memory", "inference", "training", "torch"} {
		if doc, err = replaceSection(doc, name, "of "+name); err != nil {
			t.Fatal(err)
		}
	}
	want := "# Title\n"
	for _, name := range []string{"inference", "torch", "training", "memory"} {
		want += "\n" + beginOf(name) + "of " + name + "\n" + endOf(name)
	}
	if doc != want {
		t.Errorf("got\n%s\nwant\n%s", doc, want)
	}
	for what, bad := range map[string]string{
		"without an end":  beginOf("torch"),
		"without a begin": endOf("torch"),
		"twice":           beginOf("torch") + endOf("torch") + beginOf("torch") + endOf("torch"),
		"turned around":   endOf("torch") + beginOf("torch"),
	} {
		if got, err := replaceSection(bad, "torch", "text"); err == nil {
			t.Errorf("a section %s becomes %q", what, got)
		}
	}
	if _, err := replaceSection(doc, "speed", "text"); err == nil {
		t.Error("a section of an unknown name is written")
	}
}

// TestPublish writes a section only if all of its rows were measured.
func TestPublish(t *testing.T) {
	doc, _ := document(t)
	path := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(path, []byte(doc), 0o666); err != nil {
		t.Fatal(err)
	}
	r := &report{out: io.Discard, readme: path, pairs: 3, threads: 1}
	table := &table{head: []string{"network", "ms"}}
	table.add("lenet", "1.5")
	for _, x := range []struct {
		p     progress
		fails bool
		want  bool
	}{{progress{rows: 2}, false, false}, {progress{rows: 2, measured: 1}, true, false}, {progress{rows: 2, measured: 2}, false, true}} {
		r.rows = map[string]progress{"memory": x.p}
		err := r.publish("memory", "A title", "A text.", table.String())
		if (err != nil) != x.fails {
			t.Errorf("%d of %d rows: %v", x.p.measured, x.p.rows, err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if changed := string(got) != doc; changed != x.want {
			t.Errorf("%d of %d rows: the document changed: %v", x.p.measured, x.p.rows, changed)
		}
		if x.want && !strings.Contains(string(got), "A text.\n\n| network | ms |\n| --- | --- |\n| lenet | 1.5 |\n"+endOf("memory")) {
			t.Errorf("the section is not in the document:\n%s", got)
		}
	}
}

// TestDocument checks README.md: sections that the report knows, in its order, each with
// its command, and tables whose rows have as many cells as their heads.
func TestDocument(t *testing.T) {
	doc, names := document(t)
	at := -1
	for _, name := range names {
		i := slices.Index(order(), name)
		if i <= at {
			t.Errorf("section %s is unknown or in the wrong place", name)
		}
		at = i
		_, rest, _ := strings.Cut(doc, beginOf(name))
		text, _, _ := strings.Cut(rest, endOf(name))
		if !strings.HasPrefix(text, "## ") || !strings.Contains(text, "-only '^"+strings.TrimSuffix(name, onAVX2)+"/'`\n\n") || strings.Contains(text, "INCC_ISA=avx2 ") != strings.HasSuffix(name, onAVX2) {
			t.Errorf("section %s has no title or no command", name)
		}
		cells := 0
		for _, line := range strings.Split(text, "\n") {
			n := strings.Count(line, "|")
			if !strings.HasPrefix(line, "|") {
				n = 0
			}
			if n > 0 && cells > 0 && n != cells {
				t.Errorf("section %s: a row has %d cells, the head %d: %s", name, n-1, cells-1, line)
			}
			cells = n
		}
	}
}

func TestProcessorName(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel\t\t: 3\n": "AMD EPYC (family 26, model 2)",
		"model name\t: Other\n": "Other",
		"":                      "",
	} {
		if got := processorName(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
