package nodes

import (
	"fmt"
	"math"
	"slices"
)

func nodeAddLosses() {
	nodeOps["NegativeLogLikelihoodLoss"] = nodePlanLoss
	nodeOps["SoftmaxCrossEntropyLoss"] = nodePlanLoss
}

// nodePlanLoss has the operands scores of N classes, targets, and weights of the classes. The
// scores are logarithms of probabilities, or for a SoftmaxCrossEntropyLoss logits; its second
// result are the logarithms.
func nodePlanLoss(p *NodePlan) error {
	if err := p.need(2, 3); err != nil {
		return err
	}
	shape := p.In[0].Shape
	if len(shape) < 2 || !slices.Equal(p.In[1].Shape, append([]int{shape[0]}, shape[2:]...)) {
		return fmt.Errorf("targets %v for scores %v", p.In[1].Shape, shape)
	}
	classes, pixels := shape[1], nodeLen(shape[2:])
	weighted := p.has(2)
	if weighted && p.In[2].Len() != classes {
		return fmt.Errorf("weights %v for %d classes", p.In[2].Shape, classes)
	}
	reduction := p.text("reduction", "mean", "sum", "none")
	ignored, ignore := 0, false
	if _, ignore = p.attrs["ignore_index"]; ignore {
		ignored = p.int("ignore_index", 0)
	}
	logits, logs := p.Op == "SoftmaxCrossEntropyLoss", p.int("outputs", 1) > 1
	if reduction == "none" {
		p.result(p.In[0].Kind, p.In[1].Shape...)
	} else {
		p.result(p.In[0].Kind)
	}
	if logs {
		p.result(p.In[0].Kind, shape...)
	}
	count := p.In[1].Len()
	p.units, p.work = 1, 16*p.In[0].Len()
	p.check = func(x [][]float64) error {
		for at, t := range x[1] {
			if !(t >= 0 && t < float64(classes)) && !(ignore && t == float64(ignored)) {
				return fmt.Errorf("%s: target %v, element %d of the targets, is not one of %d classes", p.Op, t, at, classes)
			}
		}
		return nil
	}
	p.run = func(x, y [][]float64, _, _ int) {
		total, sum := 0.0, 0.0
		for i := range count {
			at := i/pixels*classes*pixels + i%pixels
			norm := 0.0
			if logits {
				norm = nodeLogNorm(x[0][at:], classes, pixels)
			}
			for c := 0; logs && c < classes; c++ {
				y[1][at+c*pixels] = p.f32(x[0][at+c*pixels] - norm)
			}
			loss, weight := 0.0, 0.0
			if t := int(x[1][i]); t >= 0 && t < classes && !(ignore && t == ignored) {
				weight = 1
				if weighted {
					weight = x[2][t]
				}
				loss = -weight * (x[0][at+t*pixels] - norm)
			}
			total, sum = total+loss, sum+weight
			if reduction == "none" {
				y[0][i] = p.f32(loss)
			}
		}
		switch reduction {
		case "mean":
			y[0][0] = p.f32(total / sum)
		case "sum":
			y[0][0] = p.f32(total)
		}
	}
	return nil
}

// nodeLogNorm returns the logarithm of the sum of the exponentials of n elements.
func nodeLogNorm(x []float64, n, step int) float64 {
	most, sum := math.Inf(-1), 0.0
	for i := range n {
		most = nodeMax(most, x[i*step])
	}
	for i := range n {
		sum += math.Exp(x[i*step] - most)
	}
	return most + math.Log(sum)
}
