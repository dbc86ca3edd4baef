package quantize

import "math"

// Bins is the number of bins of a histogram.
const Bins = 2048

// Histogram counts the elements of a value, or of a group of values: first their least and greatest,
// then, when these are known, how many fall into each of Bins bins of one width.
type Histogram struct {
	Least, Most float64
	Seen        bool
	Counts      [Bins]float64
}

// Bound takes note of the least and the greatest of some elements.
func (h *Histogram) Bound(x []float32) {
	for _, v := range x {
		y := float64(v)
		if !h.Seen {
			h.Least, h.Most, h.Seen = y, y, true
		}
		h.Least, h.Most = math.Min(h.Least, y), math.Max(h.Most, y)
	}
}

// Count counts some elements. All elements must have been seen by Bound before.
func (h *Histogram) Count(x []float32) {
	width := (h.Most - h.Least) / Bins
	if !(width > 0) {
		h.Counts[0] += float64(len(x))
		return
	}
	for _, v := range x {
		h.Counts[min(max(int((float64(v)-h.Least)/width), 0), Bins-1)]++
	}
}

// Methods are the ways to choose a range.
var Methods = []string{"minmax", "percentile", "mse", "entropy"}

// Range chooses a range by a method: minmax takes all elements; percentile leaves out the largest
// 0.01 %; mse has the least mean squared error (Banner 2019); entropy keeps the distribution as
// similar as possible (Migacz 2017, 8-bit Inference with TensorRT). mse and entropy try the range of
// minmax times 7/64 to 64/64, both ends alike.
func (h *Histogram) Range(method string) Range {
	all := Range{h.Least, h.Most}
	best, least := all, math.Inf(1)
	switch method {
	case "percentile":
		return h.percentile(0.9999)
	case "mse", "entropy":
		for i := 1; i <= 64; i++ {
			part := float64(i) / 64
			if part < 0.1 {
				continue
			}
			r := Range{all.Low * part, all.High * part}
			e := h.squaredError(r)
			if method == "entropy" {
				e = h.divergence(r)
			}
			if e <= least {
				best, least = r, e
			}
		}
	}
	return best
}

// middle is the middle of a bin.
func (h *Histogram) middle(i int) float64 {
	return h.Least + (float64(i)+0.5)*(h.Most-h.Least)/Bins
}

// percentile leaves out what is larger than that part of the elements, by absolute value.
func (h *Histogram) percentile(part float64) Range {
	total := 0.0
	for _, c := range h.Counts {
		total += c
	}
	reach := math.Max(-h.Least, h.Most)
	for i := 256; i >= 1; i-- {
		limit, within := reach*float64(i)/256, 0.0
		for j, c := range h.Counts {
			if math.Abs(h.middle(j)) <= limit {
				within += c
			}
		}
		if within < part*total {
			limit = reach * float64(i+1) / 256
			return Range{math.Max(h.Least, -limit), math.Min(h.Most, limit)}
		}
	}
	return Range{h.Least, h.Most}
}

// squaredError is the sum of the squares of what a range changes: a step's rounding error, as if
// elements were spread evenly over it, and what is cut off.
func (h *Histogram) squaredError(r Range) float64 {
	low, high := math.Min(r.Low, 0), math.Max(r.High, 0)
	step := (high - low) / 255
	sum := 0.0
	for i, c := range h.Counts {
		if c == 0 {
			continue
		}
		x := h.middle(i)
		e := step * step / 12
		if x < low || x > high {
			d := x - math.Min(math.Max(x, low), high)
			e = d * d
		}
		sum += c * e
	}
	return sum
}

// divergence is the Kullback-Leibler divergence of the distribution of what a range makes of the
// elements from that of the elements. The elements that are exactly 0, which a ReLU leaves, are
// not counted: any range keeps them.
func (h *Histogram) divergence(r Range) float64 {
	low, high := math.Min(r.Low, 0), math.Max(r.High, 0)
	const levels = 128
	var p [Bins]float64
	total := 0.0
	zero := -1
	if h.Least <= 0 && h.Most > h.Least {
		zero = min(int(-h.Least/(h.Most-h.Least)*Bins), Bins-1)
	}
	first, last := Bins, -1
	for i, c := range h.Counts {
		if c == 0 || i == zero {
			continue
		}
		x := h.middle(i)
		j := i
		if x < low || x > high { // cut off: counted at the end of the range
			end := math.Min(math.Max(x, low), high)
			j = min(max(int((end-h.Least)/(h.Most-h.Least)*Bins), 0), Bins-1)
		}
		p[j] += c
		total += c
		first, last = min(first, j), max(last, j)
	}
	if total == 0 || high == low {
		return 0
	}
	// The distribution after rounding: each level spreads the elements that were counted in it, before
	// what was cut off joined them, over its bins that have any.
	var sums, filled [levels]float64
	level := func(i int) int {
		return min(max(int((h.middle(i)-low)/(high-low)*levels), 0), levels-1)
	}
	kept := 0.0
	for i := first; i <= last; i++ {
		if i != zero && h.middle(i) >= low && h.middle(i) <= high {
			sums[level(i)] += h.Counts[i]
			kept += h.Counts[i]
		}
		if p[i] > 0 {
			filled[level(i)]++
		}
	}
	d := 0.0
	for i := first; i <= last; i++ {
		if p[i] == 0 {
			continue
		}
		q := 0.0
		if l := level(i); filled[l] > 0 && kept > 0 {
			q = sums[l] / filled[l] / kept
		}
		d += p[i] / total * math.Log(p[i]/total/math.Max(q, 1e-9))
	}
	return d
}
