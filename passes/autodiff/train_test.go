package autodiff

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

func image(n *irtest.Net, c, side int) *ir.Value {
	return n.Input("image", ir.Float(ir.Batch, c, side, side))
}

func hw(h, w int) ir.HW { return ir.HW{h, w} }

func convReLU(n *irtest.Net, name string, x *ir.Value, o int, k ir.HW, s int) *ir.Value {
	return n.ReLU(n.Conv(name, x, o, k, ops.Conv{Stride: hw(s, s), Pad: irtest.Same(k)}, true))
}

func convBN(n *irtest.Net, name string, x *ir.Value, o int, k ir.HW) *ir.Value {
	y := n.Conv(name, x, o, k, ops.Conv{Pad: irtest.Same(k)}, false)
	return n.ReLU(n.BatchNorm(name+"/bn", y, 1e-3))
}

// networks are small networks of every kind.
var networks = map[string]func(n *irtest.Net) *ir.Graph{
	"nin": func(n *irtest.Net) *ir.Graph {
		x := image(n, 2, 9)
		x = convReLU(n, "conv1", x, 5, hw(5, 5), 1)
		x = convReLU(n, "cccp1", x, 4, hw(1, 1), 1)
		x = convReLU(n, "cccp2", x, 4, hw(1, 1), 1)
		x = n.Op("pool1", ops.MaxPool{Kernel: hw(3, 3), Stride: hw(2, 2), Ceil: true}, x)
		x = n.Op("drop1", ops.Dropout{P: 0.5}, x)
		x = convReLU(n, "conv2", x, 5, hw(3, 3), 1)
		x = n.Op("pool2", ops.AvgPool{Kernel: hw(3, 3), Stride: hw(2, 2), Pad: ir.Pads{0, 0, 1, 1}}, x)
		x = n.Op("drop2", ops.Dropout{P: 0.5}, x)
		x = n.Conv("cccp4", x, 3, hw(1, 1), ops.Conv{}, true)
		x = n.Op("gap", ops.GlobalAvgPool{}, x)
		return n.Finish(n.Op("softmax", ops.Softmax{Axis: 1}, x))
	},
	"googlenet": func(n *irtest.Net) *ir.Graph {
		x := convReLU(n, "conv1", image(n, 2, 10), 4, hw(3, 3), 2)
		x = n.Op("lrn", ops.LRN{Size: 3, Alpha: 0.5, Beta: 0.75, K: 1}, x)
		head := func(name string, x *ir.Value) ir.Head {
			x = n.Op(name+"/avg", ops.AvgPool{Kernel: hw(3, 3), Stride: hw(2, 2)}, x)
			x = convReLU(n, name+"/conv", x, 3, hw(1, 1), 1)
			x = n.ReLU(n.Dense(name+"/fc1", x, 4))
			x = n.Op(name+"/drop", ops.Dropout{P: 0.7}, x)
			return ir.Head{Value: n.Op(name+"/softmax", ops.Softmax{Axis: 1}, n.Dense(name+"/fc2", x, 3)), Weight: 0.3}
		}
		module := func(name string, x *ir.Value) *ir.Value {
			a := convReLU(n, name+"/1x1", x, 2, hw(1, 1), 1)
			b := convReLU(n, name+"/3x3", convReLU(n, name+"/3x3r", x, 2, hw(1, 1), 1), 3, hw(3, 3), 1)
			c := convReLU(n, name+"/5x5", convReLU(n, name+"/5x5r", x, 2, hw(1, 1), 1), 2, hw(5, 5), 1)
			p := n.Op(name+"/pool", ops.MaxPool{Kernel: hw(3, 3), Stride: hw(1, 1), Pad: ir.Pads{1, 1, 1, 1}}, x)
			p = convReLU(n, name+"/proj", p, 1, hw(1, 1), 1)
			return n.Op(name+"/concat", ops.Concat{Axis: 1}, a, b, c, p)
		}
		x = module("3a", x)
		h1 := head("head1", x)
		x = module("3b", x)
		h2 := head("head2", x)
		h2.Weight = 0.5
		x = n.Op("gap", ops.GlobalAvgPool{}, x)
		x = n.Op("drop", ops.Dropout{P: 0.4}, x)
		n.Graph().Heads = []ir.Head{h1, h2}
		return n.Finish(n.Op("softmax", ops.Softmax{Axis: 1}, n.Dense("fc", x, 3)))
	},
	"bn_inception": func(n *irtest.Net) *ir.Graph {
		x := image(n, 3, 6)
		a := convBN(n, "1x1", x, 2, hw(1, 1))
		b := convBN(n, "3x3", convBN(n, "3x3r", x, 2, hw(1, 1)), 3, hw(3, 3))
		c := convBN(n, "d3x3b", convBN(n, "d3x3a", convBN(n, "d3x3r", x, 2, hw(1, 1)), 2, hw(3, 3)), 2, hw(3, 3))
		p := convBN(n, "proj", n.Op("pool", ops.AvgPool{Kernel: hw(3, 3), Stride: hw(1, 1), Pad: ir.Pads{1, 1, 1, 1}, IncludePad: true}, x), 2, hw(1, 1))
		x = n.Op("concat", ops.Concat{Axis: 1}, a, b, c, p)
		d := convBN(n, "7x1", convBN(n, "1x7", x, 3, hw(1, 7)), 3, hw(7, 1))
		x = n.Op("concat2", ops.Concat{Axis: 1}, d, n.Op("max", ops.MaxPool{Kernel: hw(3, 3), Stride: hw(1, 1), Pad: ir.Pads{1, 1, 1, 1}}, x))
		x = n.Op("gap", ops.GlobalAvgPool{}, x)
		return n.Finish(n.Op("softmax", ops.Softmax{Axis: 1}, n.Dense("fc", x, 4)))
	},
	"maxout": func(n *irtest.Net) *ir.Graph {
		x := n.Op("drop0", ops.Dropout{P: 0.2}, image(n, 2, 8))
		x = n.Op("maxout1", ops.Maxout{Pieces: 2}, n.Conv("conv1", x, 6, hw(4, 4), ops.Conv{Pad: ir.Pads{2, 2, 2, 2}}, true))
		x = n.Op("pool1", ops.MaxPool{Kernel: hw(4, 4), Stride: hw(2, 2), Ceil: true}, x)
		x = n.Op("maxout2", ops.Maxout{Pieces: 5}, n.Dense("fc1", x, 20))
		x = n.Op("drop1", ops.Dropout{P: 0.5}, x)
		return n.Finish(n.Dense("fc2", x, 3))
	},
	"residual": func(n *irtest.Net) *ir.Graph {
		x := convReLU(n, "stem", image(n, 2, 7), 4, hw(3, 3), 2)
		for i := range 3 {
			s := fmt.Sprint("r", i)
			b := n.Op(s+"/concat", ops.Concat{Axis: 1}, convBN(n, s+"/1x1", x, 2, hw(1, 1)), convBN(n, s+"/3x3", x, 3, hw(3, 3)))
			y := n.Conv(s+"/up", b, 4, hw(1, 1), ops.Conv{}, true)
			x = n.Op(s+"/add", ops.Add{}, x, n.Op(s+"/scale", ops.Scale{By: 0.17}, y))
			if i < 2 {
				x = n.ReLU(x)
			}
		}
		x = n.Op("tanh", ops.Tanh{}, x)
		return n.Finish(n.Op("log_softmax", ops.LogSoftmax{Axis: 1}, n.Dense("fc", x, 3)))
	},
	// Fused activations, groups, dilation, asymmetric pads, weights that two nodes read.
	"fused": func(n *irtest.Net) *ir.Graph {
		x := n.Conv("a", image(n, 4, 7), 6, hw(3, 2), ops.Conv{Groups: 2, Pad: ir.Pads{2, 0, 1, 1}, Stride: hw(2, 1), Act: ops.ActReLU}, true)
		w := n.Weight("shared/weight", ir.Weight, 0, 0.3, 6, 6, 2, 2)
		c := ops.Conv{Stride: hw(1, 1), Dilation: hw(1, 2), Groups: 1, Pad: ir.Pads{1, 1, 0, 1}, Act: ops.ActSigmoid}
		x = n.Op("b", c, x, w)
		c.Act = ops.ActTanh
		x = n.Op("c", c, x, w)
		s := n.OpN("split", ops.Split{Axis: 1, Sizes: "1,3,2"}, x)
		x = n.Op("mul", ops.Mul{}, s[1], s[0])
		x = n.Op("sub", ops.Sub{}, x, n.Op("mean", ops.Reduce{Kind: ops.ReduceMean, Axes: "1,2,3", Keep: true}, x))
		return n.Finish(n.Dense("fc", n.Op("max", ops.Max{}, x, n.Op("half", ops.Scale{By: 0.5}, x)), 4))
	},
}

