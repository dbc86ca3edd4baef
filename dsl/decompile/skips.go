package decompile

import (
	"errors"
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// This file finds the values that later lines read by the names of their lines, as the skip
// connections of a U-Net: branches that do not nest, or that would nest deeper than a person
// reads.

// mostNamed is the largest number of values with names that a text has.
const mostNamed = 200

// nameError says that a value must have a name to be read in several branches.
type nameError struct {
	v *ir.Value
}

func (e *nameError) Error() string {
	return fmt.Sprintf("the result of %s is read by branches that do not begin with it", e.v.Name)
}

// isSource reports whether a pipeline can begin with a value: the input or a value with a name.
func (p *pipeliner) isSource(v *ir.Value) bool { return p.named[v] || v == p.g.Inputs[0] }

// line is a pipeline that ends with a value with a name, or with the output of the network.
type line struct {
	out    *ir.Value
	pieces []*piece
}

// lines returns the pipelines of a graph in which some values have names, in an order in which
// each reads only those before it.
func (p *pipeliner) lines() ([]line, error) {
	var list []line
	in := p.g.Inputs[0]
	before := in
	for _, n := range p.g.Nodes {
		v := n.Out[0]
		if !p.named[v] && v != p.g.Outputs[0] {
			continue
		}
		pieces, err := p.between(nil, v, 0)
		if err != nil {
			return nil, err
		}
		list = append(list, line{v, implied(pieces, before)})
		before = v
	}
	return list, nil
}

// implied leaves out what a pipeline begins with if that is the output of the line before it.
func implied(list []*piece, before *ir.Value) []*piece {
	switch first := list[0]; {
	case first.from == before:
		return list[1:]
	case first.branches != nil:
		for i, b := range first.branches {
			if len(b) > 0 && b[0].from == before {
				first.branches[i] = b[1:]
			}
		}
	}
	return list
}

// skips returns the values with names that make long branches, which return to the size that they
// begin with, lines of their own: that before each layer that makes maps larger.
func (p *pipeliner) skips() []*ir.Value {
	var list []*ir.Value
	for _, n := range p.g.Nodes {
		switch n.Op.(type) {
		case ops.Concat, ops.Add:
		default:
			continue
		}
		ins := inputs(n)
		if len(ins) != 2 || len(n.In) != 2 {
			continue
		}
		start := p.idom[n.Out[0]]
		for i, v := range ins {
			if !p.short(ins[1-i], start) {
				continue
			}
			if from := p.enlarged(v, start); from != nil && !slices.Contains(list, from) {
				list = append(list, from)
			}
		}
	}
	return list
}

// short reports whether a value is another one, or at most one layer with weights away.
func (p *pipeliner) short(v, start *ir.Value) bool {
	layers := 0
	for v != start {
		if v.Def == nil || joins(v.Def) {
			return false
		}
		switch v.Def.Op.(type) {
		case ops.Conv, ops.Dense:
			layers++
		}
		if ins := inputs(v.Def); len(ins) == 1 && layers < 2 && !enlarges(v.Def) {
			v = ins[0]
			continue
		}
		return false
	}
	return true
}

// enlarged returns the value before the last layer that makes maps larger between two values, nil
// if there is none.
func (p *pipeliner) enlarged(v, start *ir.Value) *ir.Value {
	for v != start && v.Def != nil && !joins(v.Def) {
		ins := inputs(v.Def)
		if len(ins) != 1 {
			return nil
		}
		if enlarges(v.Def) {
			if ins[0] == start || ins[0].Def == nil {
				return nil
			}
			return ins[0]
		}
		v = ins[0]
	}
	return nil
}

// enlarges reports whether a layer makes maps larger.
func enlarges(n *ir.Node) bool {
	op, ok := n.Op.(ops.Node)
	if !ok || op.Type != "Resize" && op.Type != "ConvTranspose" && op.Type != "DepthToSpace" {
		return false
	}
	return area(n.Out[0]) > area(inputs(n)[0])
}

// findLines returns the pipelines of a graph with one output whose branches do not nest, or not
// well. It gives values names until all can be written.
func findLines(g *ir.Graph, first []*ir.Value) ([]line, error) {
	named := map[*ir.Value]bool{}
	for _, v := range first {
		named[v] = true
	}
	for len(named) <= mostNamed {
		p := newPipeliner(g)
		p.named = named
		if err := p.dominators(); err != nil {
			return nil, err
		}
		list, err := p.lines()
		var missing *nameError
		if !errors.As(err, &missing) || named[missing.v] {
			return list, err
		}
		named[missing.v] = true
	}
	return nil, fmt.Errorf("more than %d of its values are read in several places", mostNamed)
}
