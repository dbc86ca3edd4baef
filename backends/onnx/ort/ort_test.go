package ort

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// environment initializes the package for a test.
func environment(t *testing.T) {
	t.Helper()
	if err := InitializeEnvironment(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := DestroyEnvironment(); err != nil {
			t.Error(err)
		}
	})
}

// two returns a network with two inputs and two outputs, and its model.
func two(t *testing.T) (*ir.Graph, []byte) {
	t.Helper()
	b := ir.NewBuilder("two")
	x := b.Input("image", ir.Type{Shape: ir.Shape{ir.Batch, 3, 8, 8}})
	y := b.Input("mask", ir.Type{Shape: ir.Shape{ir.Batch, 1, 8, 8}})
	w := b.Param("w", ir.Shape{4, 3, 1, 1}, ir.Param{Init: ir.Init{Kind: ir.InitUniform, A: 1}})
	z := b.Do(ops.Mul{}, b.Do(ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, x, w), y)
	g := b.Graph()
	g.Outputs = []*ir.Value{b.Do(ops.GlobalAvgPool{}, z), b.Do(ops.ReLU{}, z)}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	g.Outputs[0].Name, g.Outputs[1].Name = "mean", "map"
	emitted, err := onnx.Backend{}.Emit(g)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := emitted[0].WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return g, out.Bytes()
}

func draw(t *testing.T, name string, shape ...int) (*tensor.F32, *Tensor[float32]) {
	t.Helper()
	x := ir.Draw(name, shape, ir.Init{Kind: ir.InitUniform, A: 1}, 1)
	var s Shape
	for _, d := range shape {
		s = append(s, int64(d))
	}
	v, err := NewTensor(s, x.Data)
	if err != nil {
		t.Fatal(err)
	}
	return x, v
}

// agree checks values against the reference interpreter's. Goroutines may call it.
func agree(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s has %d elements, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if d := math.Abs(float64(got[i]) - want[i]); !(d < 1e-6) {
			t.Errorf("%s: element %d is %g, want %g", what, i, got[i], want[i])
			return
		}
	}
}

