package nodes

import (
	"fmt"
	"math"
	"slices"
)

func nodeAddNorms() {
	nodeOps["LayerNormalization"] = nodePlanLayerNorm
	nodeOps["RMSNormalization"] = nodePlanRMSNorm
	nodeOps["InstanceNormalization"] = nodePlanInstanceNorm
	nodeOps["GroupNormalization"] = nodePlanGroupNorm
	nodeOps["LpNormalization"] = nodePlanLpNorm
	nodeOps["MeanVarianceNormalization"] = nodePlanMVN
	nodeOps["BatchNormalization"] = nodePlanBatchNorm
	nodeOps["LRN"] = nodePlanLRN
}

// nodeMoments returns the mean and the variance of n elements.
func nodeMoments(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / float64(len(x))
}

// scales checks that operand i can be stretched to the axes of x from one on, and returns its
// steps along them.
func (p *NodePlan) scales(i int, tail []int) (w nodeWalk, err error) {
	w = newNodeWalk(tail)
	for o := i; o < len(p.In); o++ {
		if !p.has(o) {
			continue
		}
		s, err := nodeBroadcast(p.In[o].Shape, tail)
		if err != nil || !slices.Equal(s, tail) {
			return w, fmt.Errorf("operand %d of shape %v for normalized axes %v", o+1, p.In[o].Shape, tail)
		}
		w.step[o] = nodeStretch(p.In[o].Shape, tail)
	}
	return w, nil
}

func nodePlanLayerNorm(p *NodePlan) error {
	if err := p.need(2, 3); err != nil {
		return err
	}
	shape := p.In[0].Shape
	axis, err := p.axisOf("axis", -1, len(shape))
	if err != nil {
		return err
	}
	w, err := p.scales(1, shape[axis:])
	if err != nil {
		return err
	}
	outer, n := nodeLen(shape[:axis]), nodeLen(shape[axis:])
	eps, bias := p.float("epsilon", 1e-5), p.has(2)
	stat := append(slices.Clone(shape[:axis]), slices.Repeat([]int{1}, len(shape)-axis)...)
	p.result(p.In[0].Kind, shape...)
	p.result(NodeFloat, stat...)
	p.result(NodeFloat, stat...)
	p.units, p.work = outer, 8*n
	p.run = func(x, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			line := x[0][u*n : (u+1)*n]
			mean, variance := nodeMoments(line)
			inv := 1 / math.Sqrt(variance+eps)
			w := w
			w.seek(0)
			for i, v := range line {
				r := (v - mean) * inv * x[1][w.at[1]]
				if bias {
					r += x[2][w.at[2]]
				}
				y[0][u*n+i] = p.f32(r)
				w.next()
			}
			y[1][u], y[2][u] = p.f32(mean), p.f32(inv)
		}
	}
	return nil
}

func nodePlanRMSNorm(p *NodePlan) error {
	if err := p.need(2, 2); err != nil {
		return err
	}
	shape := p.In[0].Shape
	axis, err := p.axisOf("axis", -1, len(shape))
	if err != nil {
		return err
	}
	w, err := p.scales(1, shape[axis:])
	if err != nil {
		return err
	}
	outer, n := nodeLen(shape[:axis]), nodeLen(shape[axis:])
	eps := p.float("epsilon", 1e-5)
	p.result(p.In[0].Kind, shape...)
	p.units, p.work = outer, 8*n
	p.run = func(x, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			line := x[0][u*n : (u+1)*n]
			sum := 0.0
			for _, v := range line {
				sum += v * v
			}
			inv := 1 / math.Sqrt(sum/float64(n)+eps)
			w := w
			w.seek(0)
			for i, v := range line {
				y[0][u*n+i] = p.f32(v * inv * x[1][w.at[1]])
				w.next()
			}
		}
	}
	return nil
}

// nodePlanInstanceNorm normalizes each channel of each image.
func nodePlanInstanceNorm(p *NodePlan) error {
	if err := p.need(3, 3); err != nil {
		return err
	}
	shape := p.In[0].Shape
	if len(shape) < 2 || shape[1] < 1 || p.In[1].Len() != shape[1] || p.In[2].Len() != shape[1] {
		return fmt.Errorf("scale %v and bias %v for %v (want one for each channel)", p.In[1].Shape, p.In[2].Shape, shape)
	}
	return p.normGroups(shape[1], 1)
}

// nodePlanGroupNorm takes scales for each channel, or for each group as until opset 20.
func nodePlanGroupNorm(p *NodePlan) error {
	if err := p.need(3, 3); err != nil {
		return err
	}
	shape, groups := p.In[0].Shape, p.int("num_groups", 0)
	if len(shape) < 2 || groups < 1 || shape[1]%groups != 0 {
		return fmt.Errorf("%d groups for %v", groups, shape)
	}
	n := p.In[1].Len()
	if n != shape[1] && n != groups || p.In[2].Len() != n {
		return fmt.Errorf("scale %v and bias %v for %v", p.In[1].Shape, p.In[2].Shape, shape)
	}
	each := 1
	if n == groups {
		each = shape[1] / groups
	}
	return p.normGroups(groups, each)
}

// normGroups normalizes groups of channels; each scale serves as many channels in a row as each
// says.
func (p *NodePlan) normGroups(groups, each int) error {
	shape := p.In[0].Shape
	pixels := nodeLen(shape[2:])
	channels := shape[1]
	n := channels / groups * pixels
	eps := p.float("epsilon", 1e-5)
	p.result(p.In[0].Kind, shape...)
	p.units, p.work = shape[0]*groups, 8*n
	p.run = func(x, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			line := x[0][u*n : (u+1)*n]
			mean, variance := nodeMoments(line)
			inv := 1 / math.Sqrt(variance+eps)
			for i, v := range line {
				c := (u%groups*n + i) / pixels / each
				y[0][u*n+i] = p.f32((v-mean)*inv*x[1][c] + x[2][c])
			}
		}
	}
	return nil
}

