package kernel

import "testing"

// TestGrouped compares groups of 4 and 8 channels with the definition, at all widths of maps up to
// 67: all sizes of strips and mixtures of them.
func TestGrouped(t *testing.T) {
	r := newRand(9, 2)
	for n := 1; n <= 67; n++ {
		width := 4 << (n % 2)
		channels := width * (1 + r.IntN(9))
		c := Conv{
			IC: channels, Groups: channels / width, H: 1 + r.IntN(5), W: n, KH: 1 + r.IntN(3), KW: 3,
			SH: 1 + r.IntN(3), SW: 1 + r.IntN(2), DH: r.IntN(3), PH: r.IntN(3), PW: r.IntN(4),
			Outputs: [4]Output{{C: channels, Act: fusedAct(r)}},
		}
		if n%3 == 0 {
			c.Residual, c.Scale = true, r.Float32()
		}
		if channels == width || !GroupedFits(c) != (c.Groups == 1) {
			continue
		}
		newConvCase(r, 1+n%2, c, n%2).check(t, func(c Conv) Kernel { return Grouped{c} }, 3e-6)
	}
}

// TestGroupedFits says which convolutions are Grouped's.
func TestGroupedFits(t *testing.T) {
	c := Conv{IC: 64, Groups: 16, KH: 3, KW: 3, SH: 2, SW: 2, Outputs: [4]Output{{C: 64}}}
	if !GroupedFits(c) {
		t.Error("groups of 4 do not fit")
	}
	for i, change := range []func(c *Conv){
		func(c *Conv) { c.Groups = 4 },
		func(c *Conv) { c.Groups = 0 },
		func(c *Conv) { c.Outputs[0].C = 128 },
		func(c *Conv) { c.Outputs[1].C = 64 },
		func(c *Conv) { c.KW = 5 },
		func(c *Conv) { c.SW = 3 },
		func(c *Conv) { c.DW = 2 },
		func(c *Conv) { c.Planar = true },
		func(c *Conv) { c.Outputs[0].Act = ActReLUBackward },
	} {
		d := c
		if change(&d); GroupedFits(d) {
			t.Errorf("change %d fits: %+v", i, d)
		}
	}
}
