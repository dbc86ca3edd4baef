// Package executor compiles ONNX models for the executor of package cpu, in the form that
// fits: for any number of images, or for the shapes of the model as they are.
package executor

import (
	"errors"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/form"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes"
)

// Compile compiles g, the graph of the model m, for o.Batch images. If the executor does not
// run g, because its batch is symbolic or it has no batch axis, Compile tries the equivalent
// graphs of package form. Inputs and outputs of the program have the elements of the graph's
// in the same order, though perhaps other shapes. compile is cpu.Compile or a function that
// calls it.
func Compile(m *onnx.Model, g *ir.Graph, o cpu.Options, compile func(*ir.Graph, cpu.Options) (*cpu.Program, error)) (*cpu.Program, error) {
	first, err := compile(g, o)
	if err == nil || !errors.Is(err, plan.ErrUnsupported) {
		return first, err
	}
	fixed, importErr := onnx.ImportWith(onnx.Bind(m, max(1, o.Batch)), onnx.ImportOptions{FixedBatch: true})
	if importErr != nil {
		return nil, err
	}
	fold, foldErr := passes.Parse("const-fold")
	if foldErr == nil {
		_, foldErr = passes.Run(fixed, fold, passes.Options{})
	}
	if foldErr != nil {
		return nil, foldErr
	}
	for _, rewrite := range form.All {
		h, batch, formErr := rewrite(fixed)
		if formErr != nil {
			continue
		}
		o.Batch = batch
		p, formErr := compile(h, o)
		if formErr == nil || !errors.Is(formErr, plan.ErrUnsupported) {
			return p, formErr
		}
	}
	return nil, err
}
