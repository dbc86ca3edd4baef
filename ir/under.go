package ir

import (
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir/recipe"
)

// Under reports whether a value belongs to a part of the network: whether its name
// begins with the part's path. The path may name a label (3a), a block below it
// (3a/inception), or a layer (3a/inception/conv_1x1).
func Under(name, path string) bool {
	return len(name) > len(path) && name[len(path)] == '/' && name[:len(path)] == path
}

// UnderAny reports whether a value belongs to one of several parts.
func UnderAny(name string, paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return Under(name, p) })
}

// PartPaths lists every path that Under accepts for this network, in order: the labels,
// and the paths of all layers with weights.
func (g *Graph) PartPaths() []string {
	var paths []string
	seen := map[string]bool{}
	add := func(p string) {
		if !seen[p] {
			seen[p] = true
			paths = append(paths, p)
		}
	}
	for _, p := range g.Parts {
		add(p.Name)
	}
	for _, v := range g.Params {
		for i := range v.Name {
			if v.Name[i] == '/' && v.Param.Kind != Constant {
				add(v.Name[:i])
			}
		}
	}
	return paths
}

// PartNames lists the shortest of PartPaths, those of the top level: an error that
// lists the parts of a network prints them.
func (g *Graph) PartNames() []string {
	return slices.DeleteFunc(g.PartPaths(), func(p string) bool { return strings.Contains(p, "/") })
}

// Downstream adds to a set of values all that are computed from them.
func (g *Graph) Downstream(of map[*Value]bool) {
	for _, n := range g.Nodes {
		if slices.ContainsFunc(n.In, func(v *Value) bool { return of[v] }) {
			for _, o := range n.Out {
				of[o] = true
			}
		}
	}
}

// RateOf is the factor on the learning rate of a weight, with the factors that a recipe
// gives to parts.
func RateOf(v *Value, rates []recipe.Rate) float64 {
	by := v.Param.LR
	for _, r := range rates {
		if UnderAny(v.Name, r.Parts) {
			by *= r.By
		}
	}
	return by
}

// Trains reports whether a training changes a weight that leads to the first output: one
// that is not in a frozen part and whose factor on the learning rate is not 0.
func (g *Graph) Trains(frozen []string, rates []recipe.Rate) bool {
	moving := map[*Value]bool{}
	for _, v := range g.Params {
		moving[v] = v.Param.Kind == Weight && !UnderAny(v.Name, frozen) && RateOf(v, rates) != 0
	}
	g.Downstream(moving)
	return len(g.Outputs) > 0 && moving[g.Outputs[0]]
}
