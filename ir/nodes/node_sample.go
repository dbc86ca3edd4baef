package nodes

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// nodeGrid samples a map with two or three axes of space.
type nodeGrid struct {
	dims    []int
	mode    string
	padding string
	corners bool
}

// bounds returns the coordinates between which an axis lies.
func (g *nodeGrid) bounds(a int) (lo, hi float64) {
	if g.corners {
		return 0, float64(g.dims[a] - 1)
	}
	return -0.5, float64(g.dims[a]) - 0.5
}

// reflect mirrors a coordinate at both ends of an axis.
func (g *nodeGrid) reflect(x float64, a int) float64 {
	lo, hi := g.bounds(a)
	width := hi - lo
	if width <= 0 {
		return 0
	}
	d := math.Mod(math.Abs(x-lo), 2*width)
	return lo + min(d, 2*width-d)
}

// element returns the element that a coordinate's neighbour is; ok is false for none.
func (g *nodeGrid) element(i, a int) (int, bool) {
	n := g.dims[a]
	if i >= 0 && i < n {
		return i, true
	}
	switch g.padding {
	case "border":
		return min(max(i, 0), n-1), true
	case "reflection":
		return min(max(int(g.reflect(float64(i), a)), 0), n-1), true
	}
	return 0, false
}

// axis returns the neighbours of a normalized coordinate and their weights.
func (g *nodeGrid) axis(v float64, a int) (first, n int, weights [4]float64) {
	size := float64(g.dims[a])
	x := ((v+1)*size - 1) / 2
	if g.corners {
		x = (v + 1) / 2 * (size - 1)
	}
	if g.mode == "nearest" {
		x = math.RoundToEven(x)
	}
	if lo, hi := g.bounds(a); x < lo || x > hi {
		switch g.padding {
		case "border":
			x = nodeClamp(x, 0, size-1)
		case "reflection":
			x = g.reflect(x, a)
		}
	}
	if !(math.Abs(x) < 1<<30) {
		x = -1 << 20
	}
	base := math.Floor(x)
	d := x - base
	switch g.mode {
	case "nearest":
		return int(math.RoundToEven(x)), 1, [4]float64{1}
	case "cubic":
		return int(base) - 1, 4, [4]float64{nodeCubic(1+d, -0.75), nodeCubic(d, -0.75), nodeCubic(1-d, -0.75), nodeCubic(2-d, -0.75)}
	}
	return int(base), 2, [4]float64{1 - d, d}
}

func nodePlanGridSample(p *NodePlan) error {
	if err := p.need(2, 2); err != nil {
		return err
	}
	x, grid := p.In[0].Shape, p.In[1].Shape
	d := len(x) - 2
	if d < 1 || d > 3 || len(grid) != len(x) || grid[0] != x[0] || grid[len(grid)-1] != d {
		return fmt.Errorf("grid %v for %v", grid, x)
	}
	mode := strings.TrimPrefix(p.text("mode", "linear", "bilinear", "nearest", "cubic", "bicubic"), "bi")
	g := nodeGrid{x[2:], mode, p.text("padding_mode", "zeros", "border", "reflection"), p.int("align_corners", 0) != 0}
	out := slices.Concat(x[:2], grid[1:len(grid)-1])
	pixels, in, channels, steps := nodeLen(out[2:]), nodeLen(x[2:]), x[1], nodeSteps(x[2:])
	p.result(p.In[0].Kind, out...)
	p.units, p.work = x[0]*pixels, 32*channels
	p.run = func(arg, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			var first, n [3]int
			var weights [3][4]float64
			for a := range d { // the last coordinate is that of the first axis
				first[a], n[a], weights[a] = g.axis(arg[1][u*d+d-1-a], a)
			}
			image, pixel := u/pixels, u%pixels
			for c := range channels {
				src := arg[0][(image*channels+c)*in:]
				y[0][(image*channels+c)*pixels+pixel] = p.f32(g.sum(src, first, n, weights, steps))
			}
		}
	}
	return nil
}

// sum returns the weighted sum of the neighbours.
func (g *nodeGrid) sum(x []float64, first, n [3]int, weights [3][4]float64, steps nodeIndex) (sum float64) {
	d := len(g.dims)
	for a := d; a < 3; a++ {
		n[a] = 1
	}
	for i := range n[0] * n[1] * n[2] {
		at, w, ok := 0, 1.0, true
		k := [3]int{i / (n[1] * n[2]), i / n[2] % n[1], i % n[2]}
		for a := range d {
			e, inside := g.element(first[a]+k[a], a)
			ok = ok && inside
			at += e * steps[a]
			w *= weights[a][k[a]]
		}
		if ok {
			sum += w * x[at]
		}
	}
	return sum
}

