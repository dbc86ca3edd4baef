package cpu

import (
	"errors"
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

func TestLoadWeights(t *testing.T) {
	g := twoByTwo(t)
	w := drawShape("other", 4, 3, 1, 1)
	if err := LoadWeights(g, map[string]*tensor.F32{"filters": w}); err != nil {
		t.Fatal(err)
	}
	p, err := Compile(g, Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, one := drawShape("x", 1, 3, 8, 8), tensor.Make[float32]([]int{1, 1, 8, 8})
	for i := range one.Data {
		one.Data[i] = 1
	}
	out, err := p.Infer(x, one)
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0 // a 1x1 convolution, its first pixel in the first channel, and a ReLU
	for c := range 3 {
		want += float64(w.Data[c]) * float64(x.Data[64*c])
	}
	if got := float64(out[1].Data[0]); !(max(got-max(want, 0), max(want, 0)-got) < 1e-6) {
		t.Errorf("got %g, want %g", got, max(want, 0))
	}
}

func TestLoadWeightsMisfits(t *testing.T) {
	g := twoByTwo(t)
	for _, c := range []struct {
		in   map[string]*tensor.F32
		want []string
	}{
		{nil, []string{"filters is not in the map"}},
		{map[string]*tensor.F32{"filter": drawShape("w", 4, 3, 1, 1)}, []string{`"filter" is not a weight of two, did you mean filters?`, `filters is not in the map (the map has "filter")`}},
		{map[string]*tensor.F32{"filters": drawShape("w", 4, 3)}, []string{"filters is 4x3 in the map, 4x3x1x1 in two"}},
		{map[string]*tensor.F32{"filters": {Shape: []int{4, 3, 1, 1}}}, []string{"filters has 0 elements for shape 4x3x1x1"}},
		{map[string]*tensor.F32{"filters": nil}, []string{"filters is nil", "filters is not in the map"}},
	} {
		err := LoadWeights(g, c.in)
		var bad *ir.MisfitError
		if !errors.As(err, &bad) || !slices.Equal(bad.List, c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
		if len(g.Data) > 0 {
			t.Error("the network has weights after an error")
		}
	}
}
