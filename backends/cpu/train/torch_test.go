package train

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs"
)

// moduleWithHeads is 4a and 4b of GoogLeNet behind a small stem, each with the head
// of the paper.
const moduleWithHeads = `net heads
input image 3x28x28
default pad=same
default conv act=relu init=xavier bias=0.2
block aux = avgpool 5x5/3 pad=0 -> conv 1x1 128 -> fc 256 act=relu bias=0.2 -> fc 10 -> softmax
stem: conv 3x3/2 64 -> lrn 5
4a: inception 192  96 208 16  48  64 -> head weight=0.3 { aux }
4b: inception 160 112 224 24  64  64 -> head weight=0.3 { aux }
top: gap -> fc 10 -> softmax
`

// bnModule is 3a and 3c of BN-Inception behind a small stem.
const bnModule = `net bn
input image 3x12x12
default conv act=relu bn=1e-5 bias=on pad=same
default avgpool pad=1 include_pad=1
stem: conv 3x3/2 64
3a: concat {
  conv 1x1 64
  conv 1x1 64 -> conv 3x3 64
  conv 1x1 64 -> conv 3x3 96 -> conv 3x3 96
  avgpool 3x3/1 -> conv 1x1 32
}
3c: concat {
  conv 1x1 128 -> conv 3x3/2 160 pad=1
  conv 1x1 64 -> conv 3x3 96 -> conv 3x3/2 96 pad=1
  maxpool 3x3/2 ceil=1
}
top: gap -> fc 10 -> softmax
`

// withoutDropout is a spec whose masks PyTorch cannot have.
func withoutDropout(t *testing.T, name string) string {
	t.Helper()
	text, _, ok := specs.Source(name)
	if !ok {
		t.Fatalf("no spec is called %s", name)
	}
	s := string(text)
	for _, rate := range []string{"0.2", "0.5"} {
		s = strings.ReplaceAll(strings.ReplaceAll(s, " -> dropout "+rate, ""), "\ndropout "+rate, "")
	}
	if strings.Contains(s, "dropout ") {
		t.Fatal(s)
	}
	return s
}

// TestTorchGradients takes a step of the executor at rate 1, so that the weights move
// by the gradient, and compares with what PyTorch computes for the same loss:
// cross-entropy, heads by weight, batch norm by the batch. Pictures are small: among
// millions of activations some lie so near to 0 that two orders of summation take
// different sides of it, and one of them is a hundredth of a gradient.
func TestTorchGradients(t *testing.T) {
	if os.Getenv("INCC_LONG") == "" {
		t.Skip("importing PyTorch takes its time: INCC_LONG=1 runs this")
	}
	const batch = 2
	for _, version := range []string{peers.Torch, "debian"} {
		for _, n := range []struct{ name, text string }{
			{"NIN", strings.Replace(withoutDropout(t, "nin_cifar10"), "3x32x32", "3x16x16", 1)},
			{"GoogLeNet module with heads", moduleWithHeads},
			{"BN-Inception module", bnModule},
			{"Maxout", withoutDropout(t, "maxout_mnist_conv")},
		} {
			t.Run(version+"/"+n.name, func(t *testing.T) {
				peer, err := peers.StartTorch(version)
				var missing *peers.MissingError
				if errors.As(err, &missing) {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				defer peer.Close()
				g, diags := dsl.Load("a.incc", []byte(n.text), dsl.Options{})
				if g == nil {
					t.Fatal(diags)
				}
				ir.Materialize(g, 3)
				e, err := NewCPU(g, autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd"}}, batch, 3, cpu.Options{})
				if err != nil {
					t.Fatal(err)
				}
				images, labels := noise(g, batch, e.Classes(), 8)
				before, err := readAll(e)
				if err != nil {
					t.Fatal(err)
				}
				if s, err := e.Step(images, labels, 1, 0); err != nil || !s.Finite() {
					t.Fatal(s, err)
				}
				after, err := readAll(e)
				if err != nil {
					t.Fatal(err)
				}
				want := torchGradients(t, peer, g, batch, images, labels)
				largest := 0.0
				for _, d := range want {
					for _, x := range d {
						largest = max(largest, math.Abs(float64(x)))
					}
				}
				worst, where, compared := 0.0, "", 0
				for i, p := range e.Params() {
					d := want[p.Name]
					if d == nil || strings.HasSuffix(p.Name, ".mean") {
						continue
					}
					compared++
					// A bias before batch norm has no gradient: what is there is rounding.
					most, off := 1e-3*largest, 0.0
					for j := range d {
						got := float64(before[i][j]) - float64(after[i][j])
						most = max(most, math.Abs(float64(d[j])))
						off = max(off, math.Abs(got-float64(d[j]))-math.Abs(float64(after[i][j]))*6e-8) // the weight's own last place
					}
					if off/most > worst {
						worst, where = off/most, p.Name
					}
				}
				t.Logf("%s: %d gradients, the largest difference is %.2g of the largest, of %s", peer.Name, compared, worst, where)
				if compared != len(want) || compared < 8 {
					t.Errorf("%d gradients are compared, PyTorch has %d", compared, len(want))
				}
				if !(worst <= 1e-4) {
					t.Errorf("the gradient of %s differs by %g of the largest", where, worst)
				}
			})
		}
	}
}

// torchGradients are PyTorch's, by the weight.
func torchGradients(t *testing.T, peer *peers.Peer, g *ir.Graph, batch int, images []float32, labels []int32) map[string][]float32 {
	t.Helper()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := onnx.Backend{Path: "model.onnx", Version: "test", Batch: batch, Heads: true}.Emit(g)
	do(err)
	var b bytes.Buffer
	_, err = files[0].WriteTo(&b)
	do(err)
	path := filepath.Join(t.TempDir(), "model.onnx")
	do(os.WriteFile(path, b.Bytes(), 0o666))
	var weights []float64
	for _, h := range g.Heads {
		weights = append(weights, h.Weight)
	}
	do(peer.Train(true))
	do(peer.HeadWeights(weights...))
	_, err = peer.Load(path)
	do(err)
	do(peer.Input(peers.Tensor{Name: g.Inputs[0].Name, Shape: g.Inputs[0].Type.Shape.Bind(batch), Data: images}))
	l := peers.Tensor{Name: "labels", Shape: []int{batch}}
	for _, x := range labels {
		l.Ints = append(l.Ints, int64(x))
	}
	do(peer.Input(l))
	do(peer.Backward())
	list, err := peer.Grads()
	do(err)
	grads := map[string][]float32{}
	for _, x := range list {
		if g.Value(x.Name) != nil && g.Value(x.Name).Param != nil {
			grads[x.Name] = x.Data
		}
	}
	return grads
}
