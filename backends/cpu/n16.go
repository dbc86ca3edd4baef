package cpu

import (
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// A network with few channels wastes most of each block of 16 channels. A batch of its
// images can be laid out in N16 instead: 16 images side by side (plan.N16). A change
// of layout transposes the whole activation, so one layout is chosen for the whole graph:
// both plans are made, and the one with the lower predicted time is taken. Ops without a
// kernel for N16 keep their own layout, with copies before and after, which the
// prediction counts.

const (
	// n16From is the batch from which on lanes are filled.
	n16From = kernel.Block
	// n16MaxChannels is the most channels of a convolution's output of a graph for
	// which lanes are looked at: they have no blocking for the caches of wide layers,
	// and no Winograd.
	n16MaxChannels = 64
)

// layout is the one that a unit is given whose kernels know both. In training
// vectors stay blocked: the gradient of a dense layer's weights is a sum over images,
// which are better one behind another.
func (c *call) layout() plan.Layout {
	if c.l.lanes && (c.l.train == nil || len(c.Read) > 0 && len(c.Read[0].Type.Shape) == 4) {
		return plan.N16
	}
	return plan.Blocked
}

// lanes is the number of channels as a kernel counts them that takes each block by
// itself.
func (c *call) lanes(channels int) int {
	if c.choice.Out[0].Layout == plan.N16 {
		return channels * kernel.Block
	}
	return channels
}

// block is such a kernel, over what the call has chosen.
func (c *call) block(k kernel.Kernel) plan.Kernel {
	if c.choice.Out[0].Layout == plan.N16 {
		return kernel.N16{Do: k}
	}
	return k
}

// byBlock sets a choice for a kernel that takes each block by itself (lanes, block):
// whose operands may be blocked or in N16.
func (c *call) byBlock(algo string, inPlace int, emit func(*plan.Emitter) error) error {
	if err := c.blocked(algo, inPlace, emit); err != nil {
		return err
	}
	own := plan.Need{Layout: c.layout()}
	c.choice.In, c.choice.Out = needs(own, len(c.Read)), needs(own, len(c.Wrote))
	return nil
}

// n16Reshape makes a vector of a map in N16, or a map of a vector: what lies
// without gaps is a vector as it is. A vector is in N16 for inference, blocked in
// training.
func (c *call) n16Reshape() error {
	ch, h, w := chw(c.Read[0])
	flat := c.Wrote[0] // the vector
	if h*w == 1 {
		ch, h, w = chw(c.Wrote[0])
		flat = c.Read[0]
	}
	vector := plan.Need{Layout: plan.N16}
	if c.l.train != nil {
		vector = blocked
	}
	n, _, _ := chw(flat)
	in, out := plan.Need{Layout: plan.N16}, vector
	if flat == c.Read[0] {
		in, out = out, in
	}
	c.choice = plan.Choice{Algo: "reshape", In: []plan.Need{in}, Out: []plan.Need{out}}
	c.choice.Emit = func(e *plan.Emitter) error {
		m, v := e.In[0], e.Out[0] // map and vector
		if flat == c.Read[0] {
			m, v = v, m
		}
		maps := view(m)
		// The vector's elements as a map without gaps.
		rows := func(v kernel.View) kernel.View {
			return kernel.View{N: v.N, C: h * w * kernel.Block, H: w * kernel.Block}
		}
		copyTo := func(from, to kernel.View) plan.Kernel {
			return kernel.N16{Do: kernel.Copy{C: ch * kernel.Block, H: h, W: w, In: from, Out: to}}
		}
		if v.Layout == plan.N16 {
			if m == e.In[0] {
				e.Step(copyTo(maps, rows(view(v))), e.In, e.Out)
			} else {
				e.Step(copyTo(rows(view(v)), maps), e.In, e.Out)
			}
			return nil
		}
		at, gaps := m, maps != rows(maps)
		lanes := kernel.View{N: maps.N, C: kernel.Block, H: kernel.Block}
		if gaps {
			at = e.Temp("flat", plan.N16, n, 1, 1)
			lanes = view(at)
		}
		if m == e.In[0] {
			if gaps {
				e.Step(copyTo(maps, rows(lanes)), e.In, list(at))
			}
			e.Step(kernel.N16ToBlocked{C: n, H: 1, W: 1, In: lanes, Out: view(v)}, list(at), e.Out)
			return nil
		}
		e.Step(kernel.N16FromBlocked{C: n, H: 1, W: 1, In: view(v), Out: lanes}, e.In, list(at))
		if gaps {
			e.Step(copyTo(rows(lanes), maps), list(at), e.Out)
		}
		return nil
	}
	return nil
}

// n16Choice says whether a plan has lanes.
type n16Choice int8

const (
	n16Predicted n16Choice = iota // if that is predicted to be faster
	n16Never
	n16Always
)

// chooseLayout plans a graph in the layout that is predicted to be faster. A tuning
// file names kernels of blocks, so a graph that has one keeps to them.
func chooseLayout(g *ir.Graph, l *lowering, o plan.Options, choice n16Choice) (*plan.Plan, error) {
	wide := *l
	wide.lanes = true
	if o.Train {
		wide.train = newTraining(g, true, o.Keep)
	}
	if choice == n16Always {
		return plan.New(g, &wide, o)
	}
	pl, err := plan.New(g, l, o)
	if err != nil || choice == n16Never || l.tuning != nil || !narrow(g, o.Batch) {
		return pl, err
	}
	if other, err := plan.New(g, &wide, o); err == nil && seconds(other) < seconds(pl) {
		return other, nil
	}
	return pl, nil
}

// narrow reports whether lanes may be worth while.
func narrow(g *ir.Graph, batch int) bool {
	if batch < n16From {
		return false
	}
	found := false
	for _, n := range g.Nodes {
		switch n.Op.(type) {
		case ops.Quantize, ops.FakeQuantize: // their kernels have blocks of channels
			return false
		}
		if _, ok := n.Op.(ops.Conv); !ok {
			continue
		}
		if s := n.Out[0].Type.Shape; len(s) != 4 || s[1] > n16MaxChannels {
			return false
		}
		found = true
	}
	return found
}

// seconds is what a plan is predicted to take on one thread.
func seconds(p *plan.Plan) float64 {
	sum := 0.0
	for _, s := range p.Steps {
		sum += s.Cost.Seconds
	}
	return sum
}