// numeric compares every gradient of a training graph with central differences of its loss,
// for some random elements of each. It returns how many elements it compared. It does not
// compare elements at a kink, where the differences to the left and to the right disagree.
// spoil, if it is not nil, is called after Train to make the gradients wrong.
func numeric(g *ir.Graph, opt Options, seed int64, each int, spoil func(*ir.Node)) (int, error) {
	t, err := Train(g, opt)
	if err != nil {
		return 0, err
	}
	if spoil != nil {
		for _, n := range t.Graph.Nodes[slices.Index(t.Graph.Nodes, t.Loss.Def)+1:] {
			spoil(n)
		}
	}
	tg := t.Graph
	// Turn weights into inputs, so that they can be changed in float64.
	inputs := irtest.Inputs(tg, 2, seed)
	index := map[*ir.Value]int{}
	var weights []*ir.Value
	tg.Params = slices.DeleteFunc(tg.Params, func(v *ir.Value) bool {
		if v.Param.Kind != ir.Weight {
			return false
		}
		index[v] = len(inputs)
		inputs = append(inputs, ref.Param(tg, v, 0))
		weights = append(weights, v)
		return true
	})
	for _, v := range weights {
		v.Param = nil
		tg.Inputs = append(tg.Inputs, v)
	}
	res, err := ref.Run(tg, inputs, ref.Options{})
	if err != nil {
		return 0, err
	}
	tg.Outputs, tg.Updates, tg.Heads = []*ir.Value{t.Loss}, nil, nil
	ir.Rewrite(tg, "test").Sweep()
	if l := res[t.Loss].Data[0]; math.IsNaN(l) || l <= 0 {
		return 0, fmt.Errorf("loss is %g", l)
	}
	loss := func() float64 {
		r, err := ref.Run(tg, inputs, ref.Options{})
		if err != nil {
			panic(err)
		}
		return r[t.Loss].Data[0]
	}
	r := rand.New(rand.NewPCG(uint64(seed), 3))
	count := 0
	for _, w := range weights {
		d := t.Grads[w]
		if opt.frozen(w) {
			if d != nil {
				return 0, fmt.Errorf("%s is frozen and has a gradient", w.Name)
			}
			continue
		}
		if d == nil {
			return 0, fmt.Errorf("%s has no gradient", w.Name)
		}
		x := inputs[index[w]]
		for range each {
			i := r.IntN(len(x.Data))
			v := x.Data[i]
			const eps = 1e-6
			x.Data[i] = v + eps
			up := loss()
			x.Data[i] = v - eps
			down := loss()
			x.Data[i] = v
			if here := res[t.Loss].Data[0]; math.Abs(up+down-2*here) > 1e-3*(math.Abs(up-down)+eps) {
				continue
			}
			want, got := (up-down)/(2*eps), res[d].Data[i]
			if !(math.Abs(got-want) <= 1e-6+1e-5*math.Abs(want)) {
				return count, fmt.Errorf("gradient of %s[%d] is %.9g, central differences say %.9g", w.Name, i, got, want)
			}
			count++
		}
	}
	return count, nil
}