func nodePlanLpNorm(p *NodePlan) error {
	shape, axis, err := p.oneAxis(-1)
	if err != nil {
		return err
	}
	order := p.int("p", 2)
	if order != 1 && order != 2 {
		return fmt.Errorf("p is %d (want 1 or 2)", order)
	}
	outer, n, inner := nodeAround(shape, axis)
	p.result(p.In[0].Kind, shape...)
	p.units, p.work = outer*inner, 4*n
	p.run = func(x, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			at := u/inner*n*inner + u%inner
			sum := 0.0
			for i := range n {
				v := x[0][at+i*inner]
				if order == 1 {
					sum += math.Abs(v)
				} else {
					sum += v * v
				}
			}
			if order == 2 {
				sum = math.Sqrt(sum)
			}
			for i := range n {
				r := 0.0
				if sum != 0 {
					r = x[0][at+i*inner] / sum
				}
				y[0][at+i*inner] = p.f32(r)
			}
		}
	}
	return nil
}

func nodePlanMVN(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	shape := p.In[0].Shape
	axes, ok := p.ints("axes")
	if !ok {
		axes = []int{0, 2, 3}
	}
	over := make([]bool, len(shape))
	for _, a := range axes {
		a, err := nodeAxis(a, len(shape))
		if err != nil {
			return err
		}
		over[a] = true
	}
	kept, gone, n, each := nodeLines(shape, over)
	p.result(p.In[0].Kind, shape...)
	p.units, p.work = n, 8*each
	p.run = func(x, y [][]float64, lo, hi int) {
		kept := kept
		kept.seek(lo)
		for range hi - lo {
			src, dst := x[0][kept.at[0]:], y[0][kept.at[0]:]
			gone := gone
			gone.seek(0)
			first := gone
			mean, square := 0.0, 0.0
			for range each {
				mean += src[gone.at[0]]
				gone.next()
			}
			mean /= float64(each)
			gone = first
			for range each {
				d := src[gone.at[0]] - mean
				square += d * d
				gone.next()
			}
			by := 1 / (math.Sqrt(square/float64(each)) + 1e-9)
			gone = first
			for range each {
				dst[gone.at[0]] = p.f32((src[gone.at[0]] - mean) * by)
				gone.next()
			}
			kept.next()
		}
	}
	return nil
}

// nodePlanBatchNorm has further results in training mode: the running mean and variance.
func nodePlanBatchNorm(p *NodePlan) error {
	if err := p.need(5, 5); err != nil {
		return err
	}
	shape := p.In[0].Shape
	channels := 1
	if len(shape) > 1 {
		channels = shape[1]
	}
	for _, t := range p.In[1:] {
		if t.Len() != channels {
			return fmt.Errorf("%v numbers for %d channels", t.Shape, channels)
		}
	}
	if len(shape) == 0 {
		return fmt.Errorf("the operand is a number")
	}
	pixels := nodeLen(shape[min(2, len(shape)):])
	eps, momentum, train := p.float("epsilon", 1e-5), p.float("momentum", 0.9), p.int("training_mode", 0) != 0
	p.result(p.In[0].Kind, shape...)
	if train {
		p.result(NodeFloat, channels)
		p.result(NodeFloat, channels)
	}
	images := shape[0]
	p.units, p.work = channels, 4*images*pixels
	p.run = func(x, y [][]float64, lo, hi int) {
		for c := lo; c < hi; c++ {
			mean, variance := x[3][c], x[4][c]
			if train {
				mean, variance = nodeChannelMoments(x[0], images, channels, pixels, c)
				y[1][c] = p.f32(x[3][c]*momentum + mean*(1-momentum))
				y[2][c] = p.f32(x[4][c]*momentum + variance*(1-momentum))
			}
			by := x[1][c] / math.Sqrt(variance+eps)
			for n := range images {
				at := (n*channels + c) * pixels
				for i := at; i < at+pixels; i++ {
					y[0][i] = p.f32((x[0][i]-mean)*by + x[2][c])
				}
			}
		}
	}
	return nil
}

// nodeChannelMoments returns the mean and the variance of a channel of all images.
func nodeChannelMoments(x []float64, images, channels, pixels, c int) (mean, variance float64) {
	count := float64(images * pixels)
	for n := range images {
		for _, v := range x[(n*channels+c)*pixels:][:pixels] {
			mean += v
		}
	}
	mean /= count
	for n := range images {
		for _, v := range x[(n*channels+c)*pixels:][:pixels] {
			variance += (v - mean) * (v - mean)
		}
	}
	return mean, variance / count
}

func nodePlanLRN(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	shape := p.In[0].Shape
	size := p.int("size", 0)
	if len(shape) < 2 || size < 1 {
		return fmt.Errorf("size is %d for %v", size, shape)
	}
	alpha, beta, k := p.float("alpha", 1e-4), p.float("beta", 0.75), p.float("bias", 1)
	channels, pixels := shape[1], nodeLen(shape[2:])
	p.result(p.In[0].Kind, shape...)
	p.units, p.work = p.In[0].Len(), 4*size
	p.run = func(x, y [][]float64, lo, hi int) {
		for i := lo; i < hi; i++ {
			c := i / pixels % channels
			sum := 0.0
			for j := max(0, c-(size-1)/2); j < min(channels, c+size/2+1); j++ {
				v := x[0][i+(j-c)*pixels]
				sum += v * v
			}
			y[0][i] = p.f32(x[0][i] / math.Pow(k+alpha/float64(size)*sum, beta))
		}
	}
	return nil
}
