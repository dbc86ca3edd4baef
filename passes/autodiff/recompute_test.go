package autodiff

import (
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
)

// TestRecomputeText checks where copies are: before the gradient whose result is read
// together with them.
func TestRecomputeText(t *testing.T) {
	n := irtest.NewNet("small", 1)
	x := n.Conv("conv", image(n, 2, 6), 3, hw(3, 3), ops.Conv{Pad: ir.Pads{1, 1, 1, 1}}, true)
	x = n.ReLU(n.BatchNorm("bn", x, 1e-3))
	x = n.Conv("conv2", n.Op("drop", ops.Dropout{P: 0.5}, x), 3, hw(3, 3), ops.Conv{Pad: ir.Pads{1, 1, 1, 1}}, false)
	g := n.Finish(n.Op("softmax", ops.Softmax{Axis: 1}, n.Dense("fc", x, 4)))
	tr, err := Train(g, Options{Seed: 9, Recompute: Cheap})
	if err != nil {
		t.Fatal(err)
	}
	const want = `
conv = conv pad=1 image conv/weight conv/bias
bn bn.1 bn.2 bn.3 bn.4 = batchnorm_train eps=0.001 conv bn/gamma bn/beta bn/mean bn/variance
bn/relu = relu bn
drop = dropout_train p=0.5 seed=9 layer=drop bn/relu step
conv2 = conv pad=1 drop conv2/weight
`
	const behind = `
fc/bias.grad = reduce axes=0 loss/cross_entropy_dx
bn/again bn.1/again bn.2/again bn.3/again bn.4/again = batchnorm_train eps=0.001 conv bn/gamma bn/beta bn/mean bn/variance
bn/relu/again = relu bn/again
drop/again = dropout_train p=0.5 seed=9 layer=drop bn/relu/again step
fc/flatten/reshape = reshape shape=Nx3x6x6 fc/matmul
conv2/conv_dx = conv_dx pad=1 in=6x6 fc/flatten/reshape conv2/weight
conv2/weight.grad = conv_dw pad=1 kernel=3x3 fc/flatten/reshape drop/again
drop/dropout_train = dropout_train p=0.5 seed=9 layer=drop conv2/conv_dx step
bn/relu/relu_dx = relu_dx drop/dropout_train bn/relu/again
bn/batchnorm_dx bn/gamma.grad bn/beta.grad = batchnorm_dx eps=0.001 bn/relu/relu_dx conv bn/gamma bn.1/again bn.2/again
`
	got := "\n" + text(tr.Graph)
	for _, w := range []string{want, behind} {
		if !strings.Contains(got, w) {
			t.Errorf("no%sin%s", w, got)
		}
	}
}

// Networks compute the same numbers at every level, and most of them recompute something.
func TestRecompute(t *testing.T) {
	for name, build := range networks {
		var want []float64
		nodes, more := 0, false
		for level := KeepAll; level <= MostRecomputed; level++ {
			tr, err := Train(build(irtest.NewNet(name, 5)), Options{Seed: 3, Norm: true, Recompute: level})
			if err != nil {
				t.Fatal(err)
			}
			if err := ir.Verify(tr.Graph); err != nil {
				t.Fatal(err)
			}
			res, err := ref.Run(tr.Graph, irtest.Inputs(tr.Graph, 2, 1), ref.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []float64
			for _, v := range tr.Graph.Outputs {
				got = append(got, res[v].Data...)
			}
			for _, u := range tr.Graph.Updates {
				got = append(got, res[u.Value].Data...)
			}
			if level == KeepAll {
				want, nodes = got, len(tr.Graph.Nodes)
				continue
			}
			more = more || len(tr.Graph.Nodes) > nodes
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("%s, %v twice: number %d is %g, not %g", name, level, i, got[i], want[i])
				}
			}
		}
		if !more {
			t.Errorf("%s computes nothing twice", name)
		}
	}
}
