package train

import (
	"math"
	"reflect"
	"testing"
)

// TestConfusion compares the sparse matrix with a dense one.
func TestConfusion(t *testing.T) {
	const classes = 7
	c := NewConfusion(classes)
	var dense [classes][classes]int
	for i := range 500 {
		label, predicted := i*i%classes, (i*i*i+i/11)%classes
		c.Add(label, predicted)
		dense[label][predicted]++
	}
	// Predictions of classes that the data does not have are not counted.
	for _, outside := range []int{-1, classes, math.MaxInt} {
		c.Add(0, outside)
		c.Add(outside, 0)
	}
	var want []ConfusionCell
	for l, row := range dense {
		for p, n := range row {
			if got := c.At(l, p); got != n {
				t.Errorf("At(%d, %d) = %d, want %d", l, p, got, n)
			}
			if n > 0 {
				want = append(want, ConfusionCell{l, p, n})
			}
		}
	}
	if got := c.Cells(); !reflect.DeepEqual(got, want) {
		t.Errorf("Cells() = %v, want %v", got, want)
	}
	if c.Classes() != classes || c.At(0, math.MaxInt) != 0 {
		t.Error("size")
	}
}
