package train

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
)

// idle holds the params of a network that a step neither reads nor changes: those of
// heads that lead to frozen weights only. Checkpoints and weight files have them all the
// same.
type idle map[string][]float32

// idleParams finds the params of a network, whose weights have data, that an engine does
// not list.
func idleParams(g *ir.Graph, have []Param) (idle, []Param) {
	listed := map[string]bool{}
	for _, p := range have {
		listed[p.Name] = true
	}
	values := idle{}
	var more []Param
	for _, v := range g.Params {
		if v.Param.Kind == ir.Constant || listed[v.Name] {
			continue
		}
		values[v.Name] = append([]float32(nil), g.Data[v.Name].Data...)
		more = append(more, Param{Name: v.Name, Shape: v.Type.Shape})
	}
	return values, more
}

func (d idle) get(name string, dst []float32) error {
	if len(d[name]) != len(dst) {
		return fmt.Errorf("param %s has %d values, not %d", name, len(d[name]), len(dst))
	}
	copy(dst, d[name])
	return nil
}

func (d idle) set(name string, src []float32) error {
	if len(d[name]) != len(src) {
		return fmt.Errorf("param %s has %d values, not %d", name, len(d[name]), len(src))
	}
	copy(d[name], src)
	return nil
}