// nodePlanAffineGrid takes the size of the maps as an attribute.
func nodePlanAffineGrid(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	theta := p.In[0].Shape
	size, _ := p.ints("size")
	d := len(size) - 2
	if d < 2 || d > 3 || len(theta) != 3 || theta[0] != size[0] || theta[1] != d || theta[2] != d+1 {
		return fmt.Errorf("size %v for %v", size, theta)
	}
	corners := p.int("align_corners", 0) != 0
	out := append([]int{size[0]}, size[2:]...)
	p.result(NodeFloat, append(out, d)...)
	p.units, p.work = nodeLen(out), 16
	p.run = func(x, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			i := nodeSplit(u, out)
			t := x[0][i[0]*d*(d+1):]
			for r := range d {
				sum := t[r*(d+1)+d]
				for c := range d { // the first column is for the last axis
					n := float64(size[2+d-1-c])
					v := (2*float64(i[d-c])+1)/n - 1
					if corners {
						v = 0
						if n > 1 {
							v = 2*float64(i[d-c])/(n-1) - 1
						}
					}
					sum += t[r*(d+1)+c] * v
				}
				y[0][u*d+r] = p.f32(sum)
			}
		}
	}
	return nil
}

func nodePlanRoiAlign(p *NodePlan) error {
	if err := p.need(3, 3); err != nil {
		return err
	}
	x, rois := p.In[0].Shape, p.In[1].Shape
	if len(x) != 4 || len(rois) != 2 || rois[1] != 4 || p.In[2].Len() != rois[0] {
		return fmt.Errorf("regions %v of images %v for %v", rois, p.In[2].Shape, x)
	}
	h, w, ratio := p.int("output_height", 1), p.int("output_width", 1), p.int("sampling_ratio", 0)
	scale, average := p.float("spatial_scale", 1), p.text("mode", "avg", "max") == "avg"
	half := p.text("coordinate_transformation_mode", "half_pixel", "output_half_pixel") == "half_pixel"
	if h < 1 || w < 1 || ratio < 0 || ratio > 1<<10 {
		return fmt.Errorf("output of %d x %d, %d samples", h, w, ratio)
	}
	p.result(p.In[0].Kind, rois[0], x[1], h, w)
	p.units, p.work = rois[0]*x[1], 256*h*w
	p.inside(2, x[0])
	p.run = func(in, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			box := in[1][u/x[1]*4:][:4]
			image, ok := nodeWrap(in[2][u/x[1]], x[0])
			dst := y[0][u*h*w : (u+1)*h*w]
			if !ok {
				for i := range dst {
					dst[i] = math.NaN()
				}
				continue
			}
			r := nodeRegion{src: in[0][(image*x[1]+u%x[1])*x[2]*x[3]:], h: x[2], w: x[3], average: average}
			r.place(box, scale, half, [2]int{h, w}, ratio)
			for i := range dst {
				dst[i] = p.f32(r.bin(i/w, i%w))
			}
		}
	}
	return nil
}

// nodeRegion is a box of a map that is divided into bins, and each of them into samples.
type nodeRegion struct {
	src     []float64
	h, w    int
	average bool
	from    [2]float64 // y, x
	step    [2]float64 // of a bin
	samples [2]int     // of a bin
}

func (r *nodeRegion) place(box []float64, scale float64, half bool, bins [2]int, ratio int) {
	shift := nodeBit(half) * 0.5
	for a := range 2 {
		lo, hi := box[1-a]*scale-shift, box[3-a]*scale-shift
		size := hi - lo
		if !half {
			size = max(size, 1)
		}
		r.from[a], r.step[a] = lo, size/float64(bins[a])
		if r.samples[a] = ratio; ratio == 0 {
			r.samples[a] = int(nodeClamp(math.Ceil(size/float64(bins[a])), 1, 1<<10))
		}
	}
}

// bin returns the average or the largest of the samples of a bin.
func (r *nodeRegion) bin(by, bx int) float64 {
	sum, most := 0.0, math.Inf(-1)
	for sy := range r.samples[0] {
		y := r.from[0] + r.step[0]*(float64(by)+(float64(sy)+0.5)/float64(r.samples[0]))
		for sx := range r.samples[1] {
			x := r.from[1] + r.step[1]*(float64(bx)+(float64(sx)+0.5)/float64(r.samples[1]))
			s, m := r.sample(y, x)
			sum, most = sum+s, max(most, m)
		}
	}
	if r.average {
		return sum / float64(r.samples[0]*r.samples[1])
	}
	return most
}

// sample interpolates between four elements, and returns the largest of their weighted values,
// too.
func (r *nodeRegion) sample(y, x float64) (sum, most float64) {
	if y < -1 || y > float64(r.h) || x < -1 || x > float64(r.w) || y != y || x != x {
		return 0, 0
	}
	y0, fy := nodeBetween(y, r.h)
	x0, fx := nodeBetween(x, r.w)
	y1, x1 := min(y0+1, r.h-1), min(x0+1, r.w-1)
	parts := [4]float64{(1 - fy) * (1 - fx) * r.src[y0*r.w+x0], (1 - fy) * fx * r.src[y0*r.w+x1], fy * (1 - fx) * r.src[y1*r.w+x0], fy * fx * r.src[y1*r.w+x1]}
	return parts[0] + parts[1] + parts[2] + parts[3], max(parts[0], parts[1], parts[2], parts[3])
}

// nodeBetween returns the element before a coordinate and the distance to it.
func nodeBetween(v float64, n int) (i int, d float64) {
	v = max(v, 0)
	if i = int(v); i >= n-1 {
		return n - 1, 0
	}
	return i, v - float64(i)
}
