package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/incc-lang/incc/ir/diag"
)

// checkFresh compares files with those on the disk and prints where they differ.
func checkFresh(w io.Writer, files []genFile, stale []string) error {
	differ := 0
	for _, f := range files {
		if f.onDisk() {
			continue
		}
		differ++
		name := shortPath(f.path)
		if info, err := os.Stat(f.path); f.weights != nil && err == nil {
			fmt.Fprintf(w, "%s differs: %d bytes on the disk, %d generated\n", name, info.Size(), f.size())
			continue
		}
		old, err := readOutput(f.path)
		switch {
		case os.IsNotExist(err):
			fmt.Fprintf(w, "%s is missing\n", name)
		case err != nil:
			return err
		case !utf8.Valid(old) || !utf8.Valid(f.data):
			fmt.Fprintf(w, "%s differs: %d bytes on the disk, %d generated\n", name, len(old), len(f.data))
		default:
			fmt.Fprintf(w, "--- %s\n+++ %s, generated\n", name, name)
			writeLineDiff(w, string(old), string(f.data))
		}
	}
	for _, p := range stale {
		differ++
		fmt.Fprintf(w, "%s is no longer generated\n", shortPath(p))
	}
	if differ > 0 {
		return fmt.Errorf("%d files are stale: run the command without --check", differ)
	}
	return nil
}

// shortPath returns a path for messages: relative to the current folder if it lies in
// that folder, else unchanged.
func shortPath(p string) string {
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, p); err == nil && filepath.IsLocal(rel) {
			p = rel
		}
	}
	return diag.Printable(filepath.ToSlash(p))
}

// writeLineDiff prints the range of lines in which two texts differ, as one hunk
// of a unified diff with three lines of context. It prints at most 20 lines of each
// side.
func writeLineDiff(w io.Writer, old, new string) {
	const context, most = 3, 20
	a, b := strings.Split(old, "\n"), strings.Split(new, "\n")
	first := 0
	for first < len(a) && first < len(b) && a[first] == b[first] {
		first++
	}
	same := 0
	for same < len(a)-first && same < len(b)-first && a[len(a)-1-same] == b[len(b)-1-same] {
		same++
	}
	aEnd, bEnd := len(a)-same, len(b)-same
	from, to := max(first-context, 0), min(aEnd+context, len(a))
	fmt.Fprintf(w, "@@ -%d,%d +%d,%d @@\n", from+1, to-from, from+1, to-from+bEnd-aEnd)
	side := func(mark string, lines []string) {
		for i, l := range lines {
			if i == most {
				fmt.Fprintf(w, "%s... and %d more lines\n", mark, len(lines)-most)
				return
			}
			fmt.Fprintf(w, "%s%s\n", mark, diag.Printable(l))
		}
	}
	side(" ", a[from:first])
	side("-", a[first:aEnd])
	side("+", b[first:bEnd])
	side(" ", a[aEnd:to])
}