// Gradients of whole networks agree with central differences.
func TestNetworks(t *testing.T) {
	for name, make := range networks {
		t.Run(name, func(t *testing.T) {
			g := make(irtest.NewNet(name, 5))
			before := len(g.Nodes)
			for seed, opt := range []Options{{Seed: 3}, {Smoothing: 0.1, Seed: 3}, {Gamma: 2, Seed: 3}} {
				if n, err := numeric(g, opt, int64(seed), 12, nil); err != nil || n < 50 {
					t.Errorf("%d compared: %v", n, err)
				}
			}
			if len(g.Nodes) != before || len(g.Updates) > 0 || ir.Verify(g) != nil {
				t.Error("the network itself was changed")
			}
		})
	}
}

// The comparison also finds gradients of ops that are right but combined in a wrong way.
func TestNetworkBugs(t *testing.T) {
	for _, c := range []struct {
		what, network string
		spoil         func(n *ir.Node)
	}{
		{"the first of several readers counts alone", "googlenet", func(n *ir.Node) {
			if _, ok := n.Op.(ops.Add); ok {
				n.In = []*ir.Value{n.In[0], n.In[0]}
			}
		}},
		{"weight of a head forgotten", "googlenet", func(n *ir.Node) {
			if s, ok := n.Op.(ops.Scale); ok && s.By == 0.3 {
				n.Op = ops.Scale{By: 1}
			}
		}},
		{"weights read twice taken for read once", "fused", func(n *ir.Node) {
			if strings.HasPrefix(n.Out[0].Name, "shared/weight.grad") {
				n.In = []*ir.Value{n.In[0], n.In[0]}
			}
		}},
		{"another mask on the way back", "maxout", func(n *ir.Node) {
			if d, ok := n.Op.(ops.DropoutTrain); ok {
				d.Seed++
				n.Op = d
			}
		}},
		{"residual scale forgotten", "residual", func(n *ir.Node) {
			if s, ok := n.Op.(ops.Scale); ok && s.By == 0.17 {
				n.Op = ops.Scale{By: 1}
			}
		}},
		{"smoothing forgotten", "nin", func(n *ir.Node) {
			if c, ok := n.Op.(ops.CrossEntropyDx); ok {
				c.Smoothing = 0
				n.Op = c
			}
		}},
	} {
		g := networks[c.network](irtest.NewNet(c.network, 5))
		if _, err := numeric(g, Options{Smoothing: 0.1, Seed: 3}, 1, 12, c.spoil); err == nil || !strings.Contains(err.Error(), "central differences") {
			t.Errorf("%s: not caught: %v", c.what, err)
		}
	}
}

