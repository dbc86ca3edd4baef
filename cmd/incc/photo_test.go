package main

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/specs"
)

// photo returns the path of a real photograph. If it is not installed, the test is skipped.
func photo(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(peers.Photos(), name)
	if _, err := os.Stat(path); err != nil {
		missing(t, &peers.MissingError{What: "the photograph " + name, How: "go run ./backends/cpu/peers/install photos"})
	}
	return path
}

func missing(t *testing.T, err error) {
	t.Helper()
	if peers.Required() {
		t.Fatal(err)
	}
	t.Skip(err)
}

// command runs incc as a user does and fails the test if it does not succeed.
func command(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(append([]string{"incc"}, args...), nil, &out, &errs); code != exitOK {
		t.Fatalf("incc %q exits %d: %s", args, code, &errs)
	}
	return out.String()
}

// TestPhotograph classifies a photograph with incc run and with ONNX Runtime. ONNX Runtime
// runs the model that incc compile writes, on the input that readInput prepares. All 1,000
// probabilities must agree.
func TestPhotograph(t *testing.T) {
	ort, err := peers.StartORT(peers.ORT)
	var lacks *peers.MissingError
	if errors.As(err, &lacks) {
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer ort.Close()
	for _, name := range []string{"astronaut.png", "rocket.jpg"} {
		t.Run(name, func(t *testing.T) {
			picture := photo(t, name)
			dir := t.TempDir()
			weights, model, result := filepath.Join(dir, "w.safetensors"), filepath.Join(dir, "m.onnx"), filepath.Join(dir, "y.npy")

			text, file, _ := specs.Source("googlenet")
			g, problems := dsl.Load(file, text, dsl.Options{})
			if err := problems.Err(); err != nil {
				t.Fatal(err)
			}
			x, err := readInput(g, picture)
			if err != nil {
				t.Fatal(err)
			}
			sharpen(t, g, tensor.Round(x).Data, weights)
			command(t, "compile", "googlenet", "--weights", weights, "-o", model)
			command(t, "run", "googlenet", "--weights", weights, "--input", picture, "-o", result)
			got, err := readNPY(result, nil)
			if err != nil {
				t.Fatal(err)
			}

			if _, err := ort.Load(model); err != nil {
				t.Fatal(err)
			}
			out := onnxtest.Infer(t, ort, peers.Tensor{Name: g.Inputs[0].Name, Shape: x.Shape, Data: tensor.Round(x).Data})
			want := tensor.Widen(tensor.Of(out[0].Data, out[0].Shape...))
			if len(got.Data) != 1000 || len(want.Data) != 1000 {
				t.Fatalf("%v and %v, want 1000 probabilities", got.Shape, want.Shape)
			}
			d, most := tensor.MaxDiff(got, want)
			sum, least := 0.0, math.Inf(1)
			for i, p := range got.Data {
				sum += p
				least = math.Min(least, p)
				// Compare each probability relative to itself, because a difference in a
				// small one would not show beside the largest.
				if q := want.Data[i]; math.Abs(p-q) > 1e-3*q {
					t.Fatalf("class %d: %g, in ONNX Runtime %g", i, p, q)
				}
			}
			t.Logf("probabilities from %.2g to %.2g differ by at most %.2g", least, most, d)
			if !(d <= 1e-4*most) || math.Abs(sum-1) > 1e-5 {
				t.Errorf("probabilities differ by %g of %g and add up to %g", d, most, sum)
			}
			if most < 20*least || most < 0.005 {
				t.Error("the probabilities are too flat to tell networks apart")
			}
		})
	}
}

// sharpen writes weights with which the logits of a picture x have a standard deviation of
// 2: He initialization for all layers, and the last layer scaled.
func sharpen(t *testing.T, g *ir.Graph, x []float32, path string) {
	t.Helper()
	steady(g)
	ir.Materialize(g, 1)
	h := g.Clone()
	last := h.Outputs[0].Def.In[0]
	h.Outputs, h.Heads = []*ir.Value{last}, nil
	p, err := cpu.Compile(h, cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	logits := make([]float32, last.Type.Shape.Size())
	if err := p.NewSession().Run([][]float32{x}, [][]float32{logits}); err != nil {
		t.Fatal(err)
	}
	n, sum, squares := float64(len(logits)), 0.0, 0.0
	for _, v := range logits {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	factor := float32(2 / math.Sqrt(squares/n-sum*sum/(n*n)))
	for _, v := range last.Def.In[1:] {
		d := g.Data[v.Name].Clone()
		for i := range d.Data {
			d.Data[i] *= factor
		}
		g.Data[v.Name] = d
	}
	if err := writeFile(path, func(w io.Writer) error { return writeWeights(w, g, 0, nil) }); err != nil {
		t.Fatal(err)
	}
}