// A session takes inputs and outputs by name in any order, any number of images, and makes
// outputs that are nil; many goroutines may run it.
func TestDynamicSession(t *testing.T) {
	environment(t)
	g, data := two(t)
	path := filepath.Join(t.TempDir(), "two.onnx")
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := NewDynamicAdvancedSession(path, []string{"mask", "image"}, []string{"map", "mean"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := 1; n <= 10; n++ { // more shapes than are kept
		x, xt := draw(t, fmt.Sprint("x", n), n, 3, 8, 8)
		y, yt := draw(t, fmt.Sprint("y", n), n, 1, 8, 8)
		res, err := ref.Run(g, []*tensor.Tensor{tensor.Widen(x), tensor.Widen(y)}, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for range 3 {
				mean, err := NewEmptyTensor[float64](NewShape(int64(n), 4, 1, 1))
				if err != nil {
					t.Error(err)
					return
				}
				outputs := []Value{nil, mean}
				if err := s.Run([]Value{yt, xt}, outputs); err != nil {
					t.Error(err)
					return
				}
				m := outputs[0].(*Tensor[float32])
				if !m.GetShape().Equals(NewShape(int64(n), 4, 8, 8)) {
					t.Errorf("map has shape %v", m.GetShape())
					return
				}
				agree(t, "map", m.GetData(), res[g.Outputs[1]].Data)
				var narrow []float32
				for _, v := range mean.GetData() {
					narrow = append(narrow, float32(v))
				}
				agree(t, "mean", narrow, res[g.Outputs[0]].Data)
			}
		})
	}
	all.Wait()
	if n := len(s.model.programs); n != maxPrograms {
		t.Errorf("%d programs are kept, want %d", n, maxPrograms)
	}
}

func TestAdvancedSession(t *testing.T) {
	environment(t)
	g, data := two(t)
	x, xt := draw(t, "x", 2, 3, 8, 8)
	ones, err := NewTensor(NewShape(2, 1, 8, 8), make([]uint8, 128))
	if err != nil {
		t.Fatal(err)
	}
	mean, err := NewEmptyTensor[float32](NewShape(2, 4, 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	options, err := NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	if err := options.SetIntraOpNumThreads(1); err != nil {
		t.Fatal(err)
	}
	s, err := NewAdvancedSessionWithONNXData(data, []string{"image", "mask"}, []string{"mean"}, []Value{xt, ones}, []Value{mean}, options)
	if err != nil {
		t.Fatal(err)
	}
	y := tensor.Make[float32]([]int{2, 1, 8, 8})
	for i := range y.Data { // the tensor is read when the session runs
		y.Data[i], ones.GetData()[i] = 3, 3
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	res, err := ref.Run(g, []*tensor.Tensor{tensor.Widen(x), tensor.Widen(y)}, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	agree(t, "mean", mean.GetData(), res[g.Outputs[0]].Data)
	if n := s.session.model.programs[0].program.Threads(); n != 1 {
		t.Errorf("%d threads, want 1", n)
	}
	if err := s.Destroy(); err != nil || s.Run() == nil {
		t.Error("a destroyed session runs")
	}
}

func TestInfo(t *testing.T) {
	_, data := two(t)
	in, out, err := GetInputOutputInfoWithONNXData(data)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range append(in, out...) {
		got = append(got, x.String())
	}
	want := `"image": [-1 3 8 8], float; "mask": [-1 1 8 8], float; "mean": [-1 4 1 1], float; "map": [-1 4 8 8], float`
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}

func TestErrors(t *testing.T) {
	_, data := two(t)
	if _, err := NewTensor(NewShape(1), []float32{1}); !errors.Is(err, NotInitializedError) {
		t.Errorf("before InitializeEnvironment: %v", err)
	}
	environment(t)
	if err := InitializeEnvironment(); err == nil {
		t.Error("InitializeEnvironment works twice")
	}
	check := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	both := []string{"image", "mask"}
	open := func(in, out []string) error {
		_, err := NewDynamicAdvancedSessionWithONNXData(data, in, out, nil)
		return err
	}
	check(open([]string{"image"}, both[:1]), `the model has no output "image": it has ["mean" "map"]`)
	check(open([]string{"picture", "mask"}, []string{"map"}), `the model has no input "picture"`)
	check(open([]string{"image"}, []string{"map"}), `input "mask" of the model is missing`)
	check(open([]string{"image", "mask", "mask"}, []string{"map"}), "an input is named twice")
	check(open(both, nil), "no output is named")
	_, err := NewDynamicAdvancedSession("absent.onnx", both, []string{"map"}, nil)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent.onnx: %v", err)
	}
	for want, s := range map[string]Shape{"has no dimensions": {}, "dimension 1 of the shape has the invalid value 0": {1, 0}, "more than 2147483648 elements": {1 << 20, 1 << 20}} {
		_, err := NewEmptyTensor[int8](s)
		check(err, want)
	}
	_, err = NewTensor(NewShape(3), []int64{1, 2})
	check(err, "needs 3 elements, but only 2 were given")

	s, err := NewDynamicAdvancedSessionWithONNXData(data, both, []string{"map"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, x := draw(t, "x", 1, 3, 8, 8)
	_, y := draw(t, "y", 1, 1, 8, 8)
	_, flat := draw(t, "z", 64)
	check(s.Run([]Value{x}, []Value{nil}), "the session has 2 inputs and 1 outputs, 1 and 1 were given")
	check(s.Run([]Value{x, nil}, []Value{nil}), `input "mask" is nil`)
	check(s.Run([]Value{x, x}, []Value{nil}), `axis 1 of input "mask" is 1, not 3`)
	check(s.Run([]Value{x, flat}, []Value{nil}), `input "mask" has 4 axes, not 1`)
	check(s.Run([]Value{x, y}, []Value{flat}), `output "map": the tensor has shape [64], the output [1 4 8 8]`)
	large, err := NewTensor(NewShape(1, 1, 8, 8), make([]int64, 64))
	if err != nil {
		t.Fatal(err)
	}
	large.GetData()[5] = 1<<24 + 1
	check(s.Run([]Value{x, large}, []Value{nil}), "element 5 is 16777217: incc computes with float32")
	if err := y.Destroy(); err != nil {
		t.Fatal(err)
	}
	check(s.Run([]Value{x, y}, []Value{nil}), "was it destroyed?")
	if err := s.Destroy(); err != nil {
		t.Fatal(err)
	}
	check(s.Run(nil, nil), "the session was destroyed")
}

// TestSizesOfTheRun: the outputs of a detector that ends with its boxes have other sizes in every
// run, also none, and are what ONNX Runtime computed. A session may name some of them.
func TestSizesOfTheRun(t *testing.T) {
	environment(t)
	b, err := os.ReadFile("../testdata/detector.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Input   []float32
		Shapes  []Shape
		Outputs [][]float64
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	names := []string{"boxes", "scores", "labels"}
	for _, wanted := range [][]int{{0, 1, 2}, {2, 0}, {1}} {
		var some []string
		for _, i := range wanted {
			some = append(some, names[i])
		}
		s, err := NewDynamicAdvancedSession("../testdata/detector.onnx", []string{"image"}, some, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range cases {
			x, err := NewTensor(NewShape(1, 3, 32, 32), c.Input)
			if err != nil {
				t.Fatal(err)
			}
			out := make([]Value, len(some))
			if err := s.Run([]Value{x}, out); err != nil {
				t.Fatal(err)
			}
			for j, w := range wanted {
				y, err := out[j].floats()
				if err != nil || !out[j].GetShape().Equals(c.Shapes[w]) || len(y) != len(c.Outputs[w]) {
					t.Fatalf("case %d: %s is %v with %d elements, want %v (%v)", i, some[j], out[j].GetShape(), len(y), c.Shapes[w], err)
				}
				if _, ok := out[j].(*Tensor[int64]); ok != (some[j] == "labels") {
					t.Errorf("%s is a %T", some[j], out[j])
				}
				for k := range y {
					if !(math.Abs(float64(y[k])-c.Outputs[w][k]) <= 2e-5) {
						t.Fatalf("case %d: element %d of %s is %v, want %v", i, k, some[j], y[k], c.Outputs[w][k])
					}
				}
			}
		}
	}
}

// TestScalar: scalars are values as those of onnxruntime_go: without a shape.
func TestScalar(t *testing.T) {
	if _, err := NewScalar[float32](1); !errors.Is(err, NotInitializedError) {
		t.Errorf("before the environment is initialized: %v", err)
	}
	environment(t)
	s, err := NewScalar[int64](7)
	if err != nil {
		t.Fatal(err)
	}
	if s.GetData() != 7 || s.GetShape() != nil || s.DataType() != TensorElementDataTypeInt64 || s.GetONNXType() != ONNXTypeTensor || s.GetONNXType().String() != "ONNX_TYPE_TENSOR" {
		t.Errorf("%v, shape %v, %v, %v", s.GetData(), s.GetShape(), s.DataType(), s.GetONNXType())
	}
	s.Set(9)
	x, err := s.floats()
	if err != nil || len(x) != 1 || x[0] != 9 {
		t.Errorf("%v, %v", x, err)
	}
	if err := s.set([]float32{4}, Shape{1}); err != nil || s.GetData() != 4 {
		t.Errorf("%v, %v", s.GetData(), err)
	}
	if err := s.set([]float32{4, 5}, Shape{2}); err == nil {
		t.Error("a scalar takes two numbers")
	}
	s.ZeroContents()
	if s.GetData() != 0 {
		t.Error(s.GetData())
	}
	if err := s.Destroy(); err != nil || s.GetData() != 0 {
		t.Error(err)
	}
	if e, err := NewEmptyScalar[float64](); err != nil || e.GetData() != 0 {
		t.Error(e, err)
	}
}

// TestMetadata: a model says who wrote it, and has the keys that a file has.
func TestMetadata(t *testing.T) {
	environment(t)
	s, err := NewDynamicAdvancedSession("../testdata/detector.onnx", []string{"image"}, []string{"boxes"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetModelMetadata()
	if err != nil {
		t.Fatal(err)
	}
	if name, err := m.GetProducerName(); name != "pytorch" || err != nil {
		t.Errorf("producer %q, %v", name, err)
	}
	if value, ok, err := m.LookupCustomMetadataMap("no such key"); value != "" || ok || err != nil {
		t.Errorf("%q, %v, %v", value, ok, err)
	}
	_, data := two(t)
	if m, err = GetModelMetadataWithONNXData(data); err != nil {
		t.Fatal(err)
	}
	if name, err := m.GetGraphName(); name != "two" || err != nil {
		t.Errorf("graph %q, %v", name, err)
	}
	m.m.Proto.MetadataProps = []*onnxpb.StringStringEntryProto{{Key: "author", Value: "me"}, {Key: "empty"}}
	if keys, err := m.GetCustomMetadataMapKeys(); err != nil || !slices.Equal(keys, []string{"author", "empty"}) {
		t.Errorf("keys %q, %v", keys, err)
	}
	for key, want := range map[string]string{"author": "me", "empty": ""} {
		if value, ok, err := m.LookupCustomMetadataMap(key); value != want || !ok || err != nil {
			t.Errorf("key %q: %q, %v, %v", key, value, ok, err)
		}
	}
	if err := s.Destroy(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetModelMetadata(); err == nil {
		t.Error("a session that was destroyed has metadata")
	}
}
