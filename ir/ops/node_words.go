package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
)

// This file reads and writes the attributes of nodes that are layers of the language.

func readerOf(op Node) *attrReader {
	attrs, err := nodes.ParseNodeAttrs(op.Attrs)
	return &attrReader{attrs, err == nil}
}

// Shuffle returns the operator that moves channels into blocks of b x b pixels (Shi 2016). crd says
// that the pixels of a block are neighbouring channels, as in PyTorch; else the channels of a
// pixel are.
func Shuffle(b int, crd bool) Node {
	a := nodes.NodeAttrs{"blocksize": nodes.NodeInts(b)}
	if crd {
		a["mode"] = "CRD"
	}
	return Node{Type: "DepthToSpace", Attrs: a.String()}
}

// ShuffleOf reads a node that Shuffle returns.
func ShuffleOf(op Node) (b int, crd, ok bool) {
	r := readerOf(op)
	b = r.ints("blocksize", 1, 0)[0]
	mode := r.word("mode", "DCR")
	return b, mode == "CRD", op.Type == "DepthToSpace" && op.Kinds == "" && r.ok && b > 0 && (mode == "CRD" || mode == "DCR")
}

// PadModes lists the paddings of maps with elements of the map.
var PadModes = []string{"reflect", "edge", "wrap"}

// Padding returns the operator that pads height and width with elements of the map. mode is one of
// PadModes.
func Padding(p ir.Pads, mode string) Node {
	a := nodes.NodeAttrs{"mode": mode, "pads": nodes.NodeInts(0, 0, p[0], p[1], 0, 0, p[2], p[3])}
	return Node{Type: "Pad", Attrs: a.String()}
}

// PaddingOf reads a node with operands of some types that Padding returns.
func PaddingOf(op Node, in []ir.Type) (p ir.Pads, mode string, ok bool) {
	r := readerOf(op)
	if op.Type != "Pad" || op.Kinds != "" || len(in) < 1 || len(in[0].Shape) != 4 {
		return p, "", false
	}
	mode = r.word("mode", "constant")
	axes := []int{0, 1, 2, 3}
	if r.given("axes") {
		axes = r.list("axes")
	}
	pads := r.ints("pads", 2*len(axes), 0)
	ok = mode == "reflect" || mode == "edge" || mode == "wrap"
	for i, a := range axes {
		if a < 0 {
			a += 4
		}
		lo, hi := pads[i], pads[len(axes)+i]
		switch {
		case lo < 0 || hi < 0 || a < 0 || a > 3 || a < 2 && lo+hi > 0:
			ok = false
		case a > 1:
			p[a-2], p[a] = lo, hi
		}
	}
	return p, mode, ok && r.ok
}

// InstanceNorm returns the operator that standardizes every map of every image by itself.
func InstanceNorm(eps float64) Node {
	return Node{Type: "InstanceNormalization", Attrs: nodes.NodeAttrs{"epsilon": nodes.NodeFloats(eps)}.String()}
}

// GroupNorm returns the operator that standardizes groups of channels of an image (Wu 2018).
func GroupNorm(groups int, eps float64) Node {
	a := nodes.NodeAttrs{"epsilon": nodes.NodeFloats(eps), "num_groups": nodes.NodeInts(groups)}
	return Node{Type: "GroupNormalization", Attrs: a.String()}
}

// EpsilonOf returns what a normalization adds to the variance.
func EpsilonOf(op Node) (eps float64, ok bool) {
	r := readerOf(op)
	eps = r.float("epsilon", 1e-5)
	return eps, r.ok
}

// GroupsOf returns the number of groups of a group normalization.
func GroupsOf(op Node) (groups int, ok bool) {
	r := readerOf(op)
	return r.ints("num_groups", 1, 0)[0], r.ok
}
