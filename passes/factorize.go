package passes

import (
	"errors"
	"fmt"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Factorize replaces an n x n convolution by an n x 1 and a 1 x n convolution, and
// likewise an m x n convolution. It does so if mid * (c_in + c_out) < n * c_in * c_out, that
// is, if there are fewer weights, and if the cost model estimates a lower cost.
var Factorize = Pass{
	Name:     "factorize",
	Doc:      "replaces an n x n convolution by an n x 1 and a 1 x n convolution",
	Ref:      "Szegedy 2016, section 3.2",
	Contract: Redesign,
	After:    []Constraint{{"stack-3x3", "factorize would leave no 5x5 convolution for stack-3x3"}},
	Variants: []Arg{
		{"retrain", "with an activation between the two: another function, so the network must be trained afterwards", ""},
		{"svd", "without an activation between the two: the best approximation of the trained layer (truncated SVD); mid is the rank", ""},
	},
	Args: append(withDefault(redesignArgs, "mid", "in"),
		Arg{"max-error", "for svd, instead of mid: use the smallest rank for which the relative error of the layer's weights is at most this number", ""}),
	Run: func(r *ir.Rewriter, o Options) error {
		d, err := newRedesigner(r, o)
		if err != nil {
			return err
		}
		if o.step.Variant() == "svd" {
			return factorizeSVD(d)
		}
		if o.Arg("max-error") != "" || d.mid == "full" {
			return errors.New("max-error and mid=full need factorize=svd: without trained weights there is no approximation error")
		}
		for _, n := range r.Nodes() {
			l, ok := convLayer(r, n)
			if !ok || l.kernel()[0] == 1 || l.kernel()[1] == 1 || !d.wants(l.kernel()) {
				continue
			}
			if err := d.untrained("use factorize=svd, which approximates them, or redesign the topology and then train"); err != nil {
				return err
			}
			if p, pays, why := factorize(d, l); d.consider(l, p, pays, why) {
				d.apply(l, p)
			}
		}
		return nil
	},
}

// factorize plans the pair with the number of channels that the argument mid asks for.
func factorize(d *redesigner, l layer) (p plan, pays bool, why string) {
	return pair(l, d.width(l))
}

// pair plans an n x 1 and a 1 x n convolution with mid channels between them. pays reports
// whether they have fewer weights than the layer; why shows the two numbers.
func pair(l layer, mid int) (p plan, pays bool, why string) {
	k := l.kernel()
	p.mid = mid
	p.first.kernel, p.second.kernel = ir.HW{k[0], 1}, ir.HW{1, k[1]}
	p.first.conv, p.second.conv = Halves(l.conv)
	c, o := l.weight.Type.Shape[1], l.outs()
	after, before := p.mid*(k[0]*c+k[1]*o), k[0]*k[1]*c*o
	pays = after < before
	if k[0] == k[1] {
		// Divide both by n, as in the formula of the paper.
		after, before = after/k[0], before/k[0]
		return p, pays, fmt.Sprintf("%d*(%d+%d) = %d against %d*%d*%d = %d", p.mid, c, o, after, k[0], c, o, before)
	}
	return p, pays, fmt.Sprintf("%d*(%d*%d+%d*%d) = %d against %d*%d*%d*%d = %d", p.mid, k[0], c, k[1], o, after, k[0], k[1], c, o, before)
}

// Halves returns the attributes of the KH x 1 and the 1 x KW convolution that together have the
// padding, dilation and stride of a convolution. The activation is in both.
func Halves(c ops.Conv) (first, second ops.Conv) {
	first, second = c, c
	first.Pad = ir.Pads{c.Pad[0], 0, c.Pad[2], 0}
	second.Pad = ir.Pads{0, c.Pad[1], 0, c.Pad[3]}
	first.Dilation = ir.HW{c.Dilation[0], 1}
	second.Dilation = ir.HW{1, c.Dilation[1]}
	first.Stride = ir.HW{c.Stride[0], 1}
	second.Stride = ir.HW{1, c.Stride[1]}
	return first, second
}
