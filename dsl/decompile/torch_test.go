package decompile_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/dsl/decompile"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/tensor"
)

// TestTorch: what networks become that make maps larger, as PyTorch exported them
// (testdata/torch/export.py). The texts are goldens. A text computes what PyTorch computed, and the
// ONNX model of a text becomes the same text.
func TestTorch(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines int
		// With the names of PyTorch's modules, other blocks are the best than with the names of the
		// text, so that the second text differs. The third is the second.
		renamed bool
	}{
		{"unet_transposed", 13, false}, {"unet_transposed_dynamo", 13, false}, {"unet_bilinear", 16, true}, {"espcn", 6, false}, {"style", 11, true}, {"yolo", 17, false}, {"generator", 5, false}, {"groups", 5, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata", "torch", c.name)
			g, err := onnx.Load(file+".onnx", onnx.LoadOptions{Layers: true})
			if err != nil {
				t.Fatal(err)
			}
			s := writtenAs(t, g, c.name)
			golden(t, file+".incc", s.Text)
			if n := codeLines(s.Text); n != c.lines {
				t.Errorf("%d lines, want %d", n, c.lines)
			}
			if l := dsl.Lint("net.incc", s.Text, dsl.Options{}); len(l) > 0 {
				t.Errorf("vet: %v", l)
			}
			computesAs(t, s.Graph, file)
			again := rewritten(t, s, c.name)
			if c.renamed {
				computesAs(t, again.Graph, file)
				s, again = again, rewritten(t, again, c.name)
			}
			if !bytes.Equal(again.Text, s.Text) {
				t.Errorf("the model of the text becomes\n%s\nthe text was\n%s", again.Text, s.Text)
			}
			// Without Layers, the importer lowers: the numbers are the same.
			if g, err = onnx.Load(file+".onnx", onnx.LoadOptions{}); err != nil {
				t.Fatal(err)
			}
			computesAs(t, g, file)
		})
	}
}

// rewritten returns what the ONNX model of a text becomes.
func rewritten(t *testing.T, s *decompile.Spec, name string) *decompile.Spec {
	t.Helper()
	emitted, err := onnx.Backend{Opset: 21}.Emit(s.Graph)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := emitted[0].WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Decode(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	h, err := onnx.ImportWith(&onnx.Model{Proto: m}, onnx.ImportOptions{Layers: true})
	if err != nil {
		t.Fatal(err)
	}
	return writtenAs(t, h, name)
}

func writtenAs(t *testing.T, g *ir.Graph, name string) *decompile.Spec {
	t.Helper()
	g.Name, g.Doc = name, ""
	g.Recipe.Input = &recipe.Input{Hi: 1, Order: "rgb"}
	s, err := decompile.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	if s.Flat != "" {
		t.Fatalf("it is written flat: %s", s.Flat)
	}
	return s
}

// computesAs compares the output of a graph with that of PyTorch, for an input of sines.
func computesAs(t *testing.T, g *ir.Graph, file string) {
	t.Helper()
	const suffix = "_dynamo"
	if n := len(file) - len(suffix); file[n:] == suffix {
		file = file[:n]
	}
	raw, err := os.ReadFile(file + ".out")
	if err != nil {
		t.Fatal(err)
	}
	want := tensor.New(len(raw) / 4)
	for i := range want.Data {
		want.Data[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
	}
	p, err := cpu.Compile(g, cpu.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	x := tensor.Make[float32](g.Inputs[0].Type.Shape.Bind(1))
	for i := range x.Data {
		x.Data[i] = float32(math.Sin(float64(i)))
	}
	out, err := p.Infer(x)
	if err != nil {
		t.Fatal(err)
	}
	got := tensor.Widen(tensor.Of(out[0].Data, len(out[0].Data)))
	if d, largest := tensor.MaxDiff(got, want); !(d <= 1e-5*largest) {
		t.Errorf("the output differs from PyTorch's by %g of %g", d, largest)
	}
}
