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
}

// algorithms in order of preference where costs are equal.
var algorithms = []algorithm{
	{"dense", makeDense, isDense},
	{"direct", makeDirect, func(c kernel.Conv) bool { return !isDense(c) }},
	{"winograd", makeWinograd, kernel.WinogradFits},
	{"winograd line", makeWinogradLine, kernel.WinogradLineFits},
}

// isDense reports whether a convolution has one output pixel, that sees all of
// its input: a dense layer.
func isDense(c kernel.Conv) bool {
	return c.H == 1 && c.W == 1 && c.PH == 0 && c.PW == 0 && c.Groups <= 1 && c.DH <= 1 && c.DW <= 1 && !c.Planar && !c.Residual && c.Parts[1].C == 0
}

func makeDense(c kernel.Conv, batch int) worker {
	return kernel.Dense{C: c.IC, H: c.KH, W: c.KW, In: c.In, Out: c.Parts[0]}.Split(batch)
}

// algorithm chooses how to compute a convolution whose views are not known yet:
// the one that is predicted to be the fastest, or that the tuning file names.
func (l *lowering) algorithm(c kernel.Conv) algorithm {
	best, least := -1, 0.0
	for i, a := range algorithms {
		if !a.fits(c) || l.direct && strings.HasPrefix(a.name, "winograd") || l.train != nil && a.name == "winograd line" {
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
// output: they were measured on one thread with operands in the second-level
// cache.
const (
	moveNS    = 0.06 // a copy or an elementwise op
	tapNS     = 0.03 // a tap of a pool
	lrnNS     = 0.25
	expNS     = 0.6
	scatterNS = 0.4 // reorders, which move single floats
	stepNS    = 300 // a step, however small
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
	case interface{ Cost(images int) float64 }:
		ns = k.Cost(images)
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
