package epochs

import (
	"math"
	"testing"
)

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		s           Schedule
		epoch, want float64
	}{
		{Schedule{}, 5, .1},
		{Schedule{Kind: "constant"}, 5, .1},
		{Schedule{Kind: "step", Every: 8, Factor: .96}, 7.99, .1},
		{Schedule{Kind: "step", Every: 8, Factor: .96}, 16, .1 * .96 * .96},
		{Schedule{Kind: "step", At: []float64{3, 6}, Factor: .1}, 4, .01},
		{Schedule{Kind: "step", At: []float64{3, 6}, Factor: .1}, 6, .001},
		{Schedule{Kind: "exp", Every: 2, Factor: .94}, 5, .1 * math.Pow(.94, 2.5)},
		{Schedule{Kind: "exp", Every: 2, Factor: .94}, 7.77, .1 * math.Pow(.94, 3.885)},
		{Schedule{Kind: "poly", Power: .5}, 7.5, .1 * .5},
		{Schedule{Kind: "poly"}, 5, .05},
		{Schedule{Kind: "poly", Power: .5}, 10, 0},
		{Schedule{Kind: "cosine"}, 0, .1},
		{Schedule{Kind: "cosine"}, 2.5, .05 * (1 + math.Cos(math.Pi/4))},
		{Schedule{Kind: "cosine"}, 10, 0},
		{Schedule{Kind: "cosine", Floor: .01}, 10, .01},
		{Schedule{Kind: "constant", Warmup: 2}, 1, .1 * 1.001 / 2},
		{Schedule{Kind: "plateau", Factor: .5}, 1, .1 / 8},
		{Schedule{Kind: "plateau", Floor: .09}, 1, .09},
	} {
		c.s.Base, c.s.Epochs = .1, 10
		if got := c.s.Rate(c.epoch, 3); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%+v at epoch %g: %g, want %g", c.s, c.epoch, got, c.want)
		}
	}
}

func TestPower(t *testing.T) {
	for x := .01; x < 3; x += .17 {
		for y := 0.; y < 90; y += .83 {
			if got, want := power(x, y), math.Pow(x, y); math.Abs(got-want) > 1e-13*want {
				t.Errorf("power(%g, %g) = %g, want %g", x, y, got, want)
			}
		}
	}
	for _, c := range [][3]float64{{0, 0, 1}, {0, .5, 0}, {.5, 1e300, 0}, {1, 1e300, 1}, {.9999999, 1 << 21, math.Pow(.9999999, 1<<21)}, {4, .5, 2}, {.3, 5e-324, 1}} {
		if got := power(c[0], c[1]); math.Abs(got-c[2]) > 1e-9 {
			t.Errorf("power(%g, %g) = %g, want %g", c[0], c[1], got, c[2])
		}
	}
}
