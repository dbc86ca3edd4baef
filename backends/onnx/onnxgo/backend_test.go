package onnxgo

import (
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	onnxgo "github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend"
	"github.com/owulveryck/onnx-go/backend/x/gorgonnx"
	gtensor "gorgonia.org/tensor"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/specs"
	"github.com/incc-lang/incc/specs/spectest"
)

// This is what a program with onnx-go looks like; only the backend is different.
func ExampleNewBackend() {
	data := lenet() // a model.onnx, of a source that is trusted

	b := NewBackend()
	model := onnxgo.NewModel(b)
	if err := model.UnmarshalBinary(data); err != nil {
		log.Fatal(err)
	}
	if err := model.SetInput(0, gtensor.New(gtensor.WithShape(1, 1, 28, 28), gtensor.Of(gtensor.Float32))); err != nil {
		log.Fatal(err)
	}
	if err := b.Run(); err != nil {
		log.Fatal(err)
	}
	out, err := model.GetOutputTensors()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out[0].Shape())
	// Output: (1, 10)
}

func lenet() []byte {
	return emit(&testing.T{}, onnx.Backend{Batch: 1}, spectest.Load(&testing.T{}, "lenet5"))
}

// run runs a model on one input with the backend as an onnx-go user would.
func run(model *onnxgo.Model, b *Backend, x *tensor.F32) ([]gtensor.Tensor, error) {
	if err := model.SetInput(0, gtensor.New(gtensor.WithShape(x.Shape...), gtensor.WithBacking(x.Data))); err != nil {
		return nil, err
	}
	if err := b.Run(); err != nil {
		return nil, err
	}
	return model.GetOutputTensors()
}

func decoded(t testing.TB, data []byte) (*onnxgo.Model, *Backend) {
	t.Helper()
	b := NewBackend()
	m := onnxgo.NewModel(b)
	if err := m.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	return m, b
}

// TestEverySpec runs the model of every spec through onnx-go, with a symbolic and with a
// fixed batch. It compares the results of small networks with the reference interpreter.
func TestEverySpec(t *testing.T) {
	long := longtest.Enabled()
	ran := 0
	for _, name := range specs.Names() {
		g := spectest.Load(t, name)
		if s := ir.Summarize(g); !long && (s.Params+s.HeadParams > 8e6 || s.MACs > 2e9) {
			continue
		}
		for i, batch := range []int{1, 2, 0} {
			if i > 0 && !long && ir.Summarize(g).MACs > 3e6 {
				continue
			}
			n := max(batch, i)
			data := emit(t, onnx.Backend{Batch: batch, Seed: 3}, g)
			m, b := decoded(t, data)
			rng := rand.New(rand.NewPCG(1, 2))
			x := tensor.Make[float32](g.Inputs[0].Type.Shape.Bind(n))
			for i := range x.Data {
				x.Data[i] = float32(rng.NormFloat64())
			}
			out, err := run(m, b, x)
			if err != nil {
				t.Errorf("%s, batch %d: %v", name, batch, err)
				continue
			}
			ran++
			if ir.Summarize(g).MACs > 3e6 {
				continue
			}
			want, err := ref.Run(g, []*tensor.Tensor{tensor.Widen(x)}, ref.Options{Seed: 3})
			if err != nil {
				t.Fatal(err)
			}
			for j, o := range g.Outputs {
				w := want[o]
				got := tensor.Widen(tensor.Of(out[j].Data().([]float32), w.Shape...))
				if d, ok := onnxtest.Close(got, w); !ok {
					t.Errorf("%s, batch %d: differs by %.2g", name, batch, d)
				}
			}
		}
	}
	if ran < 20 {
		t.Errorf("only %d models ran", ran)
	}
	t.Logf("%d models ran", ran)
}

