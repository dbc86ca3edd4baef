package cpu

import (
	"strings"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
)

// worker is a kernel that does the planner's heavy work: it packs weights.
type worker interface {
	plan.Kernel
	kernel.Packer
	PackBias(dst, bias []float32)
	BiasLen() int
}

// algorithm is a way to compute a convolution.
type algorithm struct {
	name string
	make func(c kernel.Conv, batch int) worker
	fits func(c kernel.Conv) bool
	in   plan.Layout            // where it wants its operands: blocked, or in N16
	only func(l *lowering) bool // which plans it is for; nil for all
}

// What some algorithms are for: inference, and of that single images.
func inference(l *lowering) bool   { return l.train == nil }
func singleImage(l *lowering) bool { return l.train == nil && l.batch == 1 }

// direct computes what no other algorithm of blocks does.
var direct = algorithm{"direct", makeDirect, func(c kernel.Conv) bool { return !isDense(c) }, plan.Blocked, nil}

// algorithms in order of preference where costs are equal.
var algorithms = []algorithm{
	{"matvec", makeMatVec, isDense, plan.Blocked, singleImage},
	{"dense", makeDense, isDense, plan.Blocked, nil},
	direct,
	{"winograd", makeWinograd, kernel.WinogradFits, plan.Blocked, nil},
	{"winograd line", makeWinogradLine, kernel.Winograd1DFits, plan.Blocked, inference},
	{"depthwise", makeDepthwise, kernel.DepthwiseFits, plan.Blocked, inference},
	{"dense", makeN16Dense, isDense, plan.N16, nil},
	{"direct", makeN16Conv, func(c kernel.Conv) bool { return !isDense(c) }, plan.N16, nil},
}

// isDense reports whether a convolution has one output pixel, that sees all of
// its input: a dense layer.
func isDense(c kernel.Conv) bool {
	return c.H == 1 && c.W == 1 && c.PH == 0 && c.PW == 0 && c.Groups <= 1 && c.DH <= 1 && c.DW <= 1 && !c.Planar && !c.Residual && c.Outputs[1].C == 0
}

func makeMatVec(c kernel.Conv, _ int) worker {
	return kernel.MatVec{C: c.IC, H: c.KH, W: c.KW, In: c.In, Out: c.Outputs[0]}
}

func makeDense(c kernel.Conv, batch int) worker {
	d := kernel.Dense{C: c.IC, H: c.KH, W: c.KW, In: c.In, Out: c.Outputs[0]}.Split(batch)
	if parts, ok := d.SplitK(batch); ok {
		return parts
	}
	return d
}

// algorithm chooses how to compute a convolution in a layout whose views are not
// known yet: the one that is predicted to be the fastest, or that the tuning file
// names.
func (l *lowering) algorithm(c kernel.Conv, in plan.Layout) algorithm {
	best, least := -1, 0.0
	for i, a := range algorithms {
		if a.in != in || !a.fits(c) || l.direct && strings.HasPrefix(a.name, "winograd") || a.only != nil && !a.only(l) {
			continue
		}
		if l.tuning.choice(c, l.batch) == a.name {
			return a
		}
		cost := l.Cost(a.make(c, l.batch), l.batch).Seconds
		if best < 0 || cost < least {
			best, least = i, cost
		}
	}
	return algorithms[best]
}

// Costs of kernels that move memory, in nanoseconds for a float32 of their
// output (a tap of it, where that is said), as measured on one thread with maps
// in the second-level cache. They decide how steps that run beside each other
// share the threads.
const (
	moveNS        = 0.08 // a copy or an elementwise op
	tapNS         = 0.05 // a tap of a pool
	tapGradientNS = 0.3  // a tap of a pool's gradient
	indexedNS     = 0.2  // the same, of one that reads which it was
	lrnNS         = 0.5
	lrnGradientNS = 1.5
	normNS        = 0.3 // batch normalization
	expNS         = 0.6
	sumNS         = 0.8  // a number that is added to a float64
	transposeNS   = 0.15 // 16 images brought side by side, or back
	scatterNS     = 0.4  // reorders, which move single floats
	optimizerNS   = 0.5
	stepNS        = 300 // a step, however small
)

