package onnxtest

import (
	"math/rand/v2"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs/spectest"
)

// TestTorchGradients compares the gradients of sum(output * seed) with respect to every
// weight: those of autodiff on the reference interpreter with those of PyTorch on the
// emitted model. It also compares the outputs, in every mode of PyTorch.
func TestTorchGradients(t *testing.T) {
	if !longtest.Enabled() {
		t.Skip("importing PyTorch takes its time: INCC_LONG=1 runs this")
	}
	names := []string{"lenet5", "mnist/nin_listed", "mnist/inception_v3", "maxout_mnist_pi"}
	for _, version := range []string{peers.Torch, "debian"} {
		t.Run(version, func(t *testing.T) {
			torch := StartTorch(t, version)
			for _, name := range names {
				g := spectest.Load(t, name)
				ir.Materialize(g, 7)
				path := Write(t, onnx.Backend{}, g)
				x, seed, want, grads := gradients(t, g)
				for _, mode := range []string{"default", "channels_last", "compile"} {
					if mode == "compile" && version == "debian" { // 1.13 has none
						continue
					}
					if err := torch.Mode(mode); err != nil {
						t.Fatal(err)
					}
					out := g.Outputs[0].Name
					got, err := Run(torch, path, map[string]*tensor.Tensor{g.Inputs[0].Name: x})
					if err != nil {
						t.Fatal(name, err)
					}
					if d, ok := Close(got[out], want); !ok {
						t.Errorf("%s, %s: the output differs by %.2g", name, mode, d)
					}
					if err := torch.Input(peers.Tensor{Name: "grad:" + out, Shape: seed.Shape, Data: tensor.Round(seed).Data}); err != nil {
						t.Fatal(err)
					}
					if err := torch.Backward(); err != nil {
						t.Fatal(name, err)
					}
					list, err := torch.Grads()
					if err != nil {
						t.Fatal(err)
					}
					byName := map[string]*tensor.Tensor{}
					for _, l := range list {
						byName[l.Name] = tensor.Widen(tensor.Of(l.Data, l.Shape...))
					}
					for w, d := range grads {
						if rel, ok := Close(byName[w], d); !ok {
							t.Errorf("%s, %s: the gradient of %s differs by %.2g", name, mode, w, rel)
						}
					}
				}
			}
		})
	}
}

// gradients returns a random input and seed, the output for it, and the gradients
// of sum(output * seed) by weight.
func gradients(t *testing.T, g *ir.Graph) (x, seed, out *tensor.Tensor, grads map[string]*tensor.Tensor) {
	t.Helper()
	g = g.Clone()
	g.Heads = nil
	rng := rand.New(rand.NewPCG(3, 4))
	draw := func(s ir.Shape) *tensor.Tensor {
		x := tensor.Make[float64](s.Bind(2))
		for i := range x.Data {
			x.Data[i] = float64(float32(rng.NormFloat64()))
		}
		return x
	}
	y := g.Outputs[0]
	x, seed = draw(g.Inputs[0].Type.Shape), draw(y.Type.Shape)
	b := ir.Extend(g)
	s := b.Input("seed", y.Type)
	loss := b.Do(ops.Reduce{Kind: ops.ReduceSum}, b.Do(ops.Mul{}, y, s))
	var weights []*ir.Value
	for _, p := range g.Params {
		if p.Param.Kind == ir.Weight {
			weights = append(weights, p)
		}
	}
	d, err := autodiff.Gradients(b, loss, weights)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range weights {
		g.Outputs = append(g.Outputs, d[w])
	}
	res, err := ref.Run(g, []*tensor.Tensor{x, seed}, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	grads = map[string]*tensor.Tensor{}
	for _, w := range weights {
		grads[w.Name] = res[d[w]]
	}
	return x, seed, res[y], grads
}
