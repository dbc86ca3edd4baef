package cpu

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
)

// Params names the params of a training step, in the order of the graph.
func (p *Program) Params() []string {
	var l []string
	for _, s := range p.plan.State {
		l = append(l, s.Name)
	}
	return l
}

func (p *Program) param(name string) (plan.State, error) {
	for _, s := range p.plan.State {
		if s.Name == name {
			return s, nil
		}
	}
	return plan.State{}, fmt.Errorf("%w: no param of %s is called %s", ErrInput, p.plan.Name, name)
}

// Param returns a copy of a param of a training step as it is now, row-major
// (convolutions OIHW, dense layers OI).
func (s *Session) Param(name string) ([]float32, error) {
	st, err := s.p.param(name)
	if err != nil {
		return nil, err
	}
	by, _ := st.By.(kernel.Runner)
	out := make([]float32, st.Shape.Size())
	return out, kernel.UnpackFrom(s.state.Mem[st.Off:st.Off+st.Len], out, st.How, st.Arg, by)
}

// SetParam replaces a param of a training step.
func (s *Session) SetParam(name string, values []float32) error {
	st, err := s.p.param(name)
	if err != nil {
		return err
	}
	if len(values) != st.Shape.Size() {
		return fmt.Errorf("%w: %s (%v) has %d elements, %d were given", ErrInput, name, st.Shape, st.Shape.Size(), len(values))
	}
	by, _ := st.By.(kernel.Runner)
	return kernel.PackInto(s.state.Mem[st.Off:st.Off+st.Len], st.How, st.Arg, by, values)
}
