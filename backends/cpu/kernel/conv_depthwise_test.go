package kernel

import (
	"testing"
)

func TestDepthwise(t *testing.T) {
	r := newRand(9, 1)
	for n := 1; n <= 67; n++ {
		c := Conv{
			IC: n, Groups: n, H: 1 + r.IntN(9), W: 1 + r.IntN(40), KH: 1 + r.IntN(5), KW: 1 + r.IntN(5),
			SH: 1 + r.IntN(3), SW: 1 + r.IntN(3), DH: r.IntN(3), DW: r.IntN(3), PH: r.IntN(7), PW: r.IntN(7),
			Outputs: [4]Output{{C: n, Act: fusedAct(r)}},
		}
		if n%3 == 0 {
			c.Residual, c.Scale = true, r.Float32()
		}
		if n%2 == 0 { // strips, of maps of all widths
			c.W, c.KW, c.SW, c.DW = n, 3, 1+r.IntN(2), 1
		}
		newConvCase(r, 1+n%2, c, n%2).check(t, func(c Conv) Kernel { return Depthwise{c} }, 3e-6)
	}
}
