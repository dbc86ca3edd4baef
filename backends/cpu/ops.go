package cpu

import (
	"errors"
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// table is what the executor does with each op.
var table = ir.NewTable(
	// Work: convolutions and dense layers, with what is fused to them.
	ir.For(conv), ir.For(dense), ir.For(matMul),
	// Windows.
	ir.For(maxPool), ir.For(avgPool), ir.For(globalAvgPool),
	// Channels.
	ir.For(lrn), ir.For(batchNorm), ir.For(maxout), ir.For(softmax), ir.For(logSoftmax),
	// Elementwise.
	ir.For(relu), ir.For(sigmoid), ir.For(tanh), ir.For(clip), ir.For(silu), ir.For(hardSwish), ir.For(hardSigmoid), ir.For(gelu), ir.For(leakyReLU), ir.For(scale),
	ir.For(add), ir.For(sub), ir.For(mul), ir.For(div), ir.For(maximum),
	// Places: free where they can be.
	ir.For(concat), ir.For(slice), ir.For(split), ir.For(flatten), ir.For(reshape), ir.For(dropout),
	ir.For(pad), ir.For(transpose), ir.For(reduce),
	ir.For(sqrt),
	// All else, slowly.
	ir.For(node),
	ir.For(quantize), ir.For(fakeQuantize),
	// Training: forms of ops that only it has, gradients, optimizers (training.go).
	ir.For(batchNormTrain), ir.For(dropoutTrain), ir.For(crossEntropy), ir.For(crossEntropyDx),
	ir.For(convDx), ir.For(convDw), ir.For(maxPoolDx), ir.For(avgPoolDx), ir.For(globalAvgPoolDx),
	ir.For(reluDx), ir.For(sigmoidDx), ir.For(tanhDx), ir.For(clipDx), ir.For(siluDx), ir.For(hardSwishDx), ir.For(hardSigmoidDx), ir.For(geluDx), ir.For(leakyReLUDx),
	ir.For(lrnDx), ir.For(batchNormDx), ir.For(maxoutDx), ir.For(softmaxDx), ir.For(logSoftmaxDx), ir.For(sliceDx), ir.For(maxDx), ir.For(fakeQuantizeDx),
	ir.For(globalNorm), ir.For(clipNorm), ir.For(clipValue), ir.For(penaltyDx), ir.For(maxNorm), ir.For(sgd), ir.For(rmsProp), ir.For(adam), ir.For(average),
)

// lowering implements plan.Lowering with the kernels of package kernel.
type lowering struct {
	batch    int
	symbolic bool // a value of the graph has a batch
	lanes    bool // images side by side where there is a kernel for it (n16.go)
	direct   bool // no Winograd
	tuning   *Tuning
	train    *training              // nil for inference
	known    map[*ir.Value]*ir.Node // of params that depend on other params alone, the nodes that compute them
}

// call is what the rows of the table fill in.
type call struct {
	*plan.Unit
	l      *lowering
	choice plan.Choice
	rounds bool // the choice includes the unit's Quantize
	before bool // the choice includes the unit's Before
}

func (l *lowering) Lower(u *plan.Unit) (plan.Choice, error) {
	c := &call{Unit: u, l: l}
	if l.general(u) {
		err := c.asNodes()
		if err != nil {
			if _, own := table.Do(u.Node, c); own != nil {
				err = own
			}
		}
		return c.choice, err
	}
	var ok bool
	var err error
	if u.Norm != nil {
		ok, err = true, c.channelNorm()
	} else {
		ok, err = table.Do(u.Node, c)
	}
	if u.Before != nil && !c.before {
		return plan.Choice{Apart: true}, nil
	}
	if err == nil && !ok {
		err = fmt.Errorf("the executor has no kernel for %s: %w", ir.Name(u.Node.Op), plan.ErrUnsupported)
	}
	if errors.Is(err, plan.ErrUnsupported) && l.train == nil && c.asNodes() == nil {
		err = nil
	}
	if u.Quantize != nil && !c.rounds {
		return plan.Choice{Apart: true}, nil
	}
	return c.choice, err
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, plan.ErrUnsupported)...)
}

func view(t *plan.Tensor) kernel.View { return kernel.View(t.View()) }

var blocked, planar = plan.Need{Layout: plan.Blocked}, plan.Need{Layout: plan.Planar}

func needs(n plan.Need, count int) []plan.Need {
	l := make([]plan.Need, count)
	for i := range l {
		l[i] = n
	}
	return l
}

// blocked sets a choice whose operands are all blocked.
func (c *call) blocked(algo string, inPlace int, emit func(*plan.Emitter) error) error {
	c.choice = plan.Choice{Algo: algo, In: needs(blocked, len(c.Read)), Out: needs(blocked, len(c.Wrote)), Emit: emit}
	if inPlace > 0 {
		c.choice.InPlace = []int{inPlace}
	}
	return nil
}

