package weights

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/weights/names"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// This file finds networks whose weights have the names and shapes of those of a class, but
// which compute other numbers with them.

// variantError says that the weights of a class are for another network. whole is true if their
// file has the network, too.
func variantError(g *ir.Graph, t *names.Table, why string, whole bool) error {
	how := ""
	switch {
	case whole:
		how = "; the file has the network, too: take the file in place of the spec"
	case t.Library == "keras":
		how = "; or save the whole model in Keras, model.save(\"model.keras\"), and take that file in place of the spec"
	}
	return fmt.Errorf("the file has weights of %s, with which %s would compute other numbers: %s%s", t.Of(), g.Name, why, how)
}

// computes returns an error if a network that has the layers of a class computes something
// else. whole is as in variantError.
func computes(g *ir.Graph, t *names.Table, whole bool) error {
	var why []string
	add := func(reason string) {
		if !slices.Contains(why, reason) {
			why = append(why, reason)
		}
	}
	for _, n := range g.Nodes {
		switch op := n.Op.(type) {
		case ops.BatchNorm:
			if t.Eps != 0 && math.Abs(op.Eps-t.Eps) > 0.01*t.Eps {
				add(fmt.Sprintf("its batch normalization has an epsilon of %g, that of the spec %g (in a copy of the spec, which incc new makes, write bn=%g)", t.Eps, op.Eps, t.Eps))
			}
		case ops.AvgPool:
			if t.NoPadCount && op.IncludePad && op.Pad != (ir.Pads{}) {
				add("its averages do not count the padding (give the built-in spec -D count_padding=0, or write default avgpool include_pad=0 in a copy)")
			}
		case ops.Conv:
			p := op.Pad
			if t.EndPad && op.Stride == (ir.HW{2, 2}) && p != (ir.Pads{}) && p[0] == p[2] && p[1] == p[3] {
				add("where the stride is 2 it pads below and right alone (in a copy of the spec, write pad=same for pad=1)")
			}
		}
	}
	if len(why) == 0 {
		return nil
	}
	return variantError(g, t, strings.Join(why, "; "), whole)
}