// Cost implements plan.Lowering: what the kernel predicts, or a rate for each
// kind of kernel.
func (l *lowering) Cost(k plan.Kernel, images int) plan.Cost {
	var c plan.Cost
	if m, ok := k.(interface{ MACs() int }); ok {
		c.MACs = int64(m.MACs() * images)
	}
	ns := 0.0
	switch k := k.(type) {
	// These embed the kernel that they serve, and with it its cost.
	case kernel.N16Repack:
		c.MACs, ns = 0, scatterNS*float64(k.To.PackedLen())
	case kernel.N16SumPixels:
		ns = moveNS * float64(k.C*k.H*k.W*images)
	case kernel.WinogradRepack:
		c.MACs, ns = 0, moveNS*float64(k.PackedLen())
	case kernel.PixelsToVector:
		ns = moveNS * float64(k.C*k.H*k.W*images)
	case interface{ Cost(images int) float64 }:
		ns = k.Cost(images)
	case kernel.N16:
		return l.Cost(k.Do.(plan.Kernel), (images+kernel.Block-1)/kernel.Block)
	case kernel.N16FromNCHW:
		ns = transposeNS * float64(k.C*k.H*k.W*images)
	case kernel.N16ToNCHW:
		ns = transposeNS * float64(k.C*k.H*k.W*images)
	case kernel.N16FromBlocked:
		ns = transposeNS * float64(k.C*k.H*k.W*images)
	case kernel.N16ToBlocked:
		ns = transposeNS * float64(k.C*k.H*k.W*images)
	case kernel.ChannelSums:
		ns = sumNS * float64(k.Len(images))
	case kernel.MaxPoolBackward:
		ns = tapGradientNS
		if k.Indexed {
			ns = indexedNS
		}
		ns *= float64(k.C * k.H * k.W * k.KH * k.KW * images)
	case kernel.AvgPoolBackward:
		ns = tapGradientNS * float64(k.C*k.H*k.W*k.KH*k.KW*images)
	case kernel.LRNBackward:
		ns = lrnGradientNS * float64(k.C*k.H*k.W*images)
	case kernel.BatchNormTrain:
		ns = normNS * float64(k.C*k.H*k.W*images)
	case kernel.BatchNormBackward:
		ns = 1.5 * normNS * float64(k.C*k.H*k.W*images)
	case kernel.BatchNormFold:
		ns = expNS * float64(k.C)
	case kernel.ActBackward:
		ns = 1.5 * moveNS * float64(k.C*k.H*k.W*images)
	case kernel.MaxoutBackward:
		ns = 2 * moveNS * float64(k.C*k.Pieces*k.H*k.W*images)
	case kernel.SoftmaxBackward:
		ns = expNS * float64(k.C*k.H*k.W*images)
	case kernel.Dropout:
		ns = expNS * float64(k.C*k.H*k.W*images)
	case kernel.SumPixels:
		ns = moveNS * float64(k.C*k.H*k.W*images)
	case kernel.CrossEntropy:
		ns = expNS * float64(k.C*images)
	case kernel.CrossEntropyBackward:
		ns = expNS * float64(k.C*images)
	case kernel.WeightedCrossEntropy:
		ns = 2 * expNS * float64(k.C*images)
	case kernel.WeightedCrossEntropyBackward:
		ns = 2 * expNS * float64(k.C*images)
	case kernel.Repack:
		ns = scatterNS * float64(k.To.PackedLen())
	case kernel.SumPartials:
		ns = moveNS * float64(k.N*((images+k.Images-1)/k.Images))
	case kernel.SGD:
		ns = optimizerNS * float64(k.N)
	case kernel.RMSProp:
		ns = 2 * optimizerNS * float64(k.N)
	case kernel.Adam:
		ns = 3 * optimizerNS * float64(k.N)
	case kernel.Average:
		ns = optimizerNS * float64(k.N)
	case kernel.Penalty:
		ns = optimizerNS * float64(k.N)
	case kernel.SquareSums:
		ns = moveNS * float64(k.N)
	case kernel.ClipNorm:
		ns = moveNS * float64(k.N)
	case kernel.ClipValue:
		ns = expNS * float64(k.N)
	case kernel.MaxNormPacked:
		ns = 2 * float64(k.Blocks*k.K*kernel.Block)
	case kernel.MaxPool:
		ns = tapNS * float64(k.C*k.H*k.W*k.KH*k.KW*images)
	case kernel.AvgPool:
		ns = tapNS * float64(k.C*k.H*k.W*k.KH*k.KW*images)
	case kernel.LRN:
		ns = lrnNS * float64(k.C*k.H*k.W*images)
	case kernel.Softmax:
		ns = expNS * float64(k.C*k.H*k.W*images)
	case kernel.Activation:
		ns = moveNS * float64(k.C*k.H*k.W*images)
		if k.Act != kernel.ActReLU {
			ns *= expNS / moveNS
		}
	case kernel.Affine:
		ns = moveNS * float64(k.C*k.H*k.W*images)
	case kernel.Binary:
		ns = moveNS * float64(k.C*k.H*k.W*images)
	case kernel.Maxout:
		ns = scatterNS * float64(k.C*k.Pieces*k.H*k.W*images)
	case kernel.Copy:
		ns = moveNS * float64(k.C*k.H*k.W*images)
	case kernel.Pad:
		ns = moveNS * float64(k.C*k.H*k.W*images)
	case kernel.CopyNCHW:
		ns = moveNS * float64(k.C*k.H*k.W*images)
	case kernel.Interleave:
		for _, p := range k.Inputs {
			ns += moveNS * float64(p.C*k.H*k.W*images)
		}
	case kernel.CopyChannels:
		ns = scatterNS * float64(k.C*k.H*k.W*images)
	case kernel.FromNCHW:
		ns = scatterNS * float64(k.C*k.H*k.W*images)
	case kernel.ToNCHW:
		ns = scatterNS * float64(k.C*k.H*k.W*images)
	case kernel.Permute:
		ns = scatterNS * float64(volume(k.Dims, k.Axes)*images)
	case kernel.Reduce:
		ns = 4 * scatterNS * float64(volume(k.Dims, k.Axes)*images)
	}
	c.Seconds = (ns + stepNS) * 1e-9
	return c
}

func volume(dims [kernel.MaxAxes]int, axes int) int {
	n := 1
	for _, d := range dims[:axes] {
		n *= d
	}
	return n
}
