package decompile

import (
	"fmt"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// asGraph writes a graph in the flat form. Constants whose elements the text cannot hold
// become states, which are stored with the weights.
func asGraph(old *ir.Graph) (*Spec, error) {
	g := old.Clone()
	g.Parts, g.Updates = nil, nil
	data := g.Data
	g.Data = map[string]*tensor.F32{}
	for _, v := range g.Params {
		d := data[v.Name]
		switch {
		case v.Param.Kind == ir.Constant && d != nil && len(d.Data) <= mostConstant:
			g.Data[v.Name] = d
		case v.Param.Kind == ir.Constant && d != nil:
			v.Param.Kind = ir.State
			v.Param.Init = ir.Init{Kind: ir.InitConstant}
		case v.Param.Kind != ir.Constant && v.Param.Init.Kind == "":
			v.Param.Init = flatInit(v)
		}
		if v.Param.Kind == ir.State {
			v.Param.LR, v.Param.Decay = 0, 0
		}
	}
	s := &Spec{Text: dsl.Print(g)}
	const name = "net.incc"
	loaded, diags := dsl.Load(name, s.Text, dsl.Options{})
	if diags.HasErrors() {
		return nil, fmt.Errorf("the language cannot say this network: %w", diags.Err())
	}
	s.Graph = loaded
	s.Weights = map[string]string{}
	for _, v := range loaded.Params {
		if d := data[v.Name]; d != nil {
			s.Graph.Data[v.Name] = d
		} else if v.Param.Init.Kind != ir.InitConstant {
			return nil, fmt.Errorf("the weight %s has no elements", v.Name)
		}
		s.Weights[v.Name] = v.Name
	}
	return s, sameGraph(old, loaded, s.Weights)
}

// mostConstant is the largest number of elements of a constant that the text holds.
const mostConstant = 16

// flatInit returns an initialization for a weight, for a training from the beginning.
func flatInit(v *ir.Value) ir.Init {
	if len(v.Type.Shape) > 1 && v.Param.Kind == ir.Weight {
		return ir.Init{Kind: ir.InitHeUniform}
	}
	return ir.Init{Kind: ir.InitConstant}
}
