package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/advancedclimatesystems/gonnx"
	"github.com/gomlx/gomlx/backends/simplego"
	"github.com/gomlx/gomlx/pkg/core/graph"
	"github.com/gomlx/gomlx/pkg/core/tensors"
	"github.com/gomlx/gomlx/pkg/ml/context"
	gomlxonnx "github.com/gomlx/onnx-gomlx/onnx"
	onnxgo "github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend/x/gorgonnx"
	"gorgonia.org/tensor"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	incctensor "github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

// infer computes the output for the input that it was made with.
type infer func() ([]float32, error)

// runtimes are incc and the runtimes in Go that the module proxy serves.
var runtimes = []struct {
	name string
	load func(path string, in []float32, shape []int) (infer, error)
}{
	{"incc", loadIncc},
	{"gonnx 1.1.0", loadGonnx},
	{"onnx-go 0.5.0 (gorgonnx)", loadOnnxGo},
	{"GoMLX 0.26.0 (simplego)", loadGomlx},
}

// input returns noise in -1..1 for a model with one input, and its shape.
func input(path string) (shape []int, in []float32, err error) {
	g, err := onnx.Load(path, onnx.LoadOptions{})
	if err != nil {
		return nil, nil, err
	}
	shape = g.Inputs[0].Type.Shape.Bind(1)
	r := rand.New(rand.NewPCG(1, 2))
	in = make([]float32, ir.Shape(shape).Size())
	for i := range in {
		in[i] = 2*r.Float32() - 1
	}
	return shape, in, nil
}

func loadIncc(path string, in []float32, shape []int) (infer, error) {
	g, err := onnx.Load(path, onnx.LoadOptions{})
	if err != nil {
		return nil, err
	}
	if _, err := passes.Run(g, passes.Level(2), passes.Options{}); err != nil {
		return nil, err
	}
	p, err := cpu.Compile(g, cpu.Options{})
	if err != nil {
		return nil, err
	}
	x := incctensor.Of(in, shape...)
	return func() ([]float32, error) {
		y, err := p.Infer(x)
		if err != nil {
			return nil, err
		}
		return y[0].Data, nil
	}, nil
}

func loadGonnx(path string, in []float32, shape []int) (infer, error) {
	m, err := gonnx.NewModelFromFile(path)
	if err != nil {
		return nil, err
	}
	name := ""
	params := map[string]bool{}
	for _, n := range m.ParamNames() {
		params[n] = true
	}
	for _, n := range m.InputNames() {
		if !params[n] {
			name = n
		}
	}
	return func() ([]float32, error) {
		x := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(append([]float32(nil), in...)))
		out, err := m.Run(gonnx.Tensors{name: x})
		if err != nil {
			return nil, err
		}
		return floats(out[m.OutputNames()[0]])
	}, nil
}

func floats(t tensor.Tensor) ([]float32, error) {
	y, ok := t.Data().([]float32)
	if !ok {
		return nil, fmt.Errorf("the output is a %T", t.Data())
	}
	return y, nil
}

func loadOnnxGo(path string, in []float32, shape []int) (infer, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	backend := gorgonnx.NewGraph()
	m := onnxgo.NewModel(backend)
	if err := m.UnmarshalBinary(b); err != nil {
		return nil, err
	}
	return func() ([]float32, error) {
		x := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(append([]float32(nil), in...)))
		if err := m.SetInput(0, x); err != nil {
			return nil, err
		}
		if err := backend.Run(); err != nil {
			return nil, err
		}
		out, err := m.GetOutputTensors()
		if err != nil {
			return nil, err
		}
		if len(out) == 0 {
			return nil, errors.New("it has no output")
		}
		return floats(out[0])
	}, nil
}

func loadGomlx(path string, in []float32, shape []int) (infer, error) {
	m, err := gomlxonnx.ReadFile(path)
	if err != nil {
		return nil, err
	}
	ctx := context.New()
	if err := m.VariablesToContext(ctx); err != nil {
		return nil, err
	}
	backend, err := simplego.New("")
	if err != nil {
		return nil, err
	}
	names, _ := m.Inputs()
	exec, err := context.NewExec(backend, ctx.Reuse(), func(ctx *context.Context, x *graph.Node) *graph.Node {
		return m.CallGraph(ctx, x.Graph(), map[string]*graph.Node{names[0]: x})[0]
	})
	if err != nil {
		return nil, err
	}
	x := tensors.FromFlatDataAndDimensions(in, shape...)
	return func() ([]float32, error) {
		out, err := exec.Exec(x)
		if err != nil {
			return nil, err
		}
		var y []float32
		return y, tensors.ConstFlatData(out[0], func(flat []float32) { y = append(y, flat...) })
	}, nil
}
