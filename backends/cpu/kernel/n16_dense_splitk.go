package kernel

// N16DenseSplitK is DenseSplitK whose vectors are images: it reads a map in N16 as the
// vector that it is to a dense layer. A task goes over some of the inputs for some groups
// of 16 images and some outputs, and N16DenseSplitKSum adds what they leave.
//
// Operands are those of a DenseSplitK: In[0] the map, C x H x W in N16; W[0] the weights
// as a Dense of C*H*W x 1 x 1 has them; Out[0] room for PartialsLen numbers. The bias is
// N16DenseSplitKSum's. The field Pairs of Dense is the pairs of output blocks of a task, 0 means all.
type N16DenseSplitK struct {
	Dense       Dense
	Splits      int // of the inputs
	ImageBlocks int // blocks of 16 images a task; 0 means all
}

// PackedLen is the length of the packed weights, in float32s.
func (k N16DenseSplitK) PackedLen() int { return k.Dense.PackedLen() }

// Pack packs the weights.
func (k N16DenseSplitK) Pack(dst, weight []float32) { k.Dense.Pack(dst, weight) }

// BiasLen is the length of the packed bias.
func (k N16DenseSplitK) BiasLen() int { return k.Dense.BiasLen() }

// PackBias packs the bias.
func (k N16DenseSplitK) PackBias(dst, bias []float32) { k.Dense.PackBias(dst, bias) }

// n16Partial is how the sums of a part lie: the outputs in twos of blocks, of each the groups
// of images one after another.
type n16Partial struct{ outputs, groups int }

func (l n16Partial) len() int { return l.outputs * l.groups * Block }

// pairs is the number of pairs of output blocks.
func (l n16Partial) pairs() int { return ceilDiv(l.outputs, 2*Block) }

// rows is how many outputs a pair of blocks has, which lie side by side.
func (l n16Partial) rows(pair int) int { return min(2*Block, l.outputs-pair*2*Block) }

// at is where the outputs of a pair of blocks are, of a group of images.
func (l n16Partial) at(pair, group int) int {
	return (pair*2*Block*l.groups + group*l.rows(pair)) * Block
}

func (k N16DenseSplitK) part(images int) n16Partial {
	return n16Partial{k.Dense.Out.C, imageBlocks(images)}
}

// PartialsLen is the length of the sums of all parts, in float32s.
func (k N16DenseSplitK) PartialsLen(images int) int { return k.Splits * k.part(images).len() }

// Sum is the kernel that adds the parts.
func (k N16DenseSplitK) Sum() N16DenseSplitKSum {
	return N16DenseSplitKSum{Splits: k.Splits, Out: k.Dense.Out}
}

// cut is how many image blocks and pairs of output blocks a task takes.
func (k N16DenseSplitK) cut(l n16Partial) (groups, pairs int) {
	groups, pairs = l.groups, l.pairs()
	if k.ImageBlocks > 0 {
		groups = min(groups, k.ImageBlocks)
	}
	if k.Dense.Pairs > 0 {
		pairs = min(pairs, k.Dense.Pairs)
	}
	return groups, pairs
}

// Tasks is parts x chunks of image blocks x chunks of pairs of output blocks.
func (k N16DenseSplitK) Tasks(images int) int {
	l := k.part(images)
	groups, pairs := k.cut(l)
	return k.Splits * ceilDiv(l.groups, groups) * ceilDiv(l.pairs(), pairs)
}

// Table is empty: inputs lie in rows.
func (k N16DenseSplitK) Table(ISA) []int { return nil }

// Run computes one task: some inputs at a time, which stay near for all its outputs.
func (k N16DenseSplitK) Run(w *Worker, task int, a *Args) {
	l := k.part(a.Images)
	groups, pairs := k.cut(l)
	chunks := ceilDiv(l.pairs(), pairs)
	q0, g0 := task%chunks*pairs, task/chunks%ceilDiv(l.groups, groups)*groups
	part := task / (chunks * ceilDiv(l.groups, groups))
	q1, g1 := min(q0+pairs, l.pairs()), min(g0+groups, l.groups)
	inputs := k.Dense.C * k.Dense.H * k.Dense.W
	from, to := inputs*part/k.Splits, inputs*(part+1)/k.Splits
	run := k.Dense.In.inRun(k.Dense.C, k.Dense.H, k.Dense.W)
	per := n16ProductNear / (4 * Block * min(g1-g0, n16GemmBlocks(w.ISA)))
	per = ceilDiv(to-from, ceilDiv(to-from, per))
	var p n16Gemm
	for i := from; i < to; i += p.taps {
		p.taps = min(per, to-i, run-i%run)
		for g, calls := g0, ceilDiv(g1-g0, n16GemmBlocks(w.ISA)); g < g1; calls-- {
			p.groups = ceilDiv(g1-g, calls)
			p.x = a.In[0].Mem[k.Dense.In.at(&a.In[0], g, i/(k.Dense.H*k.Dense.W), i/k.Dense.W%k.Dense.H, i%k.Dense.W):]
			for q := q0; q < q1; q++ {
				k.add(w, &p, a.W[0], i, l.rows(q), q)
				p.out = a.Out[0].Mem[a.Out[0].Off+part*l.len()+l.at(q, g):]
				p.run(w)
			}
			g += p.groups
		}
		p.acc = true
	}
}

