package view

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/draw"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// TestTry compares the classes and feature maps of a picture with the interpreter in float64.
func TestTry(t *testing.T) {
	g := must(t, &editable{text: builtin(t, "mnist/inception_v1")})
	e := engine()
	picture := pngOf(t, digit(40, 30))
	d, err := draw.New(g, draw.Options{})
	if err != nil {
		t.Fatal(err)
	}
	net := g.Clone()
	if _, err := e.Fill(net); err != nil {
		t.Fatal(err)
	}
	x, err := data.Load(picture, net.Recipe.Input, 1, 28, 28)
	if err != nil {
		t.Fatal(err)
	}
	var keep []*ir.Value
	net.EachValue(func(v *ir.Value) {
		if v.Param == nil {
			keep = append(keep, v)
		}
	})
	want, err := ref.Run(net, []*tensor.Tensor{tensor.Widen(tensor.Of(x, 1, 1, 28, 28))}, ref.Options{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, b := range d.Boxes() {
		if b.Kind == "input" {
			continue
		}
		a, err := e.Try(g, "v", picture, b.Value, 3)
		if err != nil {
			t.Fatalf("%s: %v", b.Path, err)
		}
		if len(a.Top) != 3 || !a.Drawn || a.Input.W != 28 || len(a.Input.Data) != 4*28*28 {
			t.Fatalf("%s: %+v", b.Path, a)
		}
		probs := want[net.Outputs[0]].Data
		for i, c := range a.Top {
			if math.Abs(float64(c.Score)-probs[c.Class]) > 1e-4 || i > 0 && c.Score > a.Top[i-1].Score {
				t.Errorf("class %d has score %g, want %g", c.Class, c.Score, probs[c.Class])
			}
		}
		checkMaps(t, b, a.Maps, want[net.Value(b.Value)].Data)
		shown++
	}
	if shown < 20 {
		t.Errorf("%d boxes", shown)
	}
}

func checkMaps(t *testing.T, b draw.Box, m *Maps, want []float64) {
	t.Helper()
	if m.Shape != b.Output || m.Count*m.W*m.H != len(want) || len(m.Data) != len(want) || len(m.Low) != m.Count {
		t.Errorf("%s: %d maps of %d x %d, shape %s, want %s", b.Path, m.Count, m.W, m.H, m.Shape, b.Output)
		return
	}
	for k := range m.Count {
		low, high := math.Inf(1), math.Inf(-1)
		part := want[k*m.W*m.H : (k+1)*m.W*m.H]
		for _, v := range part {
			low, high = min(low, v), max(high, v)
		}
		if size := max(math.Abs(low), math.Abs(high)); math.Abs(float64(m.Low[k])-low) > 1e-4*(1+size) || math.Abs(float64(m.High[k])-high) > 1e-4*(1+size) {
			t.Errorf("%s: map %d from %g to %g, want %g to %g", b.Path, k, m.Low[k], m.High[k], low, high)
		}
		for i, v := range part {
			if grey := 255 * (v - low) / (high - low); high-low > 1e-3 && math.Abs(grey-float64(m.Data[k*m.W*m.H+i])) > 1.5 {
				t.Fatalf("%s: map %d, element %d is %d, want %.1f", b.Path, k, i, m.Data[k*m.W*m.H+i], grey)
			}
		}
	}
}

// TestTryErrors: files that are no pictures, values that are none, weights that are broken.
func TestTryErrors(t *testing.T) {
	g := must(t, &editable{text: builtin(t, "mnist/inception_v1")})
	picture := pngOf(t, digit(28, 28))
	e := engine()
	for _, bad := range [][]byte{nil, []byte("no picture"), picture[:60], bytes.Repeat([]byte{0xff}, 1000)} {
		if _, err := e.Try(g, "v", bad, "", 5); err == nil {
			t.Errorf("%.20q is a picture", bad)
		}
	}
	for _, at := range []string{"nothing", "image", "c1/conv_3x3/weight"} {
		if _, err := e.Try(g, "v", picture, at, 5); err == nil || !strings.Contains(err.Error(), "no feature maps") {
			t.Errorf("feature maps of %s: %v", at, err)
		}
	}
	if a, err := e.Try(g, "v", picture, "", 5); err != nil || a.Maps != nil {
		t.Errorf("without feature maps: %v, %v", a, err)
	}
	m := mapsOf("x", ir.Shape{ir.Batch, 2, 1, 2}, []float32{1, 1, float32(math.NaN()), 2})
	if m.Count != 2 || !bytes.Equal(m.Data, []byte{0, 0, 0, 0}) {
		t.Errorf("constant and NaN maps: %+v", m)
	}
}

// TestFilters makes pictures of weights.
func TestFilters(t *testing.T) {
	grey := NewFilters("w", ir.Shape{1, 2, 1, 3}, []float32{-1, 0, 1, 7, 8, 9})
	if grey.Channels != 1 || !bytes.Equal(grey.Data, []byte{0, 128, 255}) {
		t.Errorf("grey %+v", grey)
	}
	colour := NewFilters("w", ir.Shape{2, 3, 1, 1}, []float32{0, 1, 2, 5, 5, 5})
	if colour.Channels != 3 || !bytes.Equal(colour.Data, []byte{0, 128, 255, 0, 0, 0}) {
		t.Errorf("colour %+v", colour)
	}
}
