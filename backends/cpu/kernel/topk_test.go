package kernel

import (
	"math"
	"sort"
	"testing"
)

func TestTopK(t *testing.T) {
	r := newRand(9)
	for n := range 68 {
		scores := make([]float32, n)
		for i := range scores {
			scores[i] = float32(r.IntN(12))
			if r.IntN(10) == 0 {
				scores[i] = float32(math.NaN())
			}
		}
		want := make([]int, n)
		for i := range want {
			want[i] = i
		}
		sort.SliceStable(want, func(a, b int) bool {
			x, y := scores[want[a]], scores[want[b]]
			return x > y || x == x && y != y
		})
		for _, k := range []int{0, 1, 2, 5, n, n + 3} {
			index := make([]int, k)
			got := TopK(index, scores)
			if got != min(k, n) {
				t.Fatalf("%d of %d: %d", k, n, got)
			}
			for i := range got {
				if index[i] != want[i] {
					t.Fatalf("%d of %v: %v, want %v", k, scores, index[:got], want[:got])
				}
			}
		}
	}
}

func TestArgMax(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		x    []float64
		want int
	}{{[]float64{1}, 0}, {[]float64{1, 3, 3, 2}, 1}, {[]float64{-2, -1}, 1}, {[]float64{1, nan, 5, nan}, 1}, {[]float64{nan, 1}, 0}} {
		if got := ArgMax(c.x); got != c.want {
			t.Errorf("ArgMax(%v) = %d, want %d", c.x, got, c.want)
		}
	}
}