// add prepares a product to add what inputs from i on give to the outputs of a pair of
// blocks.
func (k N16DenseSplitK) add(w *Worker, p *n16Gemm, weights []float32, i, rows, pair int) {
	p.xTap, p.xGroup = Block, k.Dense.In.N
	p.parts, p.wRow, p.wTap = 1, 1, Blocks(rows)*Block
	p.rows, p.outGroup = rows, rows*Block
	whole := 2 * Block * k.Dense.packedRows()
	p.w = weights[pair*whole+i*p.wTap:]
	p.ahead, p.aheadTile = whole, 8*p.taps-n16ProductRows // the next pair's weights, a share of them with each tile
}

// N16DenseSplitKSum adds the parts that an N16DenseSplitK leaves, in their order, and the bias, and
// applies the activation. Its output is a vector in blocks.
//
// Operands: In[0] the parts, Out[0] the output, W[0] nothing, W[1] the bias or nil.
type N16DenseSplitKSum struct {
	Splits int
	Out    Output
}

// n16SumBlocks is how many image blocks a task of N16DenseSplitKSum adds: a part of them is read in
// one go.
const n16SumBlocks = 2

// Tasks is pairs of output blocks x chunks of image blocks.
func (k N16DenseSplitKSum) Tasks(images int) int {
	l := n16Partial{k.Out.C, imageBlocks(images)}
	return l.pairs() * ceilDiv(l.groups, n16SumBlocks)
}

// Scratch is for the outputs of a task, before they are turned, and those of a block after
// that.
func (k N16DenseSplitKSum) Scratch() int { return (2*n16SumBlocks + 2) * Block * Block }

// Run computes one task.
func (k N16DenseSplitKSum) Run(w *Worker, task int, a *Args) {
	l := n16Partial{k.Out.C, imageBlocks(a.Images)}
	chunks := ceilDiv(l.groups, n16SumBlocks)
	pair, g0 := task/chunks, task%chunks*n16SumBlocks
	groups, rows := min(n16SumBlocks, l.groups-g0), l.rows(pair)
	sum := w.Scratch[:groups*rows*Block]
	part := func(p int) []float32 {
		return a.In[0].Mem[a.In[0].Off+p*l.len()+l.at(pair, g0):][:len(sum)]
	}
	v := vecFor(w.ISA)
	copy(sum, part(0))
	for p := 1; p < k.Splits; p++ {
		v.add(sum, sum, part(p), Block)
	}
	own := w.Scratch[2*n16SumBlocks*Block*Block:]
	own, square := own[:Block*Block], own[Block*Block:][:Block*Block]
	view := k.Out.View
	for g := range groups {
		images := inImageBlock(a.Images, g0+g)
		for b := range Blocks(rows) {
			block := 2*pair + b
			src := sum[(g*rows+b*Block)*Block:]
			if rows < (b+1)*Block {
				src = square
				clear(src[copy(src, sum[(g*rows+b*Block)*Block:(g+1)*rows*Block]):])
			}
			at, out := a.Out[0].Off+(g0+g)*Block*view.N+block*view.C, own
			if view.N == Block && images == Block {
				out = a.Out[0].Mem[at:][:len(own)]
			}
			v.transpose(out, src, Block, Block, Block, Block)
			if a.W[1] != nil {
				v.add(out, out, a.W[1][block*Block:][:Block], 0)
			}
			if k.Out.Act.rectifies() {
				v.relu(out, out)
			}
			k.Out.activate(w, out, block)
			if &out[0] == &own[0] {
				for i := range images {
					copy(a.Out[0].Mem[at+i*view.N:][:Block], own[i*Block:])
				}
			}
		}
	}
}
