package kernel

// DenseSplitK is Dense in parts of its sums: a task goes over some of the inputs for all
// images and outputs, and DenseSplitKSum adds what they leave. So every weight and every
// input is read once. Tasks of some outputs and images, as Dense has, read the whole of
// both again and again, which costs half of the time where neither stays in the second
// cache.
//
// Operands are those of Dense, but Out[0] has room for PartialsLen numbers, and the
// activation is DenseSplitKSum's.
type DenseSplitK struct {
	Dense  Dense
	Splits int
}

// PackedLen is the length of the packed weights, in float32s.
func (k DenseSplitK) PackedLen() int { return k.Dense.PackedLen() }

// Pack packs the weights.
func (k DenseSplitK) Pack(dst, weight []float32) { k.Dense.Pack(dst, weight) }

// BiasLen is the length of the packed bias.
func (k DenseSplitK) BiasLen() int { return k.Dense.BiasLen() }

// PackBias packs the bias.
func (k DenseSplitK) PackBias(dst, bias []float32) { k.Dense.PackBias(dst, bias) }

// Table is that of the layer.
func (k DenseSplitK) Table(isa ISA) []int { return k.Dense.Table(isa) }

// densePartTaps is about how many taps a part does at a time for all its outputs and
// images: the weights of a pair of output blocks are 64 KiB and stay in the second
// cache for all images, which stay there for all pairs.
const densePartTaps = 32

// partLen is the length of a part: blocks of 16 outputs of all images side by side.
func (k DenseSplitK) partLen(images int) int { return Blocks(k.Dense.Out.C) * Block * images }

// PartialsLen is the length of the sums of all parts, in float32s.
func (k DenseSplitK) PartialsLen(images int) int { return k.Splits * k.partLen(images) }

// Sum is the kernel that adds the parts.
func (k DenseSplitK) Sum() DenseSplitKSum { return DenseSplitKSum{Splits: k.Splits, Out: k.Dense.Out} }

// Tasks is the parts.
func (k DenseSplitK) Tasks(int) int { return k.Splits }

// Run computes a part; the first one begins with the bias.
func (k DenseSplitK) Run(w *Worker, part int, a *Args) {
	d, b := k.Dense, *a
	d.Out.View = View{N: Block, C: Block * a.Images}
	d.Out.Act = ActNone
	b.Out[0].Off += part * k.partLen(a.Images)
	if part > 0 {
		b.W[1] = nil
	}
	taps := len(a.Table)
	r := denseRange{n: a.Images, g1: d.conv().npairs(), t0: taps * part / k.Splits, t1: taps * (part + 1) / k.Splits}
	r.per = ceilDiv(r.t1-r.t0, ceilDiv(r.t1-r.t0, densePartTaps))
	d.sum(w, &b, r)
}

// DenseSplitKSum adds the parts that a DenseSplitK leaves, in their order, and applies the
// activation.
//
// Operands: In[0] the parts, Out[0] the output.
type DenseSplitKSum struct {
	Splits int
	Out    Output
}

// denseSumImages is how many images of an output block a task of DenseSplitKSum adds.
const denseSumImages = 64

// Tasks is output blocks x chunks of images.
func (k DenseSplitKSum) Tasks(images int) int {
	return Blocks(k.Out.C) * ceilDiv(images, denseSumImages)
}

// Scratch is for outputs that do not lie side by side.
func (k DenseSplitKSum) Scratch() int { return denseSumImages * Block }

// Run computes one task.
func (k DenseSplitKSum) Run(w *Worker, task int, a *Args) {
	chunks := ceilDiv(a.Images, denseSumImages)
	block, i0 := task/chunks, task%chunks*denseSumImages
	n := min(denseSumImages, a.Images-i0)
	at, view := a.Out[0].Off+i0*k.Out.View.N+block*k.Out.View.C, k.Out.View
	sum := w.Scratch[:n*Block]
	if view.N == Block {
		sum = a.Out[0].Mem[at:][:n*Block]
	}
	part := func(p int) []float32 {
		return a.In[0].Mem[a.In[0].Off+((p*Blocks(k.Out.C)+block)*a.Images+i0)*Block:][:n*Block]
	}
	v := vecFor(w.ISA)
	copy(sum, part(0))
	for p := 1; p < k.Splits; p++ {
		v.add(sum, sum, part(p), Block)
	}
	if k.Out.Act.rectifies() {
		v.relu(sum, sum)
	}
	k.Out.activate(w, sum, block)
	if view.N != Block {
		for i := range n {
			copy(a.Out[0].Mem[at+i*view.N:][:Block], sum[i*Block:])
		}
	}
}
