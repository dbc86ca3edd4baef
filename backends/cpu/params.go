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
	places, err := unpacked(st)
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(places))
	for i, at := range places {
		out[i] = s.state.Mem[st.Off+at]
	}
	return out, nil
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
	by, _ := st.By.(kernel.Kernel)
	return kernel.PackInto(s.state.Mem[st.Off:st.Off+st.Len], st.How, st.Arg, by, values)
}

// unpacked returns where each element of a param lies among its packed ones. It
// finds out by packing numbers: an element's index in two digits, since a float32
// holds no more than 24 bits.
func unpacked(st plan.State) ([]int, error) {
	const base = 1 << 20
	by, _ := st.By.(kernel.Kernel)
	n := st.Shape.Size()
	digits := make([]float32, n)
	low, high := make([]float32, st.Len), make([]float32, st.Len)
	for i := range digits {
		digits[i] = float32(i%base + 1) // 0 is padding
	}
	if err := kernel.PackInto(low, st.How, st.Arg, by, digits); err != nil {
		return nil, err
	}
	for i := range digits {
		digits[i] = float32(i / base)
	}
	if err := kernel.PackInto(high, st.How, st.Arg, by, digits); err != nil {
		return nil, err
	}
	places := make([]int, n)
	for at, l := range low {
		if l > 0 {
			places[int(high[at])*base+int(l)-1] = at
		}
	}
	return places, nil
}
