package epochs

import (
	"math"
	"slices"
	"testing"
)

func TestOrder(t *testing.T) {
	order := func(n int, seed int64, epoch int) []int32 {
		p := make([]int32, n)
		Order(p, seed, epoch)
		return p
	}
	for _, n := range []int{0, 1, 2, 17, 1000} {
		q := order(n, 5, 3)
		slices.Sort(q)
		for i, v := range q {
			if int(v) != i {
				t.Fatalf("of %d images, %d is missing", n, i)
			}
		}
	}
	if slices.Equal(order(1000, 5, 3), order(1000, 5, 4)) || slices.Equal(order(1000, 5, 3), order(1000, 6, 3)) {
		t.Error("the order does not depend on the epoch and the seed")
	}
	// Runs are to be had again: this order is that of all versions.
	if got, want := order(8, 1, 0), []int32{2, 0, 6, 5, 7, 1, 4, 3}; !slices.Equal(got, want) {
		t.Errorf("the order of eight images is %v, it was %v", got, want)
	}
}

func TestPixel(t *testing.T) {
	for _, c := range []struct {
		p       Pixel
		v, want float32
	}{
		{NewPixel(0, 255, 0, 1), 255, 255},
		{NewPixel(0, 1, 0, 1), 255, 1},
		{NewPixel(-1, 1, 0, 1), 0, -1},
		{NewPixel(0, 1, .5, .25), 255, 2},
		{NewPixel(0, 255, 104, 1), 0.5, -103.5},
	} {
		if got := c.p.Number(c.v); math.Abs(float64(got-c.want)) > 1e-6 {
			t.Errorf("%+v makes %g of %g, want %g", c.p, got, c.v, c.want)
		}
	}
}
