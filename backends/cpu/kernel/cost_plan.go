package kernel

// Files whose names end in _plan.go hold what the planner asks of a kernel: Cost, and Split,
// which cuts its work into tasks. Generated packages, which hold a finished plan, are made
// without them.

// Kernel is a Runner as the planner sees it.
type Kernel interface {
	Runner
	Cost(images int) Cost
}

// Cost is what a kernel does for a number of images. FLOPs and Bytes follow from the
// definition of the operation, however the kernel computes it; NS is a prediction.
type Cost struct {
	MACs  int     // multiply-accumulates of a convolution or dense layer, without those of padded channels
	FLOPs int     // floating-point operations; a multiply-accumulate is two, an exponential is one
	Bytes int     // read and written, with padded channels, each operand once
	NS    float64 // predicted nanoseconds on one thread
}

// The cost model: predicted time as a pure function of the shape, with compiled-in
// constants, so that a plan is the same on every machine. The unit is the time of one
// AVX-512 fused multiply-add instruction on a core that issues one a cycle; at 3.65 GHz,
// costNS of them make a nanosecond. Only ratios between algorithms decide anything.
const (
	costNS = 3.65

	tileOverhead = 60        // a call: accumulators in and out, pipeline refill
	taskOverhead = 400       // fetching a task, its divisions, its first cache misses
	l3PerOp      = 12        // bytes, sustained from L3 to one core
	l2PerOp      = 40        // bytes from L2, mostly hidden
	ramPerOp     = 4.5       // from memory to one of two cores that both read
	l2Bytes      = 512 << 10 // what may be expected to stay there from one task to the next
)

// tileCost is the cost of a tile of p pixels and blocks output blocks over k input
// channels x taps: below 5 pixels latency and the stream of weights are the
// limit.
func tileCost(p, blocks, k int) float64 {
	return float64(k*max(p*blocks, 5+blocks)) + tileOverhead
}

// reading is the cost of reading bytes that the task before has probably read.
func reading(bytes int) float64 {
	if bytes > l2Bytes/2 {
		return float64(bytes) / l3PerOp
	}
	return float64(bytes) / l2PerOp
}

// streaming is the cost of getting the weights from memory, where a network's
// layers in sequence leave them: the least that a layer costs however few
// multiplications it does. It is what Winograd's larger weights cost.
func streaming(p Packer) float64 { return float64(4*p.PackedLen()) / ramPerOp }

// balanced cuts n into the fewest pieces of at most most, as equal as may be.
func balanced(n, most int) []int {
	var l []int
	for calls := ceilDiv(n, most); calls > 0; calls-- {
		l = append(l, ceilDiv(n, calls))
		n -= l[len(l)-1]
	}
	return l
}

// chunksOf is into how many chunks n may be cut that differ from one another.
func chunksOf(n int) (l []int) {
	for c := 1; c <= min(n, 16); c++ {
		if ceilDiv(n, ceilDiv(n, c)) == c {
			l = append(l, c)
		}
	}
	return l
}

// Costs of kernels that move memory, in nanoseconds for a float32 of their
// output (a tap of it, where that is said), as measured on one thread with maps
// in the second-level cache. They decide how steps that run beside each other
// share the threads.
const (
	moveNS        = 0.08 // a copy or an elementwise op
	tapNS         = 0.05 // a tap of a pool
	tapBackwardNS = 0.3  // a tap of a pool's gradient
	indexedNS     = 0.2  // the same, of one that reads which element was the maximum
	lrnNS         = 0.5
	lrnBackwardNS = 1.5
	normNS        = 0.3 // batch normalization
	expNS         = 0.6
	sumNS         = 0.8  // a number that is added to a float64
	transposeNS   = 0.15 // 16 images brought side by side, or back
	scatterNS     = 0.4  // reorders, which move single floats
	optimizerNS   = 0.5
)

// perElement is the cost of a kernel that computes n elements: flops operations, floats
// float32s read or written and ns nanoseconds for each.
func perElement(n, flops, floats int, ns float64) Cost {
	return Cost{FLOPs: n * flops, Bytes: 4 * n * floats, NS: ns * float64(n)}
}

// perMAC is the cost of a kernel that multiplies and accumulates.
func perMAC(macs, bytes int, ns float64) Cost {
	return Cost{MACs: macs, FLOPs: 2 * macs, Bytes: bytes, NS: ns}
}
