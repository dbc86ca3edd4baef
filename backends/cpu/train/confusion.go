package train

import (
	"cmp"
	"slices"
)

// Confusion counts the images of an evaluation by their label and the class that
// was predicted for them. It holds only the pairs that occurred, so its size
// grows with the images and not with the square of the classes.
type Confusion struct {
	classes int
	counts  map[[2]int32]int
}

// ConfusionCell is one pair of a Confusion.
type ConfusionCell struct {
	Label     int
	Predicted int
	Count     int // at least 1
}

// NewConfusion returns an empty confusion matrix of the given number of classes.
func NewConfusion(classes int) *Confusion {
	return &Confusion{classes: classes, counts: map[[2]int32]int{}}
}

// Add counts one image. A class outside of the matrix is not counted.
func (c *Confusion) Add(label, predicted int) {
	if min(label, predicted) >= 0 && max(label, predicted) < c.classes {
		c.counts[[2]int32{int32(label), int32(predicted)}]++
	}
}

// Classes is the number of rows and columns.
func (c *Confusion) Classes() int { return c.classes }

// At returns the number of images of a label with a prediction.
func (c *Confusion) At(label, predicted int) int {
	if min(label, predicted) < 0 || max(label, predicted) >= c.classes {
		return 0
	}
	return c.counts[[2]int32{int32(label), int32(predicted)}]
}

// Cells returns the pairs that occurred, ordered by label and then by prediction.
func (c *Confusion) Cells() []ConfusionCell {
	cells := make([]ConfusionCell, 0, len(c.counts))
	for k, n := range c.counts {
		cells = append(cells, ConfusionCell{int(k[0]), int(k[1]), n})
	}
	slices.SortFunc(cells, func(a, b ConfusionCell) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.Predicted, b.Predicted))
	})
	return cells
}