// TestRunAgain changes the shapes and values of inputs, and the requested outputs, between
// runs.
func TestRunAgain(t *testing.T) {
	g := module(t)
	m, b := decoded(t, emit(t, onnx.Backend{Seed: 3}, g))
	inner := g.Nodes[0].Out[0]
	g.Outputs = append(g.Outputs, inner) // only for the reference interpreter
	for i, n := range []int{2, 2, 3} {
		x := tensor.Make[float32](g.Inputs[0].Type.Shape.Bind(n))
		for j := range x.Data {
			x.Data[j] = float32((j*7+i)%11) / 11
		}
		out, err := run(m, b, x)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ref.Run(g, []*tensor.Tensor{tensor.Widen(x)}, ref.Options{Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		w := want[g.Outputs[0]]
		if d, ok := onnxtest.Close(tensor.Widen(tensor.Of(out[0].Data().([]float32), w.Shape...)), w); !ok {
			t.Errorf("run %d: differs by %.2g", i, d)
		}
		// A value that other operations read is computed when it is requested.
		v, ok := m.GetNodeByName(inner.Name)
		if !ok {
			t.Fatalf("no value %s", inner.Name)
		}
		y := v.(*value).GetTensor()
		if y == nil || y.Dtype() != gtensor.Float32 || y.Shape()[0] != n {
			t.Fatalf("run %d: %s is %v", i, inner.Name, y)
		}
		w = want[inner]
		if d, ok := onnxtest.Close(tensor.Widen(tensor.Of(y.Data().([]float32), w.Shape...)), w); !ok {
			t.Errorf("run %d: %s differs by %.2g", i, inner.Name, d)
		}
	}
}

// TestBackendErrors: mistakes of a user give errors and no panic.
func TestBackendErrors(t *testing.T) {
	want := func(err error, text string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %q", err, text)
		}
	}
	want(NewBackend().Run(), "holds no model")
	g := spectest.Load(t, "lenet5")
	data := emit(t, onnx.Backend{Batch: 1}, g)
	m, b := decoded(t, data)
	want(b.Run(), "call SetInput")
	for text, x := range map[string]*gtensor.Dense{
		"float64":   gtensor.New(gtensor.WithShape(1, 1, 28, 28), gtensor.Of(gtensor.Float64)),
		"row-major": gtensor.New(gtensor.WithShape(1, 1, 28, 28), gtensor.Of(gtensor.Float32), gtensor.AsFortran(nil)),
		"":          gtensor.New(gtensor.WithShape(28, 28), gtensor.Of(gtensor.Float32)),
	} {
		if err := m.SetInput(0, x); err != nil {
			t.Fatal(err)
		}
		want(b.Run(), text)
	}
	if err := NewBackend().ApplyOperation(onnxgo.Operation{Name: "Det"}); !errors.As(err, new(*onnxgo.ErrNotImplemented)) {
		t.Error(err)
	}
	for _, x := range [][]byte{nil, {8}, []byte(strings.Repeat("\xff", 100))} {
		if _, _, err := Load(x); err == nil {
			t.Errorf("%d hostile bytes were loaded", len(x))
		}
	}
	if _, b, err := Load(data); err != nil || b.Opset < 17 || len(b.outputs) != 1 {
		t.Error(err, b.Opset)
	}
}

// BenchmarkBackends runs the same models in onnx-go on both backends, in turns, and reports
// the shortest run of each. gorgonnx cannot run GoogLeNet.
func BenchmarkBackends(b *testing.B) {
	for _, name := range []string{"mnist/lenet", "mnist/nin", "mnist/inception_v1", "googlenet"} {
		b.Run(name, func(b *testing.B) {
			g := spectest.Load(b, name)
			data := emit(b, onnx.Backend{Batch: 1, Seed: 3}, g)
			x := gtensor.New(gtensor.WithShape(g.Inputs[0].Type.Shape.Bind(1)...), gtensor.Of(gtensor.Float32))
			ours, theirs := NewBackend(), gorgonnx.NewGraph()
			backends := map[string]backend.ComputationBackend{"incc": ours, "gorgonnx": theirs}
			if name == "googlenet" {
				delete(backends, "gorgonnx")
			}
			best := map[string]float64{}
			for _, back := range backends {
				m := onnxgo.NewModel(back)
				if err := m.UnmarshalBinary(data); err != nil {
					b.Fatal(err)
				}
				if err := m.SetInput(0, x); err != nil {
					b.Fatal(err)
				}
				if err := back.Run(); err != nil { // compiles
					b.Fatal(err)
				}
			}
			for b.Loop() {
				for who, back := range backends {
					start := time.Now()
					if err := back.Run(); err != nil {
						b.Fatal(err)
					}
					if s := time.Since(start).Seconds(); best[who] == 0 || s < best[who] {
						best[who] = s
					}
				}
			}
			for who, s := range best {
				b.ReportMetric(s*1e6, who+"-us")
			}
			if best["gorgonnx"] > 0 {
				b.ReportMetric(best["gorgonnx"]/best["incc"], "ratio")
			}
		})
	}
}

// Models of every opset that incc writes run, with the results of the reference
// interpreter.
func TestBackendOpsets(t *testing.T) {
	g := spectest.Load(t, "mnist/lenet")
	x := ir.Draw("x", ir.Shape{1, 1, 28, 28}, ir.Init{Kind: ir.InitUniform, A: 1}, 1)
	want, err := ref.Run(g, []*tensor.Tensor{tensor.Widen(x)}, ref.Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	for opset := onnx.DefaultOpset; opset <= onnx.MaxOpset; opset++ {
		model, b, err := Load(emit(t, onnx.Backend{Batch: 1, Seed: 3, Opset: opset}, g))
		if err != nil {
			t.Errorf("opset %d: %v", opset, err)
			continue
		}
		out, err := run(model, b, x)
		if err != nil {
			t.Errorf("opset %d: %v", opset, err)
			continue
		}
		y := tensor.Widen(tensor.Of(out[0].Data().([]float32), want[g.Outputs[0]].Shape...))
		if d, ok := onnxtest.Close(y, want[g.Outputs[0]]); !ok {
			t.Errorf("opset %d: differs by %.2g", opset, d)
		}
	}
}
