package quantize

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Kernels of AVX2 multiply bytes with weights by an instruction that adds the products of two
// neighbouring input channels in 16 bits and saturates. Weights whose products with any bytes fit are
// computed by it, others by a slower kernel (kernel.ConvInt8). So weights are rounded such that they
// fit: of channels 2i and 2i+1, at the same place of the window, those of one sign add up to at most
// 128 (255*128 < 1<<15). All processors then compute with the same weights.

// maxPair is the most that two whole weights of one sign may add up to.
const maxPair = 128

// maxWhole is the most that a whole weight may be.
const maxWhole = 127

// pairing says where the neighbours lie in a row of weights, that of an output channel: a channel has
// as many weights as stride, one after another.
type pairing struct{ stride int }

// pairingOf is that of the weights of a convolution or dense layer.
func pairingOf(n *ir.Node) pairing {
	if w := n.In[1].Type.Shape; len(w) == 4 {
		return pairing{w[2] * w[3]}
	}
	v := n.In[0]
	for v.Def != nil && len(v.Type.Shape) != 4 { // behind a flatten channels are maps
		switch v.Def.Op.(type) {
		case ops.Flatten, ops.Dropout, ops.Quantize:
			v = v.Def.In[0]
			continue
		}
		break
	}
	if s := v.Type.Shape; len(s) == 4 {
		return pairing{s[2] * s[3]}
	}
	return pairing{1}
}

// each visits the indices of two neighbours.
func (p pairing) each(row int, visit func(i, j int)) {
	for c := 0; c+2*p.stride <= row; c += 2 * p.stride {
		for i := c; i < c+p.stride; i++ {
			visit(i, i+p.stride)
		}
	}
}

// scale is the scale for a row whose least scale is given: the one with the least squared error of
// what whole makes of the row, of some between the least and that with which all pairs fit unchanged.
func (p pairing) scale(row []float32, least float32) float32 {
	most := float32(0)
	p.each(len(row), func(i, j int) {
		most = max(most, max(row[i], 0)+max(row[j], 0), -min(row[i], 0)-min(row[j], 0))
	})
	const steps = 8
	best, error := least, math.Inf(1)
	for k := range steps + 1 {
		s := least + (most/maxPair-least)*float32(k)/steps
		if k > 0 && s <= least || s == 0 {
			break
		}
		sum := 0.0
		for i, q := range p.whole(row, s) {
			d := float64(row[i]) - q*float64(s)
			sum += d * d
		}
		if sum < error {
			best, error = s, sum
		}
	}
	return best
}

// whole rounds a row to whole numbers of steps of which all pairs fit.
func (p pairing) whole(row []float32, scale float32) []float64 {
	whole := make([]float64, len(row))
	for i, w := range row {
		whole[i] = min(max(math.RoundToEven(float64(w/scale)), -maxWhole), maxWhole)
	}
	p.fit(whole)
	return whole
}

// fit makes the pairs of whole numbers smaller that do not fit, both numbers alike.
func (p pairing) fit(whole []float64) {
	p.each(len(whole), func(i, j int) {
		a, b := whole[i], whole[j]
		excess := math.Abs(a+b) - maxPair
		if excess <= 0 || a*b <= 0 {
			return
		}
		whole[i] -= math.Copysign(math.Ceil(excess/2), a)
		whole[j] -= math.Copysign(math.Floor(excess/2), b)
	})
}

// partners returns the neighbour of each weight of a row, -1 for none.
func (p pairing) partners(row int) []int {
	l := make([]int, row)
	for i := range l {
		l[i] = -1
	}
	p.each(row, func(i, j int) { l[i], l[j] = j, i })
	return l
}

// nearest is the whole number nearest to x that may stand beside another one; NaN for none yet.
func nearest(x, beside float64) float64 {
	low, high := -float64(maxWhole), float64(maxWhole)
	switch {
	case beside > 0:
		high = min(high, maxPair-beside)
	case beside < 0:
		low = max(low, -maxPair-beside)
	}
	return min(max(math.RoundToEven(x), low), high)
}