// planar sets a choice whose operands are all row-major.
func (c *call) planar(algo string, emit func(*plan.Emitter) error) error {
	c.choice = plan.Choice{Algo: algo, In: needs(planar, len(c.Read)), Out: needs(planar, len(c.Wrote)), Emit: emit}
	return nil
}

func list(t ...*plan.Tensor) []*plan.Tensor { return t }

// chw returns channels, height and width of a value: of a vector height and width
// are 1.
func chw(v *ir.Value) (c, h, w int) {
	c, h, w = 1, 1, 1
	s := v.Type.Shape
	if len(s) > 1 {
		c = s[1]
	}
	if len(s) == 3 {
		w = s[2]
	}
	if len(s) > 3 {
		h, w = s[2], ir.Shape(s[3:]).Size()
	}
	return c, h, w
}

func act(a ops.Act) kernel.Act {
	switch a {
	case ops.ActReLU:
		return kernel.ActReLU
	case ops.ActReLU6:
		return kernel.ActReLU6
	case ops.ActSigmoid:
		return kernel.ActSigmoid
	case ops.ActTanh:
		return kernel.ActTanh
	case ops.ActSiLU:
		return kernel.ActSiLU
	case ops.ActHardSwish:
		return kernel.ActHardSwish
	case ops.ActHardSigmoid:
		return kernel.ActHardSigmoid
	case ops.ActGELU:
		return kernel.ActGELU
	case ops.ActGELUTanh:
		return kernel.ActGELUTanh
	}
	return kernel.ActNone
}

// Copy implements plan.Lowering.
func (l *lowering) Copy(src, dst *plan.Tensor) plan.Kernel {
	c, h, w := dst.C, dst.H, dst.W
	in, out := view(src), view(dst)
	switch {
	case dst.Layout == plan.Wide && src.Layout == plan.Planar:
		return kernel.Widen{N: src.Size(), Fixed: plan.Fixed(dst.Value, l.symbolic), InN: in.N}
	case src.Layout == plan.Wide && dst.Layout == plan.Planar:
		return kernel.Narrow{N: src.Size(), Fixed: plan.Fixed(src.Value, l.symbolic), OutN: out.N, Ints: src.Value != nil && src.Value.Type.DType != ir.F32}
	case src.Layout == plan.Wide || dst.Layout == plan.Wide:
		return nil
	case src.Layout == plan.Bytes || dst.Layout == plan.Bytes:
		return copyBytes(src, dst)
	case src.Layout == plan.N16 && dst.Layout == plan.N16:
		return kernel.N16{Do: kernel.Copy{C: c * kernel.Block, H: h, W: w, In: in, Out: out}}
	case src.Layout == plan.N16 && dst.Layout == plan.Blocked:
		return kernel.N16ToBlocked{C: c, H: h, W: w, In: in, Out: out}
	case src.Layout == plan.N16:
		return kernel.N16ToNCHW{C: c, H: h, W: w, In: in, Out: out}
	case dst.Layout == plan.N16 && src.Layout == plan.Blocked:
		return kernel.N16FromBlocked{C: c, H: h, W: w, In: in, Out: out}
	case dst.Layout == plan.N16:
		return kernel.N16FromNCHW{C: c, H: h, W: w, In: in, Out: out}
	case src.Layout == plan.Blocked && dst.Layout == plan.Blocked:
		if src.Lane() == 0 && dst.Lane() == 0 && (c%kernel.Block == 0 || dst.Ends() && src.Ends()) {
			return kernel.Copy{C: c, H: h, W: w, In: in, Out: out}
		}
		return kernel.CopyChannels{C: c, H: h, W: w, From: src.Lane(), To: dst.Lane(), Last: dst.Ends(), In: in, Out: out}
	case src.Layout == plan.Blocked:
		return kernel.ToNCHW{C: c, H: h, W: w, In: in, Out: out}
	case dst.Layout == plan.Blocked:
		return kernel.FromNCHW{C: c, H: h, W: w, In: in, Out: out}
	}
	return kernel.CopyNCHW{C: c, H: h, W: w, In: in, Out: out}
}

// Gather implements plan.Lowering: narrow parts of a join, that begin or end within
// a block.
func (l *lowering) Gather(src, dst []*plan.Tensor) plan.Kernel {
	k := kernel.Interleave{H: dst[0].H, W: dst[0].W, Last: dst[len(dst)-1].Ends(), Out: view(dst[0])}
	at := dst[0].Lane()
	for i, t := range src {
		if t.Layout != plan.Blocked || dst[i].Layout != plan.Blocked {
			return nil
		}
		k.Inputs[i] = kernel.InterleaveInput{C: t.C, From: t.Lane(), To: at, In: view(t)}
		at += t.C
	}
	return k
}
