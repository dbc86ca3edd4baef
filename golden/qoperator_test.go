package golden

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/passes"
)

// TestScalesOfColumns: a QLinearMatMul with a scale for each column computes what ONNX Runtime does.
// backends/onnx/testdata/qlinearmatmul_columns.py made the model and the numbers.
func TestScalesOfColumns(t *testing.T) {
	g, err := onnx.Load(filepath.Join("..", "backends", "onnx", "testdata", "qlinearmatmul_columns.onnx"), onnx.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := cpu.Compile(g, cpu.Options{Batch: 2})
	if err != nil {
		t.Fatal(err)
	}
	y, want := make([]float32, 8), []float32{0, 4.125, 1.125, -0.125, 0.125, 8.75, 1.25, 0.5}
	if err := p.NewSession().Run([][]float32{{.5, -1.25, 2, 3, .0625, -.75}}, [][]float32{y}); err != nil || !slices.Equal(y, want) {
		t.Errorf("%v, %v, want %v", y, err, want)
	}
}

// TestQuantizedByORT: models that ONNX Runtime's quantize_static wrote, in its QOperator and its QDQ form,
// per channel and per tensor, of bytes with and without sign, compute what it computes, to one step of the
// last scale; and they do it on integers. backends/onnx/testdata/qoperator.py made them.
func TestQuantizedByORT(t *testing.T) {
	dir := filepath.Join("..", "backends", "onnx", "testdata")
	text, err := os.ReadFile(filepath.Join(dir, "qoperator.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		X      []float32
		Models map[string]struct {
			Ops  []string
			Step float64
			Y    []float64
		}
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	folded := 0
	for name, m := range want.Models {
		g, err := onnx.Load(filepath.Join(dir, name), onnx.LoadOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := passes.Run(g, passes.Level(2), passes.Options{}); err != nil {
			t.Fatal(err)
		}
		for _, isa := range kernel.Available() {
			p, err := cpu.Compile(g, cpu.Options{Batch: 1, ISA: isa.String()})
			if err != nil {
				t.Fatal(err)
			}
			y := make([]float32, len(m.Y))
			if err := p.NewSession().Run([][]float32{want.X}, [][]float32{y}); err != nil {
				t.Fatal(err)
			}
			for i, w := range m.Y {
				if math.Abs(float64(y[i])-w) > 1.01*m.Step || m.Step == 0 {
					t.Errorf("%s, %v: output %d is %g, ONNX Runtime has %g, steps are %g", name, isa, i, y[i], w, m.Step)
				}
			}
			whole, sums := 0, 0
			for _, s := range p.Plan().Steps {
				switch s.Algo {
				case "int8":
					whole++
				case "int8 add":
					sums++
				}
			}
			if whole != 6 || sums != 1 {
				t.Errorf("%s, %v: %d layers and %d sums on integers, want 6 and 1\n%v", name, isa, whole, sums, p.Plan())
			}
		}
		if strings.HasPrefix(strings.Join(m.Ops, " "), "DequantizeLinear Flatten MaxPool QGemm QLinearAdd") {
			folded++
		}
	}
	if folded != 2 || len(want.Models) != 4 {
		t.Errorf("%d models, %d of the QOperator form", len(want.Models), folded)
	}
}
