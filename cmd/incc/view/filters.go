package view

import "github.com/incc-lang/incc/ir"

// maxFilters is the largest number of filters that a page shows.
const maxFilters = 256

// NewFilters makes pictures of the weights of a convolution, of shape OIHW: filters of three
// channels in red, green and blue, the others in grey, of their first channel.
func NewFilters(name string, shape ir.Shape, weights []float32) *Filters {
	f := &Filters{Name: name, Shape: shape.String(), Count: shape[0], Channels: 1, H: shape[2], W: shape[3]}
	if shape[1] == 3 {
		f.Channels = 3
	}
	size := f.H * f.W
	for i := range min(f.Count, maxFilters) {
		x := weights[i*shape[1]*size:][:f.Channels*size]
		low, high := x[0], x[0]
		for _, v := range x {
			low, high = min(low, v), max(high, v)
		}
		planes := levels(x, low, high)
		for k := range size {
			for c := range f.Channels {
				f.Data = append(f.Data, planes[c*size+k])
			}
		}
	}
	return f
}
