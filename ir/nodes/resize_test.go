package nodes

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

// TestResizeModes compares every mode and every transformation of coordinates with ONNX Runtime
// (testdata/resize.py), for scales and sizes that are no whole multiples. Where runtimes disagree
// there is no result.
func TestResizeModes(t *testing.T) {
	b, err := os.ReadFile("testdata/resize.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Attrs string
		Y     []float64
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	x := []float64{0.5, -1.25, 2, 0.125, -0.75, 1.5, 3}
	refused := 0
	for _, c := range cases {
		p, err := PlanNode("Resize", c.Attrs, []NodeType{{NodeFloat, []int{7}}}, false)
		if err != nil {
			if !strings.Contains(err.Error(), "runtimes") {
				t.Errorf("%s: %v", c.Attrs, err)
			}
			refused++
			continue
		}
		y, err := p.Eval([][]float64{x})
		if err != nil || len(y[0]) != len(c.Y) {
			t.Errorf("%s: %v, %v, want %v", c.Attrs, y, err, c.Y)
			continue
		}
		for i, v := range y[0] {
			if !(math.Abs(v-c.Y[i]) <= 2e-5) {
				t.Errorf("%s: %v, want %v", c.Attrs, y[0], c.Y)
				break
			}
		}
	}
	if len(cases) != 336 || refused > 60 {
		t.Errorf("%d of %d cases are refused", refused, len(cases))
	}
	t.Logf("%d of %d cases are refused", refused, len(cases))
}
