package ir

import (
	"slices"
	"strings"
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