// Gradients of random networks agree with central differences.
func TestRandomNetworks(t *testing.T) {
	many := int64(longtest.Count(25, 100, 400))
	compared := 0
	for seed := range many {
		g := irtest.Random(seed, irtest.Options{Size: 3, Side: 7, Fused: seed%2 == 0, Heads: true, Skip: func(op ir.Op) bool {
			c, ok := op.(ops.Conv)
			return ok && c.Groups == 1 && c.Stride == hw(1, 1) // keep them small
		}})
		n, err := numeric(g, Options{}, seed, 3, nil)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		compared += n
	}
	if compared < 25*int(many) {
		t.Errorf("only %d elements compared", compared)
	}
}

// The training graph of a small network, line by line.
func TestGraphText(t *testing.T) {
	n := irtest.NewNet("small", 1)
	x := n.Conv("conv", image(n, 2, 6), 3, hw(3, 3), ops.Conv{Pad: ir.Pads{1, 1, 1, 1}}, true)
	x = n.ReLU(n.BatchNorm("bn", x, 1e-3))
	x = n.Op("drop", ops.Dropout{P: 0.5}, x)
	x = n.Op("concat", ops.Concat{Axis: 1}, x, n.Op("pool", ops.MaxPool{Kernel: hw(3, 3), Stride: hw(1, 1), Pad: ir.Pads{1, 1, 1, 1}}, x))
	g := n.Finish(n.Op("softmax", ops.Softmax{Axis: 1}, n.Dense("fc", x, 4)))
	tr, err := Train(g, Options{Smoothing: 0.1, Seed: 9, Optimizer: &recipe.Optimizer{Kind: "sgd", Momentum: 0.9, Decay: 1e-4}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `
conv = conv pad=1 image conv/weight conv/bias
bn bn.1 bn.2 bn.3 bn.4 = batchnorm_train eps=0.001 conv bn/gamma bn/beta bn/mean bn/variance
bn/relu = relu bn
drop = dropout_train p=0.5 seed=9 layer=drop bn/relu step
pool = maxpool kernel=3x3 pad=1 drop
concat = concat drop pool
fc/flatten = flatten concat
fc = dense fc/flatten fc/weight fc/bias
loss = cross_entropy smoothing=0.1 fc labels
loss/cross_entropy_dx = cross_entropy_dx smoothing=0.1 loss.grad fc labels
fc/matmul = matmul loss/cross_entropy_dx fc/weight
fc/weight.grad = matmul trans_a=1 loss/cross_entropy_dx fc/flatten
fc/bias.grad = reduce axes=0 loss/cross_entropy_dx
fc/flatten/reshape = reshape shape=Nx6x6x6 fc/matmul
concat/split concat/split.1 = split sizes=3,3 fc/flatten/reshape
pool/maxpool_dx = maxpool_dx kernel=3x3 pad=1 concat/split.1 drop
drop/add = add concat/split pool/maxpool_dx
drop/dropout_train = dropout_train p=0.5 seed=9 layer=drop drop/add step
bn/relu/relu_dx = relu_dx drop/dropout_train bn/relu
bn/batchnorm_dx bn/gamma.grad bn/beta.grad = batchnorm_dx eps=0.001 bn/relu/relu_dx conv bn/gamma bn.1 bn.2
conv/weight.grad = conv_dw pad=1 kernel=3x3 bn/batchnorm_dx image
conv/bias.grad = reduce axes=0,2,3 bn/batchnorm_dx
conv/weight/sgd conv/weight/sgd.1 = sgd momentum=0.9 decay=0.0001 conv/weight conv/weight.grad rate conv/weight.velocity
conv/bias/sgd conv/bias/sgd.1 = sgd momentum=0.9 conv/bias conv/bias.grad rate conv/bias.velocity
bn/gamma/sgd bn/gamma/sgd.1 = sgd momentum=0.9 bn/gamma bn/gamma.grad rate bn/gamma.velocity
bn/beta/sgd bn/beta/sgd.1 = sgd momentum=0.9 bn/beta bn/beta.grad rate bn/beta.velocity
fc/weight/sgd fc/weight/sgd.1 = sgd momentum=0.9 decay=0.0001 fc/weight fc/weight.grad rate fc/weight.velocity
fc/bias/sgd fc/bias/sgd.1 = sgd momentum=0.9 fc/bias fc/bias.grad rate fc/bias.velocity
updates bn/mean<-bn.3 bn/variance<-bn.4 conv/weight.velocity<-conv/weight/sgd.1 conv/weight<-conv/weight/sgd conv/bias.velocity<-conv/bias/sgd.1 conv/bias<-conv/bias/sgd bn/gamma.velocity<-bn/gamma/sgd.1 bn/gamma<-bn/gamma/sgd bn/beta.velocity<-bn/beta/sgd.1 bn/beta<-bn/beta/sgd fc/weight.velocity<-fc/weight/sgd.1 fc/weight<-fc/weight/sgd fc/bias.velocity<-fc/bias/sgd.1 fc/bias<-fc/bias/sgd
outputs loss fc
inputs image labels step rate
`
	if got := "\n" + text(tr.Graph); got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
	for _, n := range tr.Graph.Nodes {
		if n.By != "autodiff" && slices.Contains([]string{"bn", "drop"}, n.Out[0].Name) {
			t.Errorf("%s does not name the pass that changed it", n.Out[0].Name)
		}
	}
}

func text(g *ir.Graph) string {
	var b strings.Builder
	names := func(vs []*ir.Value) string {
		var w []string
		for _, v := range vs {
			w = append(w, v.Name)
		}
		return strings.Join(w, " ")
	}
	for _, n := range g.Nodes {
		fmt.Fprintf(&b, "%s = %s %s\n", names(n.Out), ir.FormatOp(n.Op), names(n.In))
	}
	b.WriteString("updates")
	for _, u := range g.Updates {
		fmt.Fprintf(&b, " %s<-%s", u.Param.Name, u.Value.Name)
	}
	fmt.Fprintf(&b, "\noutputs %s\ninputs %s\n", names(g.Outputs), names(g.Inputs))
	return b.String()
}

// Running the training graph lowers the loss with every optimizer, and the running statistics
// approach those of the batches.
func TestOptimizersLearn(t *testing.T) {
	for _, o := range []recipe.Optimizer{
		{Kind: "sgd", LR: 0.1},
		{Kind: "sgd", LR: 0.03, Momentum: 0.9, Decay: 1e-4},
		{Kind: "nesterov", LR: 0.03, Momentum: 0.9},
		{Kind: "rmsprop", LR: 0.1, Rho: 0.9, Eps: 1},
		{Kind: "rmsprop", LR: 0.03, Rho: 0.9, Eps: 1, Momentum: 0.9},
		{Kind: "rmsprop_torch", LR: 0.01, Rho: 0.99, Eps: 1e-8},
		{Kind: "rmsprop_torch", LR: 0.003, Rho: 0.9, Eps: 1e-8, Momentum: 0.9},
		{Kind: "adam", LR: 0.01, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 1e-4},
		{Kind: "adamw", LR: 0.01, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 1e-2},
	} {
		n := irtest.NewNet("learn", 2)
		x := convBN(n, "conv", image(n, 2, 5), 6, hw(3, 3))
		x = n.Op("pool", ops.MaxPool{Kernel: hw(2, 2), Stride: hw(2, 2)}, x)
		g := n.Finish(n.Op("softmax", ops.Softmax{Axis: 1}, n.Dense("fc", x, 3)))
		tr, err := Train(g, Options{Optimizer: &o, Norm: true, Clip: recipe.Clip{Norm: 5, Value: 2}, Regular: recipe.Regularize{L1: 1e-5, L2: 1e-5, MaxNorm: 4},
			Average: recipe.Average{Kind: "ema", Decay: 0.5}})
		if err != nil {
			t.Fatal(err)
		}
		var first, last float64
		for step := range 40 {
			in := irtest.Inputs(tr.Graph, 12, 1)
			for i, v := range tr.Graph.Inputs {
				switch v {
				case tr.Rate:
					in[i] = tensor.Scalar(o.LR)
				case tr.Step:
					in[i] = tensor.Scalar(float64(step))
				}
			}
			res, err := ref.Run(tr.Graph, in, ref.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range tr.Graph.Updates {
				tr.Graph.Data[u.Param.Name] = tensor.Round(res[u.Value])
			}
			last = res[tr.Loss].Data[0]
			if step == 0 {
				first = last
			}
			if n := res[tr.Norm].Data[0]; math.IsNaN(n) || n <= 0 {
				t.Fatalf("%s: norm of the gradients is %g", o.Kind, n)
			}
		}
		for w, a := range tr.Averages {
			if d, s := tensor.MaxDiff(tr.Graph.Data[a.Name], tr.Graph.Data[w.Name]); d == 0 || d > 0.3*s {
				t.Errorf("%s: the average of %s differs from it by %g of %g", o.Kind, w.Name, d, s)
			}
		}
		if len(tr.Averages) != 7 { // five weights, mean and variance
			t.Errorf("%d averages", len(tr.Averages))
		}
		if !(last < first/3) {
			t.Errorf("%+v: loss %g after %g", o, last, first)
		}
	}
}

func TestErrors(t *testing.T) {
	n := irtest.NewNet("map", 1)
	g := n.Finish(n.Conv("conv", image(n, 2, 6), 3, hw(3, 3), ops.Conv{}, true))
	if _, err := Train(g, Options{}); err == nil || !strings.Contains(err.Error(), "conv is Nx3x4x4") {
		t.Errorf("an output that is a map: %v", err)
	}
	n = irtest.NewNet("two", 1)
	x := image(n, 2, 1)
	if _, err := Train(n.Finish(n.Dense("a", x, 2), n.Dense("b", x, 2)), Options{}); err == nil || !strings.Contains(err.Error(), "2 outputs") {
		t.Errorf("two outputs: %v", err)
	}
	n = irtest.NewNet("kind", 1)
	if _, err := Train(n.Finish(n.Dense("a", image(n, 2, 1), 2)), Options{Optimizer: &recipe.Optimizer{Kind: "lion"}}); err == nil || !strings.Contains(err.Error(), `"lion"`) {
		t.Errorf("an unknown optimizer: %v", err)
	}
	n = irtest.NewNet("none", 1)
	if _, err := Train(n.Finish(n.Dense("a", image(n, 2, 1), 2)), Options{Optimizer: &recipe.Optimizer{}}); err == nil || !strings.Contains(err.Error(), "names no optimizer") {
		t.Errorf("no optimizer: %v", err)
	}
	n = irtest.NewNet("shared", 1)
	x = n.BatchNorm("bn", image(n, 2, 3), 1e-3)
	y := n.Op("again", x.Def.Op, append([]*ir.Value{x}, x.Def.In[1:]...)...)
	if _, err := Train(n.Finish(n.Dense("a", y, 2)), Options{}); err == nil || !strings.Contains(err.Error(), "bn/mean") {
		t.Errorf("running statistics shared: %v", err)
	}
	b := ir.NewBuilder("g")
	v := b.Input("x", ir.Float(2))
	if _, err := Gradients(b, v, []*ir.Value{v}); err == nil {
		t.Error("Gradients accepts a loss that is not a scalar")
	}
}
