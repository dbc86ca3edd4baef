package data

import (
	"slices"
	"testing"
)

// TestShare compares with shares by hand.
func TestShare(t *testing.T) {
	for _, c := range []struct {
		counts []int
		n      int
		want   []int
	}{
		{[]int{60, 30, 10}, 10, []int{6, 3, 1}},
		{[]int{50, 30, 20}, 5, []int{3, 1, 1}}, // 2.5, 1.5, 1: the first of equal remainders
		{[]int{97, 1, 2}, 10, []int{9, 0, 1}},  // 9.7, 0.1, 0.2: a class of two gives one
		{[]int{1, 1, 1}, 1, []int{1, 0, 0}},
		{[]int{1, 5}, 3, []int{0, 3}}, // 0.5, 2.5: a single image stays
		{[]int{4, 0, 4}, 2, []int{1, 0, 1}},
		{[]int{3, 3}, 6, []int{3, 3}},
		{[]int{3, 3}, 0, []int{0, 0}},
		{[]int{90, 5, 5}, 2, []int{1, 1, 0}}, // 1.8, 0.1, 0.1: the first two share
	} {
		if got := share(c.counts, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%d of %v: %v, want %v", c.n, c.counts, got, c.want)
		}
	}
}

// TestStratify: each class gives its share, in a list that is sorted by class as
// that of a folder; the parts have no image in common and leave none out; a seed
// draws the same again, another seed draws others.
func TestStratify(t *testing.T) {
	s := &Set{C: 1, H: 1, W: 1, Classes: 3}
	for k, n := range []int{60, 30, 10} {
		for range n {
			s.Pixels = append(s.Pixels, byte(s.Len()))
			s.Labels = append(s.Labels, int32(k))
			s.Files = append(s.Files, string(rune('a'+k)))
		}
	}
	train, val := s.Stratify(20, 1)
	if got := val.Counts(); !slices.Equal(got, []int{12, 6, 2}) || !slices.Equal(train.Counts(), []int{48, 24, 8}) {
		t.Errorf("of 60, 30 and 10 images %v are drawn", got)
	}
	seen := map[byte]bool{}
	for _, p := range []*Set{train, val} {
		for i := range p.Len() {
			v := p.pixels(i)[0]
			if seen[v] {
				t.Fatalf("image %d is drawn twice", v)
			}
			seen[v] = true
			if p.Labels[i] != s.Labels[v] || p.Files[i] != s.Files[v] {
				t.Fatalf("image %d has class %d and file %s", v, p.Labels[i], p.Files[i])
			}
		}
	}
	if len(seen) != 100 || &val.Pixels[0] != &s.Pixels[0] {
		t.Errorf("%d images are left, or the pixels were copied", len(seen))
	}
	if _, again := s.Stratify(20, 1); !slices.Equal(again.Places, val.Places) {
		t.Error("the same seed draws others")
	}
	if _, other := s.Stratify(20, 2); slices.Equal(other.Places, val.Places) {
		t.Error("another seed draws the same")
	}
	// A part of a part.
	if h := train.Head(3); h.Len() != 3 || h.pixels(2)[0] != train.pixels(2)[0] {
		t.Error("Head")
	}
	sub := val.Subset([]int32{5, 0})
	if sub.pixels(0)[0] != val.pixels(5)[0] || sub.pixels(1)[0] != val.pixels(0)[0] {
		t.Error("Subset")
	}
	if rest, none := s.Stratify(0, 1); none.Len() != 0 || rest.Len() != 100 {
		t.Error("none is drawn")
	}
}

// A part of a part of a set knows the files and the first places of its images.
func TestSubsetFiles(t *testing.T) {
	s := &Set{C: 1, H: 1, W: 1, Classes: 2, Pixels: []uint8{0, 1, 2, 3}, Labels: []int32{0, 1, 0, 1}, Files: []string{"a/0.png", "b/1.png", "a/2.png", "b/3.png"}}
	p := s.Subset([]int32{3, 1, 2}).Subset([]int32{0, 2}).Head(2)
	for i, want := range []int{3, 2} {
		if p.Place(i) != want || p.File(i) != s.Files[want] || int(p.pixels(i)[0]) != want {
			t.Errorf("image %d is number %d, %q, want %d, %q", i, p.Place(i), p.File(i), want, s.Files[want])
		}
	}
	s.Files = nil
	if got := s.Subset([]int32{1}).File(0); got != "" {
		t.Errorf("an image without a file has %q", got)
	}
}
