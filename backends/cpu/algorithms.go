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

// depthwise computes convolutions with one filter for each channel.
var depthwise = algorithm{"depthwise", makeDepthwise, kernel.DepthwiseFits, plan.Blocked, inference}

// algorithms in order of preference where costs are equal.
var algorithms = []algorithm{
	{"matvec", makeMatVec, isDense, plan.Blocked, singleImage},
	{"dense", makeDense, isDense, plan.Blocked, nil},
	direct,
	{"winograd", makeWinograd, kernel.WinogradFits, plan.Blocked, nil},
	{"winograd", makeWinograd, kernel.WinogradGroupsFit, plan.Blocked, inference},
	{"winograd line", makeWinograd1D, kernel.Winograd1DFits, plan.Blocked, inference},
	depthwise,
	{"grouped", makeGrouped, kernel.GroupedFits, plan.Blocked, inference},
	{"dense", makeN16Dense, isDense, plan.N16, nil},
	{"direct", makeN16Conv, func(c kernel.Conv) bool { return !isDense(c) }, plan.N16, nil},
}

// isDense reports whether a convolution has one output pixel, that sees all of
// its input: a dense layer.
func isDense(c kernel.Conv) bool {
	return c.H == 1 && c.W == 1 && c.PH == 0 && c.PW == 0 && c.Groups <= 1 && c.DH <= 1 && c.DW <= 1 && !c.Planar && !c.Residual && c.Outputs[1].C == 0
}

func makeDirect(c kernel.Conv, batch int) worker { return c.Split(batch) }

func makeWinograd(c kernel.Conv, batch int) worker { return kernel.Winograd{Conv: c}.Split(batch) }

// make returns the kernel of an algorithm. A step of training has just written the weights of
// Winograd, so what exceeds the cache comes from memory.
func (l *lowering) make(a algorithm, c kernel.Conv) worker {
	do := a.make(c, l.batch)
	if w, ok := do.(kernel.Winograd); ok && l.train != nil {
		return w.SplitStreamed(l.batch)
	}
	return do
}

func makeWinograd1D(c kernel.Conv, batch int) worker { return kernel.Winograd1D{Conv: c}.Split(batch) }

func makeDepthwise(c kernel.Conv, batch int) worker { return kernel.Depthwise{Conv: c}.Split(batch) }

func makeGrouped(c kernel.Conv, batch int) worker { return kernel.Grouped{Conv: c}.Split(batch) }

func makeN16Conv(c kernel.Conv, batch int) worker { return kernel.N16Conv{Conv: c}.Split(batch) }

func makeN16Dense(c kernel.Conv, batch int) worker {
	return kernel.N16Dense{C: c.IC, H: c.KH, W: c.KW, In: c.In, Out: c.Outputs[0]}.Split(batch)
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
	if in == plan.Blocked && l.train != nil && kernel.DepthwiseTrains(c) {
		return depthwise // in whose order training keeps the weights
	}
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

// stepNS is what a step costs beside its kernel, however small, in nanoseconds.
const stepNS = 300

// Cost implements plan.Lowering.
func (l *lowering) Cost(k plan.Kernel, images int) plan.Cost {
	c := k.(kernel.Kernel).Cost(images)
	return plan.Cost{MACs: int64(c.MACs), Seconds: (c.NS + stepNS) * 1e-9}
}
