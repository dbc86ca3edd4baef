package passes

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
)

// Stack3x3 replaces a 5x5 convolution by two 3x3 convolutions. They have the same receptive
// field, 18 weights for each pair of channels instead of 25, and one more activation.
var Stack3x3 = Pass{
	Name:     "stack-3x3",
	Doc:      "replaces a 5x5 convolution by two 3x3 convolutions with an activation between them",
	Ref:      "Szegedy 2016, section 3.1; Ioffe 2015, section 4.2.1",
	Contract: Redesign,
	Args:     withDefault(redesignArgs, "mid", "out"),
	Run: func(r *ir.Rewriter, o Options) error {
		d, err := newRedesigner(r, o)
		if err != nil {
			return err
		}
		for _, n := range r.Nodes() {
			l, ok := convLayer(r, n)
			if !ok || l.kernel() != (ir.HW{5, 5}) || !d.wants(l.kernel()) {
				continue
			}
			if err := d.untrained("redesign the topology, then train"); err != nil {
				return err
			}
			if p, pays, why := stack(d, l); d.consider(l, p, pays, why) {
				d.apply(l, p)
			}
		}
		return nil
	},
}

func stack(d *redesigner, l layer) (p plan, pays bool, why string) {
	p.mid = d.width(l)
	p.first = half{kernel: ir.HW{3, 3}, conv: l.conv}
	p.second = p.first
	for i, x := range l.conv.Pad {
		// The first convolution gets the larger half of an odd padding, so that the map
		// between the two is not too small.
		p.first.conv.Pad[i], p.second.conv.Pad[i] = x-x/2, x/2
	}
	c, o := l.weight.Type.Shape[1], l.outs()
	pays = 9*p.mid*(c+o) < 25*c*o
	return p, pays, fmt.Sprintf("9*%d*(%d+%d) = %d against 25*%d*%d = %d", p.mid, c, o, 9*p.mid*(c+o), c, o, 25*c*o)
}

// withDefault returns a copy of the arguments in which one has another default.
func withDefault(as []Arg, name, value string) []Arg {
	r := append([]Arg(nil), as...)
	for i := range r {
		if r[i].Name == name {
			r[i].Default = value
		}
	}
	return r
}
