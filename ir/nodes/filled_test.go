package nodes

import (
	"slices"
	"testing"
)

func TestCut(t *testing.T) {
	for _, c := range []struct {
		axes  []int
		sizes []float32
		want  []float32
	}{
		{[]int{3, 2}, []float32{3, 2}, []float32{0, 1, 2, 3, 4, 5}},
		{[]int{3, 2}, []float32{1, 2}, []float32{0, 1}},
		{[]int{3, 2}, []float32{3, 1}, []float32{0, 2, 4}},
		{[]int{1, 2, 3}, []float32{1, 2, 2, 9}, []float32{0, 1, 3, 4}},
		{[]int{6}, []float32{0}, nil},
	} {
		x := []float32{0, 1, 2, 3, 4, 5}
		shape := make([]int, len(c.axes))
		if got := Cut(x, c.axes, c.sizes, shape); !slices.Equal(got, c.want) {
			t.Errorf("%v cut to %v is %v, want %v", c.axes, c.sizes, got, c.want)
		}
		for a := range shape {
			if shape[a] != int(c.sizes[a]) {
				t.Errorf("sizes %v give the shape %v", c.sizes, shape)
			}
		}
	}
}
