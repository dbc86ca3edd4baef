package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/npy"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/executor"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

// compare imports the model of a case, runs it, and compares the outputs.
func compare(dir string) result {
	b, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
	if err != nil {
		return result{Status: crash, Reason: err.Error()}
	}
	p, err := onnx.Decode(b)
	if err != nil {
		return refusal(err)
	}
	want, in, err := data(dir, p)
	if err != nil {
		return refusal(err)
	}
	g, err := onnx.Import(&onnx.Model{Proto: p})
	for _, fixed := range []func(int, *onnxpb.ValueInfoProto) bool{isInteger, isParameter} {
		if err == nil || !strings.Contains(dir, "nodes") {
			break
		}
		baked, changed := bake(dir, p, fixed)
		if !changed {
			continue
		}
		if h, bakedErr := onnx.Import(&onnx.Model{Proto: baked}); bakedErr == nil {
			g, p, err = h, baked, nil
		}
	}
	if err != nil {
		return refusal(err)
	}
	inputs, err := match(g, in)
	if err != nil {
		return refusal(err)
	}
	got, err := execute(p, g, inputs, want, false)
	r := result{Status: pass}
	if errors.Is(err, plan.ErrUnsupported) && strings.Contains(dir, "nodes") {
		if baked, changed := bake(dir, p, isParameter); changed {
			if h, bakedErr := onnx.Import(&onnx.Model{Proto: baked}); bakedErr == nil {
				g, p = h, baked
				if inputs, err = match(g, in); err == nil {
					got, err = execute(p, g, inputs, want, false)
				}
			}
		}
	}
	if errors.Is(err, plan.ErrUnsupported) {
		r = result{Status: refOnly, Reason: reason(err)}
		got, err = interpret(g, inputs)
	}
	if err != nil {
		return refusal(err)
	}
	rtol, atol := 1e-4, 0.0
	if t, err := os.ReadFile(filepath.Join(dir, "rtol.txt")); err == nil {
		if _, err := fmt.Sscan(string(t), &rtol, &atol); err != nil {
			return result{Status: crash, Reason: err.Error()}
		}
		rtol, atol = max(rtol, 1e-4), max(atol, 1e-7)
	}
	rtol = max(rtol, precision(p))
	r = judge(r, got, want, rtol, atol)
	if r.Status != wrong || r.Reason != "" {
		return r
	}
	// Winograd convolutions round more than direct ones.
	if direct, err := execute(p, g, inputs, want, true); err == nil {
		if d := judge(result{Status: passDirect}, direct, want, rtol, atol); d.Status == passDirect {
			d.Reason = fmt.Sprintf("with Winograd convolutions %.1g", r.Diff)
			return d
		}
	}
	if exact, err := interpret(g, inputs); err == nil {
		r.Reason = fmt.Sprintf("from float64 the executor differs by %.1g, the expected output by %.1g",
			judge(r, got, exact, 0, 0).Diff, judge(r, want, exact, 0, 0).Diff)
	}
	return r
}

// judge compares outputs: it returns r with the difference, or that they are wrong.
func judge(r result, got, want []*tensor.Tensor, rtol, atol float64) result {
	r.Diff = 0
	for i, w := range want {
		if w == nil {
			return refusal(fmt.Errorf("output %d is no tensor", i))
		}
		if !ir.Shape(got[i].Shape).Equal(w.Shape) {
			return result{Status: wrong, Reason: fmt.Sprintf("output %d is %v, want %v", i, ir.Shape(got[i].Shape), ir.Shape(w.Shape))}
		}
		if len(w.Data) == 0 {
			continue
		}
		d, scale := tensor.MaxDiff(got[i], w)
		if d == 0 {
			continue
		}
		if r.Diff = max(r.Diff, d/scale); math.IsInf(r.Diff, 0) || math.IsNaN(r.Diff) {
			return result{Status: wrong, Reason: "a number is not finite, or all should be 0"}
		}
		if !(d <= rtol*scale+atol) {
			r.Status = wrong
		}
	}
	return r
}

