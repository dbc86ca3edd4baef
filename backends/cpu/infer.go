package cpu

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// Port is an input or output of a program. If Shape begins with ir.Batch, it takes or gives
// any number of images; otherwise its size is fixed.
type Port struct {
	Name  string
	Shape ir.Shape
}

// Inputs returns the inputs of the program, in the order of the graph.
func (p *Program) Inputs() []Port { return ports(p.plan.Inputs) }

// Outputs returns the outputs of the program, in the order of the graph.
func (p *Program) Outputs() []Port { return ports(p.plan.Outputs) }

func ports(edges []plan.Edge) []Port {
	l := make([]Port, len(edges))
	for i, e := range edges {
		l[i] = Port{e.Name, slices.Clone(e.Shape)}
	}
	return l
}

// Infer computes the outputs for some images: one array for each input of the graph, in
// order, row-major, with the shapes that Inputs returns. The number of images may be
// larger than Options.Batch: they are computed in several runs. If all inputs have a fixed
// size, Infer does one run. Errors about arrays that do not fit wrap ErrInput.
//
// Infer is safe for concurrent use. It runs on sessions that the program keeps, at most
// GOMAXPROCS of them; a call waits until one is free. A training step has no Infer: its
// params are those of a session.
func (p *Program) Infer(inputs ...*tensor.F32) ([]*tensor.F32, error) {
	if p.plan.Train {
		return nil, fmt.Errorf("%w: %s is a training step, which runs in a session of its own", ErrInput, p.plan.Name)
	}
	images, err := p.countImages(inputs)
	if err != nil {
		return nil, err
	}
	outputs := make([]*tensor.F32, len(p.plan.Outputs))
	for i, e := range p.plan.Outputs {
		outputs[i] = tensor.Make[float32](e.Shape.Bind(images))
	}
	s := p.contexts.take(p)
	defer p.contexts.give(s)
	in, out := make([][]float32, len(inputs)), make([][]float32, len(outputs))
	for first := 0; first < images; first += p.plan.Batch {
		end := min(images, first+p.plan.Batch)
		for i, e := range p.plan.Inputs {
			in[i] = part32(inputs[i].Data, e, first, end)
		}
		for i, e := range p.plan.Outputs {
			out[i] = part32(outputs[i].Data, e, first, end)
		}
		if err := s.Run(in, out); err != nil {
			return nil, err
		}
	}
	return outputs, nil
}

// InferNamed is Infer with inputs and outputs by their names.
func (p *Program) InferNamed(inputs map[string]*tensor.F32) (map[string]*tensor.F32, error) {
	if err := p.knownInputs(inputs); err != nil {
		return nil, err
	}
	list := make([]*tensor.F32, len(p.plan.Inputs))
	for i, e := range p.plan.Inputs {
		list[i] = inputs[e.Name]
		if list[i] == nil {
			return nil, fmt.Errorf("%w: input %s (%v) of %s is missing", ErrInput, e.Name, e.Shape, p.plan.Name)
		}
	}
	outputs, err := p.Infer(list...)
	if err != nil {
		return nil, err
	}
	named := map[string]*tensor.F32{}
	for i, e := range p.plan.Outputs {
		named[e.Name] = outputs[i]
	}
	return named, nil
}

// knownInputs returns an error that names the first input, by name, that the network does not
// have, and the inputs that it has.
func (p *Program) knownInputs(inputs map[string]*tensor.F32) error {
	var has []string
	for _, e := range p.plan.Inputs {
		has = append(has, fmt.Sprintf("%q (%v)", e.Name, e.Shape))
	}
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		if !slices.ContainsFunc(p.plan.Inputs, func(e plan.Edge) bool { return e.Name == name }) {
			return fmt.Errorf("%w: %s has no input %q (it has %s)", ErrInput, p.plan.Name, name, strings.Join(has, ", "))
		}
	}
	return nil
}

// part32 returns the elements of the images first..end-1 of an input or output. One
// without a batch is used as a whole by every run.
func part32(data []float32, e plan.Edge, first, end int) []float32 {
	if e.Fixed {
		return data
	}
	return data[first*e.Size : end*e.Size]
}

// countImages returns the number of images in some inputs, after it checked their shapes.
func (p *Program) countImages(inputs []*tensor.F32) (int, error) {
	edges := p.plan.Inputs
	if len(inputs) != len(edges) {
		return 0, fmt.Errorf("%w: %s has %d inputs, %d were given", ErrInput, p.plan.Name, len(edges), len(inputs))
	}
	images := 0
	for i, e := range edges {
		x := inputs[i]
		if x == nil {
			return 0, fmt.Errorf("%w: input %s (%v) is nil", ErrInput, e.Name, e.Shape)
		}
		fits := len(x.Shape) == len(e.Shape)
		for j := 0; fits && j < len(e.Shape); j++ {
			fits = x.Shape[j] == e.Shape[j] || e.Shape[j] == ir.Batch && x.Shape[j] > 0
		}
		n := 1
		if fits && !e.Fixed {
			n = x.Shape[0]
		}
		if want := e.Size * n; !fits || len(x.Data) != want {
			return 0, fmt.Errorf("%w: input %s is %v, an array of shape %v with %d numbers was given", ErrInput, e.Name, e.Shape, ir.Shape(x.Shape), len(x.Data))
		}
		if e.Fixed {
			continue
		}
		if images != 0 && n != images {
			return 0, fmt.Errorf("%w: input %s has %d images, an input before it %d", ErrInput, e.Name, n, images)
		}
		images = n
	}
	return max(1, images), nil
}

// contexts are the sessions of a program that Infer uses.
type contexts struct {
	once sync.Once
	idle chan *Session // sessions that are not in use
	more chan struct{} // one for each session that may still be made
}

// take returns a session that is not in use. It makes one if there is none and the limit
// allows it; otherwise it waits.
func (c *contexts) take(p *Program) *Session {
	c.once.Do(func() {
		n := runtime.GOMAXPROCS(0)
		c.idle, c.more = make(chan *Session, n), make(chan struct{}, n)
		for range n {
			c.more <- struct{}{}
		}
	})
	select {
	case s := <-c.idle:
		return s
	default:
	}
	select {
	case s := <-c.idle:
		return s
	case <-c.more:
		return p.NewSession()
	}
}

// give makes a session free for the next call.
func (c *contexts) give(s *Session) { c.idle <- s }
