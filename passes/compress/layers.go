package compress

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// Method is a way to change a layer.
type Method string

// The methods. A rank counts channels.
const (
	// Pair makes an m x n convolution an m x 1 and a 1 x n convolution (Jaderberg 2014, section
	// 2.2). Its rank is that between the two.
	Pair Method = "pair"
	// Tucker makes a convolution a 1x1, one of the old size and a 1x1 convolution (Kim 2016). Its
	// ranks are those in front of the middle one and behind it; where one is that of the layer, the
	// 1x1 convolution there is left out.
	Tucker Method = "tucker"
	// LowRank makes a 1x1 convolution or a dense layer two of them (Denton 2014). Its rank is that
	// between the two.
	LowRank Method = "low-rank"
	// Prune removes output channels that matter least to the layers that read them. Its rank is the
	// number of channels that stay.
	Prune Method = "prune"
)

// Change is a change of one layer.
type Change struct {
	Layer  string // the name of the layer's output
	Method Method
	Rank   [2]int // the second is 0 for all methods but Tucker
}

// RankText returns the ranks as text: 16 or 16,32.
func (c Change) RankText() string {
	if c.Method == Tucker {
		return fmt.Sprintf("%d,%d", c.Rank[0], c.Rank[1])
	}
	return fmt.Sprint(c.Rank[0])
}

func (c Change) String() string { return c.Layer + " " + string(c.Method) + " " + c.RankText() }

// Option is a possible change with its price.
type Option struct {
	Change
	// Error is |W - approximation| / |W| in the Frobenius norm; of Prune, the root of the share of
	// the removed channels in the sum of the squares of all scores.
	Error float64
	// MACs are the multiply-accumulates of what replaces the layer, for one image. Prune counts
	// those of the layers that read the channels, too.
	MACs int64
}

// Layer is a convolution without groups or a dense layer, with trained weights that no other layer
// shares.
type Layer struct {
	Name string
	node *ir.Node
	g    *ir.Graph

	weight *tensor.F32 // [O,C,KH,KW] or [O,C]
	places int64       // positions of the output for one image, 1 for a dense layer
}

// Layers returns the layers of a graph that can be changed, in its order.
func Layers(g *ir.Graph) []*Layer {
	uses := map[*ir.Value]int{}
	for _, n := range g.Nodes {
		for _, v := range n.In {
			uses[v]++
		}
	}
	var list []*Layer
	for _, n := range g.Nodes {
		op, conv := n.Op.(ops.Conv)
		if _, dense := n.Op.(ops.Dense); !dense && !(conv && op.Groups == 1) {
			continue
		}
		w := g.Data[n.In[1].Name]
		if n.In[1].Param == nil || uses[n.In[1]] != 1 || w == nil || len(n.In) > 2 && n.In[2].Param == nil {
			continue
		}
		l := &Layer{Name: n.Out[0].Name, node: n, g: g, weight: w, places: 1}
		if conv {
			l.places = int64(n.Out[0].Type.Bind(1).Shape.Size() / w.Shape[0])
		}
		list = append(list, l)
	}
	return list
}

// Node is the node of the layer.
func (l *Layer) Node() *ir.Node { return l.node }

func (l *Layer) outs() int { return l.weight.Shape[0] }
func (l *Layer) ins() int  { return l.weight.Shape[1] }

// kernel returns height and width of the filters, 1 and 1 for a dense layer.
func (l *Layer) kernel() ir.HW {
	if len(l.weight.Shape) < 4 {
		return ir.HW{1, 1}
	}
	return ir.HW{l.weight.Shape[2], l.weight.Shape[3]}
}

// What describes the layer: 5x5 32 -> 64, or fc 500 -> 100.
func (l *Layer) What() string {
	if len(l.weight.Shape) < 4 {
		return fmt.Sprintf("fc %d -> %d", l.ins(), l.outs())
	}
	return fmt.Sprintf("%v %d -> %d", l.kernel(), l.ins(), l.outs())
}

// MACs returns the multiply-accumulates of the layer for one image.
func (l *Layer) MACs() int64 { return l.places * int64(len(l.weight.Data)) }

// ranks lists the numbers of channels below full that are worth a try: multiples of the block of
// channels that the kernels compute at once, about eight of them, and powers of two below a block.
func ranks(full, block int) []int {
	var list []int
	for r := 2; r < block && r < full; r *= 2 {
		list = append(list, r)
	}
	step := block * max(1, (full/block+4)/8)
	for r := block; r < full; r += step {
		list = append(list, r)
	}
	return list
}

// Options lists the ways to factorize the layer that have fewer multiply-accumulates, without those
// that another one is better than in both error and multiply-accumulates. block is the number of
// channels that kernels compute at once. An error says that the weights have no decomposition, as
// when they are not finite.
func (l *Layer) Options(block int, cache *Cache) ([]Option, error) {
	var list []Option
	add := func(m Method, a, b int, e float64, macs int64) {
		if macs < l.MACs() {
			list = append(list, Option{Change{l.Name, m, [2]int{a, b}}, e, macs})
		}
	}
	k, o, c := l.kernel(), l.outs(), l.ins()
	fail := func(err error) error {
		return fmt.Errorf("the weights of %s cannot be decomposed: %w", l.Name, err)
	}
	if k == (ir.HW{1, 1}) {
		d, err := cache.matrix(l.weight)
		if err != nil {
			return nil, fail(err)
		}
		for _, r := range ranks(min(o, c), block) {
			add(LowRank, r, 0, d.Error(r), l.places*int64(r*(c+o)))
		}
		return frontier(list), nil
	}
	if k[0] > 1 && k[1] > 1 {
		d, err := cache.pair(l.weight)
		if err != nil {
			return nil, fail(err)
		}
		macs := l.pairMACs()
		for _, r := range ranks(min(c*k[0], o*k[1]), block) {
			add(Pair, r, 0, d.Error(r), macs*int64(r))
		}
	}
	t, err := cache.tucker(l.weight)
	if err != nil {
		return nil, fail(err)
	}
	before := l.inputPlaces()
	for _, in := range append(ranks(c, block), c) {
		for _, out := range append(ranks(o, block), o) {
			macs := l.places * int64(in*out*k[0]*k[1])
			if in < c {
				macs += before * int64(c*in)
			}
			if out < o {
				macs += l.places * int64(o*out)
			}
			add(Tucker, in, out, t.Error(out, in), macs)
		}
	}
	return frontier(list), nil
}

// inputPlaces is the number of positions of the layer's input for one image.
func (l *Layer) inputPlaces() int64 {
	s := l.node.In[0].Type.Shape
	return int64(s[2] * s[3])
}

// pairMACs returns the multiply-accumulates of a pair of rank 1. The first convolution has the
// stride of the rows, the second that of the columns.
func (l *Layer) pairMACs() int64 {
	s, out, k := l.node.In[0].Type.Shape, l.node.Out[0].Type.Shape, l.kernel()
	return int64(out[2]*s[3]*l.ins()*k[0]) + l.places*int64(l.outs()*k[1])
}

// frontier removes options that another one is not worse than in both error and
// multiply-accumulates.
func frontier(list []Option) []Option {
	var kept []Option
	for i, a := range list {
		better := false
		for j, b := range list {
			if b.Error <= a.Error && b.MACs <= a.MACs && (b.Error < a.Error || b.MACs < a.MACs || j < i) {
				better = true
				break
			}
		}
		if !better {
			kept = append(kept, a)
		}
	}
	return kept
}