// precision returns the relative error of a number of the types that a model declares: incc
// computes with float32 where a model has fewer bits.
func precision(p *onnxpb.ModelProto) float64 {
	rtol := 0.0
	for _, v := range append(slices.Clone(p.Graph.Input), p.Graph.Output...) {
		switch onnxpb.TensorProto_DataType(v.GetType().GetTensorType().GetElemType()) {
		case onnxpb.TensorProto_BFLOAT16:
			rtol = max(rtol, 1e-2)
		case onnxpb.TensorProto_FLOAT16:
			rtol = max(rtol, 1e-3)
		}
	}
	return rtol
}

func isInteger(_ int, v *onnxpb.ValueInfoProto) bool {
	return v.GetType().GetTensorType().GetElemType() != int32(onnxpb.TensorProto_FLOAT)
}

func isParameter(i int, _ *onnxpb.ValueInfoProto) bool { return i > 0 }

// bake returns a model in which some inputs are constants. A node test passes all operands of
// an operator as inputs, also such as the axes, which are constants in networks.
func bake(dir string, p *onnxpb.ModelProto, fixed func(int, *onnxpb.ValueInfoProto) bool) (*onnxpb.ModelProto, bool) {
	q := proto.CloneOf(p)
	q.Graph.Input = nil
	for i, v := range p.Graph.Input {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("in_%d.pb", i)))
		t := new(onnxpb.TensorProto)
		if err == nil && fixed(i, v) && proto.Unmarshal(b, t) == nil {
			t.Name = v.Name
			q.Graph.Initializer = append(q.Graph.Initializer, t)
			continue
		}
		q.Graph.Input = append(q.Graph.Input, v)
	}
	return q, len(q.Graph.Input) < len(p.Graph.Input)
}

// execute runs a graph on the executor.
func execute(model *onnxpb.ModelProto, g *ir.Graph, in, want []*tensor.Tensor, direct bool) ([]*tensor.Tensor, error) {
	opt := cpu.Options{Batch: 1, Direct: direct}
	for i, v := range g.Inputs {
		if s := v.Type.Shape; len(s) > 0 && s[0] == ir.Batch {
			opt.Batch = max(opt.Batch, in[i].Shape[0])
		}
	}
	g = g.Clone()
	fold, err := passes.Parse("const-fold")
	if err == nil {
		_, err = passes.Run(g, fold, passes.Options{})
	}
	if err != nil {
		return nil, err
	}
	p, err := executor.Compile(&onnx.Model{Proto: model}, g, opt, cpu.Compile)
	if err != nil {
		return nil, err
	}
	var rounded, outs [][]float32
	for _, x := range in {
		rounded = append(rounded, tensor.Round(x).Data)
	}
	sizes := ops.FilledSizes(g)
	for i, w := range want {
		if w == nil {
			return nil, fmt.Errorf("an output that is no tensor: %w", plan.ErrUnsupported)
		}
		n := len(w.Data)
		if sizes != nil && i < len(g.Outputs) {
			n = g.Outputs[i].Type.Shape.Bind(opt.Batch).Size()
		}
		outs = append(outs, make([]float32, n))
	}
	if sizes != nil {
		outs = append(outs, make([]float32, sizes.Type.Shape.Size()))
	}
	if err := p.NewSession().Run(rounded, outs); err != nil {
		return nil, err
	}
	if sizes != nil {
		return filled(g, outs), nil
	}
	var got []*tensor.Tensor
	for i, v := range g.Outputs {
		n := 1
		if len(want[i].Shape) > 0 {
			n = want[i].Shape[0]
		}
		got = append(got, tensor.Widen(tensor.Of(outs[i], v.Type.Shape.Bind(n)...)))
	}
	return got, nil
}

