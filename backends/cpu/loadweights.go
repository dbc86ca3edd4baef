package cpu

import (
	"fmt"
	"sort"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// LoadWeights gives a network the weights and statistics in tensors, by name, before it is
// compiled. There must be one for every param of the network that is not constant, with its
// shape, and no others; only weights of auxiliary classifiers may be missing. Otherwise
// LoadWeights changes nothing and returns an *ir.MisfitError, which lists all differences.
// The network keeps the tensors and does not copy them.
//
// Package weights reads such tensors from files and matches names of other libraries.
func LoadWeights(g *ir.Graph, tensors map[string]*tensor.F32) error {
	var have []ir.NamedShape
	var bad []string
	for name, t := range tensors {
		if t == nil {
			bad = append(bad, name+" is nil")
			continue
		}
		have = append(have, ir.NamedShape{Name: name, Shape: t.Shape})
		if n := tensor.Size(t.Shape); n != len(t.Data) {
			bad = append(bad, fmt.Sprintf("%s has %d elements for shape %v", name, len(t.Data), ir.Shape(t.Shape)))
		}
	}
	sort.Slice(have, func(i, j int) bool { return have[i].Name < have[j].Name })
	if bad = append(bad, g.Misfits(have, "the map", nil)...); len(bad) > 0 {
		sort.Strings(bad)
		return &ir.MisfitError{Net: g.Name, List: bad}
	}
	for name, t := range tensors {
		g.Data[name] = t
	}
	return nil
}
