package data

import (
	"cmp"
	"slices"

	"github.com/incc-lang/incc/backends/cpu/random"
)

// splitStream is the stream of random.Rand that Stratify draws from. Augmentation,
// dropout and the order of an epoch have other streams of the same seed.
const splitStream = 0xA0000003

// Subset returns some of the images as a set that shares their memory.
func (s *Set) Subset(images []int32) *Set {
	c := *s
	c.Labels, c.Places, c.Files, c.Originals = make([]int32, len(images)), make([]int32, len(images)), nil, nil
	for k, i := range images {
		c.Labels[k], c.Places[k] = s.Labels[i], i
		if s.Places != nil {
			c.Places[k] = s.Places[i]
		}
		if s.Files != nil {
			c.Files = append(c.Files, s.Files[i])
		}
		if s.Originals != nil {
			c.Originals = append(c.Originals, s.Originals[i])
		}
	}
	return &c
}

// Stratify draws n of the images, the same share of each class, and returns the
// others and those drawn, each in the order of the set. What it draws depends only
// on the labels, n and the seed. Where the numbers allow it, every class of two or
// more images is in both parts. It panics where n is not in 0..Len.
func (s *Set) Stratify(n int, seed int64) (rest, drawn *Set) {
	left := share(s.Counts(), n)
	isDrawn := make([]bool, s.Len())
	for _, i := range shuffled(s.Len(), seed) {
		if k := s.Labels[i]; left[k] > 0 {
			left[k]--
			isDrawn[i] = true
		}
	}
	a, b := make([]int32, 0, s.Len()-n), make([]int32, 0, n)
	for i, d := range isDrawn {
		if d {
			b = append(b, int32(i))
		} else {
			a = append(a, int32(i))
		}
	}
	return s.Subset(a), s.Subset(b)
}

// shuffled returns 0..n-1 in an order that depends on the seed (Fisher and Yates).
func shuffled(n int, seed int64) []int32 {
	r := random.NewRand(uint64(seed), 0, 0, splitStream)
	p := make([]int32, n)
	for i := range p {
		p[i] = int32(i)
	}
	for i := n - 1; i > 0; i-- {
		j := int(uint64(r.Uint32(uint64(i))) * uint64(i+1) >> 32)
		p[i], p[j] = p[j], p[i]
	}
	return p
}

// share divides n among classes in proportion to their counts, whose sum is at
// least n: the whole parts first, then one more for the largest remainders. Then a
// class that would be left without an image, or without a drawn one, trades with
// another class where one has more than it needs.
func share(counts []int, n int) []int {
	total := 0
	for _, c := range counts {
		total += c
	}
	out := make([]int, len(counts))
	if total == 0 {
		return out
	}
	order, left := make([]int, len(counts)), n
	for k, c := range counts {
		order[k] = k
		out[k] = int(int64(c) * int64(n) / int64(total))
		left -= out[k]
	}
	remainder := func(k int) int64 { return int64(counts[k]) * int64(n) % int64(total) }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(remainder(b), remainder(a)) })
	for _, k := range order[:left] {
		out[k]++
	}
	// most is the class for which f is largest, if that is above 1.
	most := func(f func(k int) int) (int, bool) {
		best := 0
		for k := range counts {
			if f(k) > f(best) {
				best = k
			}
		}
		return best, f(best) > 1
	}
	for k, c := range counts {
		if c > 0 && out[k] == c {
			if to, ok := most(func(k int) int { return counts[k] - out[k] }); ok {
				out[k], out[to] = out[k]-1, out[to]+1
			}
		}
	}
	for k, c := range counts {
		if c > 1 && out[k] == 0 {
			if from, ok := most(func(k int) int { return out[k] }); ok {
				out[k], out[from] = 1, out[from]-1
			}
		}
	}
	return out
}
