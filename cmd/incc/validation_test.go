package main

import (
	"testing"

	"github.com/incc-lang/incc/backends/cpu/data"
)

func TestParseValidation(t *testing.T) {
	for text, want := range map[string]validation{
		"": {images: -1}, "0": {}, "0.0": {}, "0%": {}, "1": {images: 1}, "5000": {images: 5000}, "0.1": {share: 0.1}, "10%": {share: 0.1},
		"1e-2": {share: 0.01}, "99.5%": {share: 0.995}, "val": {folder: "val"}, "./10": {folder: "./10"}, "a/b.1": {folder: "a/b.1"},
	} {
		if v, err := parseValidation(text); err != nil || v != want {
			t.Errorf("--val %s: %+v, %v; want %+v", text, v, err, want)
		}
	}
	for _, text := range []string{"-1", "1.0", "1.5", "100%", "-0.1", "x%", "NaN", "Inf", "1e999", "99999999999", "a\x00b"} {
		if v, err := parseValidation(text); err == nil {
			t.Errorf("--val %q is read as %+v", text, v)
		}
	}
}

// TestValidationCount: a share is rounded to a number of images, and by default the
// validation part has an image of every class, unless the classes are tiny.
func TestValidationCount(t *testing.T) {
	set := func(counts ...int) *data.Set {
		s := &data.Set{Classes: len(counts)}
		for k, n := range counts {
			for range n {
				s.Labels = append(s.Labels, int32(k))
			}
		}
		return s
	}
	for _, c := range []struct {
		set  *data.Set
		val  string
		want int
	}{
		{set(60, 60), "", 10}, {set(10, 10, 10), "", 3}, {set(3, 3, 3), "", 0}, {set(50, 1), "", 4}, {set(50, 50), "0.1", 10}, {set(50, 5), "10%", 6},
		{set(10, 10), "0.01", 1}, {set(10, 10), "7", 7}, {set(10, 10), "0", 0},
	} {
		v, err := parseValidation(c.val)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.count(c.set); got != c.want {
			t.Errorf("--val %q of %v: %d images, want %d", c.val, c.set.Counts(), got, c.want)
		}
	}
}

// TestCoarseNote: fewer than 50 validation images, or than 10 of a class, get a note.
func TestCoarseNote(t *testing.T) {
	for _, c := range []struct {
		images, classes int
		noted           bool
	}{{49, 2, true}, {50, 2, false}, {50, 5, false}, {59, 6, true}, {60, 6, false}, {1, 1, true}, {0, 3, false}, {5000, 10, false}} {
		if got := coarseNote(c.images, c.classes); got != "" != c.noted {
			t.Errorf("%d images of %d classes: %q", c.images, c.classes, got)
		}
	}
}
