package decompile_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/dsl/decompile"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
)

var models = flag.String("models", "", "the folder of the models that testdata/torchvision/export.py wrote, for -update")

// TestTorchvision: what torchvision's networks become. testdata has their graphs, as
// onnx.Import made them of exported models, without weights; the texts are goldens, and
// lines says how many lines of code they have and the spec of the same network that a person
// wrote (without train).
func TestTorchvision(t *testing.T) {
	for _, c := range []struct {
		name        string
		spec        string // the built-in network, "" if there is none
		lines, hand int
	}{
		{"googlenet", "googlenet_bn", 24, 24},
		{"inception_v3", "inception_v3", 46, 43},
		{"resnet50", "resnet50", 13, 15},
		{"resnet50.folded", "resnet50", 13, 15},
		{"resnet50.dynamo", "resnet50", 13, 15},
		{"densenet121", "densenet121", 16, 16},
		{"mobilenet_v2.folded", "mobilenet_v2", 13, 17},
		{"squeezenet1_1", "squeezenet", 10, 16},
		{"efficientnet_b0", "", 16, 0},
		{"mobilenet_v3_small", "", 15, 0},
		{"shufflenet_v2_x1_0", "", 16, 0},
		{"googlenet_transform", "googlenet_bn", 24, 24},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join("testdata", "torchvision", c.name)
			if *update && *models != "" {
				writeGraph(t, file+".graph.gz", filepath.Join(*models, c.name+".onnx"))
			}
			s, err := decompile.Write(readGraph(t, file+".graph.gz"))
			if err != nil {
				t.Fatal(err)
			}
			if s.Flat != "" {
				t.Fatalf("it is written flat: %s", s.Flat)
			}
			if l := dsl.Lint("net.incc", s.Text, dsl.Options{}); len(l) > 0 {
				t.Errorf("vet: %v", l)
			}
			golden(t, file+".incc", s.Text)
			if n := codeLines(s.Text); n != c.lines {
				t.Errorf("%d lines, want %d", n, c.lines)
			}
			if c.spec != "" {
				if n := codeLines(original(t, c.spec)); n != c.hand {
					t.Errorf("%s has %d lines, want %d", c.spec, n, c.hand)
				}
			}
		})
	}
}

// codeLines counts the lines that are not empty.
func codeLines(text []byte) int {
	n := 0
	for l := range bytes.Lines(text) {
		if len(bytes.TrimSpace(l)) > 0 {
			n++
		}
	}
	return n
}

// writeGraph writes the graph of a model as text, without the elements of large weights.
func writeGraph(t *testing.T, to, model string) {
	g, err := onnx.Load(model, onnx.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	g.Name, g.Doc = strings.TrimSuffix(filepath.Base(model), ".onnx"), ""
	for _, v := range g.Params {
		if d := g.Data[v.Name]; len(d.Data) > 16 || v.Param.Kind != ir.Constant && len(v.Type.Shape) > 0 {
			delete(g.Data, v.Name)
			v.Param.Init = ir.Init{Kind: ir.InitConstant}
		} else {
			v.Param.Kind, v.Param.LR = ir.Constant, 0 // its elements are in the text
		}
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(dsl.Print(g)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readGraph reads what writeGraph wrote. All weights are zeros.
func readGraph(t *testing.T, file string) *ir.Graph {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	g, diags := dsl.Load(file, text, dsl.Options{})
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	zeros(g)
	g.Recipe.Input = &recipe.Input{Hi: 1, Mean: []float64{0.485, 0.456, 0.406}, Std: []float64{0.229, 0.224, 0.225}, Order: "rgb"}
	return g
}