// filled cuts outputs to their sizes, which the last output holds.
func filled(g *ir.Graph, outs [][]float32) []*tensor.Tensor {
	last := len(outs) - 1
	axes, row := g.Outputs[last].Type.Shape[1], 0
	var got []*tensor.Tensor
	for i, v := range g.Outputs[:last] {
		x := &tensor.F32{Shape: v.Type.Shape, Data: outs[i]}
		if v.Def == g.Outputs[last].Def {
			x = ops.Filled(outs[i], v.Type.Shape, outs[last][row*axes:])
			row++
		}
		got = append(got, tensor.Widen(x))
	}
	return got
}

// interpret runs a graph on the reference interpreter.
func interpret(g *ir.Graph, in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	res, err := ref.Run(g, in, ref.Options{})
	if err != nil {
		return nil, err
	}
	var got []*tensor.Tensor
	var outs [][]float32
	for _, v := range g.Outputs {
		got, outs = append(got, res[v]), append(outs, tensor.Round(res[v]).Data)
	}
	if ops.FilledSizes(g) != nil {
		return filled(g, outs), nil
	}
	return got, nil
}

// input is an input of a case, or why it cannot be one.
type input struct {
	*tensor.Tensor
	err error
}

// data reads the outputs and the inputs of a case, the inputs by name.
func data(dir string, p *onnxpb.ModelProto) (want []*tensor.Tensor, in map[string]input, err error) {
	in = map[string]input{}
	if x, err := readNpy(filepath.Join(dir, "in.npy")); err == nil {
		weights := map[string]bool{}
		for _, t := range p.Graph.Initializer {
			weights[t.Name] = true
		}
		for _, v := range p.Graph.Input {
			if !weights[v.Name] {
				in[v.Name] = input{x, nil}
				break
			}
		}
	}
	for i, v := range p.Graph.Input {
		if x, err := readTensor(filepath.Join(dir, fmt.Sprintf("in_%d.pb", i))); !errors.Is(err, os.ErrNotExist) {
			in[v.Name] = input{x, err}
		}
	}
	for i := range p.Graph.Output {
		x, err := readNpy(filepath.Join(dir, fmt.Sprintf("out_%d.npy", i)))
		if errors.Is(err, os.ErrNotExist) {
			x, err = readTensor(filepath.Join(dir, fmt.Sprintf("out_%d.pb", i)))
		}
		if err != nil {
			x = nil
		}
		want = append(want, x)
	}
	return want, in, nil
}

// match returns the inputs in the order of the graph. Names in the graph are those of the
// model, where characters that incc does not allow are replaced.
func match(g *ir.Graph, in map[string]input) ([]*tensor.Tensor, error) {
	var list []*tensor.Tensor
	for _, v := range g.Inputs {
		x, ok := in[v.Name]
		if !ok {
			for name, y := range in {
				if unsafe.ReplaceAllString(name, "_") == v.Name {
					x, ok = y, true
				}
			}
		}
		if !ok {
			return nil, fmt.Errorf("input %q has no data", v.Name)
		}
		if x.err != nil {
			return nil, x.err
		}
		list = append(list, x.Tensor)
	}
	return list, nil
}

var unsafe = regexp.MustCompile(`[^a-zA-Z0-9_./]`)

func readNpy(path string) (*tensor.Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	a, err := npy.Open(f, info.Size())
	if err != nil {
		return nil, err
	}
	return a.Read()
}

func readTensor(path string) (*tensor.Tensor, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	shape, values, err := onnx.DecodeTensor(b)
	if err != nil {
		return nil, err
	}
	return tensor.Widen(tensor.Of(values, shape...)), nil
}

func refusal(err error) result { return result{Status: refused, Reason: reason(err)} }

var place = regexp.MustCompile(`node (\d+|"[^"]*") \(([A-Za-z]+)\)`)

// reason returns the first line of an error without the names of nodes, which differ from
// case to case.
func reason(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	text = place.ReplaceAllString(text, "$2")
	if i := strings.Index(text, ": the IR has no such op"); i > 0 {
		text = text[:i] + ": the IR has no such op"
	}
	return text
}
