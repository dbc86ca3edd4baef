package passes

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// SumChannels replaces the sum over the channels of a feature map by a 1x1 convolution with the
// weights 1, and the mean over C channels by one with the weights 1/C. Layer normalization over
// channels is made of such means (Liu 2022, ConvNeXt). Executors keep channels together, for
// convolutions; a sum over them that is no convolution needs another order of the elements first.
var SumChannels = Pass{
	Name:      "sum-channels",
	Doc:       "replaces sums and means over channels by 1x1 convolutions",
	Ref:       "Liu 2022 (ConvNeXt), section 2.6",
	Contract:  Rounding,
	Inference: true,
	Run: func(r *ir.Rewriter, o Options) error {
		st, weights := statics{}, map[channelSum]*ir.Value{}
		for _, n := range r.Nodes() {
			op, ok := n.Op.(ops.Reduce)
			if !ok || st.has(n.In[0]) || !sumsChannels(op, n.In[0].Type) {
				continue
			}
			r.For(n)
			w := channelSum{op.Kind, n.In[0].Type.Shape[1]}
			if weights[w] == nil {
				weights[w] = w.weights(r, n.Out[0].Name)
			}
			y := add(r, n.Out[0].Name+"/conv", ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, n.In[0], weights[w])
			succeed(r, n.Out[0], y)
			r.Remove(n)
		}
		return nil
	},
}

// sumsChannels reports whether op adds the channels of x, and keeps their axis.
func sumsChannels(op ops.Reduce, x ir.Type) bool {
	return op.Kind != ops.ReduceMax && op.Axes == ir.IntsOf(1) && op.Keep && len(x.Shape) == 4 && x.DType == ir.F32
}

// channelSum is a sum or a mean of so many channels.
type channelSum struct {
	kind     ops.ReduceKind
	channels int
}

// weights adds the filter that computes it.
func (c channelSum) weights(r *ir.Rewriter, name string) *ir.Value {
	ones := r.Fill(name+"/ones", 1, 1, c.channels, 1, 1)
	if c.kind == ops.ReduceSum {
		return ones
	}
	return add(r, name+"/weight", ops.Scale{By: 1 / float64(c.channels)}, ones)
}
