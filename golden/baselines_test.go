package golden

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs/spectest"
)

// TestBaselines runs the specs that follow torchvision and Keras with weights that a formula
// gives, in the order of the spec, and compares the logits with those of the originals
// (testdata/baselines/make.py). So the specs compute the same function, and their
// weights have the same order and shapes.
func TestBaselines(t *testing.T) {
	files, err := filepath.Glob("testdata/baselines/*.txt")
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			t.Run(words[0], func(t *testing.T) {
				var want []float64
				for _, w := range words[1:] {
					x, err := strconv.ParseFloat(w, 64)
					if err != nil {
						t.Fatal(err)
					}
					want = append(want, x)
				}
				logits := formulaLogits(t, words[0])
				if len(logits) != 1000 || len(want) != 13 {
					t.Fatalf("%d logits, %d expected numbers", len(logits), len(want))
				}
				largest := 0.0
				for _, x := range logits {
					largest = max(largest, math.Abs(float64(x)))
				}
				if math.Abs(largest-want[0]) > 1e-4*want[0] {
					t.Errorf("the largest logit is %g, want %g", largest, want[0])
				}
				for i, w := range want[1:] {
					if got := float64(logits[7+83*i]); !(math.Abs(got-w) <= 1e-4*want[0]) {
						t.Errorf("logit %d is %g, want %g", 7+83*i, got, w)
					}
				}
			})
		}
	}
}

// formulaLogits runs a network on small images, with the weights of make.py.
func formulaLogits(t *testing.T, name string) []float32 {
	const side = 64
	g := spectest.Load(t, name, "3x224x224", fmt.Sprintf("3x%dx%d", side, side))
	for i, p := range g.Params {
		u := formula(i, p.Type.Shape.Size())
		kind := p.Name[strings.LastIndexByte(p.Name, '/')+1:]
		fan := 1
		for _, d := range p.Type.Shape[1:] {
			fan *= d
		}
		data := make([]float32, len(u))
		for j, x := range u {
			switch kind {
			case "weight":
				x = (2*x - 1) * math.Sqrt(6/float64(fan))
			case "gamma", "variance":
				x += 0.5
			case "bias", "beta", "mean":
				x = 0.2 * (2*x - 1)
			default:
				t.Fatalf("param %s", p.Name)
			}
			data[j] = float32(x)
		}
		g.Data[p.Name] = tensor.Of(data, p.Type.Shape...)
	}
	x := make([]float32, 3*side*side)
	for i, u := range formula(9999, len(x)) {
		x[i] = float32(4*u - 2)
	}
	g.Outputs = []*ir.Value{watched(g)[0]} // the logits
	ir.Rewrite(g, "").Sweep()
	if _, err := passes.Run(g, passes.Level(2), passes.Options{}); err != nil {
		t.Fatal(err)
	}
	y := make([]float32, g.Outputs[0].Type.Shape.Size())
	if err := session(t, g, 1).Run([][]float32{x}, [][]float32{y}); err != nil {
		t.Fatal(err)
	}
	return y
}

// formula returns n numbers in 0..1 for the array with an index, as uniform in make.py.
func formula(index, n int) []float64 {
	r := make([]float64, n)
	for i := range r {
		h := uint32(i)*2654435761 + uint32(index)*2246822519
		h ^= h >> 15
		h *= 2246822519
		h ^= h >> 13
		h *= 3266489917
		h ^= h >> 16
		r[i] = float64(h) / (1 << 32)
	}
	return r
}
