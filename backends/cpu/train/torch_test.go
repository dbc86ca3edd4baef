package train

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
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

var maxNorm = regexp.MustCompile(` max_norm=[0-9.]+`)

// withoutDropout is a spec without dropout, whose masks PyTorch cannot reproduce, and
// without the bound of norms, which the long step of this test would exceed.
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
	s = maxNorm.ReplaceAllString(s, "")
	if strings.Contains(s, "dropout ") {
		t.Fatal(s)
	}
	return s
}

// TestTorchGradients takes a step of the executor, whose change of the weights is the
// gradient, and compares it with what PyTorch computes for the same loss:
// cross-entropy, heads by weight, batch norm by the batch.
//
// Of millions of activations some are so near to 0 that rounding decides their sign,
// and one of them can be a twentieth of a gradient. So pictures are small where
// Winograd is used. At full size the convolutions are direct, and the bound is twice
// the distance of PyTorch's own gradients in float32 from those in float64.
func TestTorchGradients(t *testing.T) {
	if !longtest.Enabled() {
		t.Skip("importing PyTorch takes its time: INCC_LONG=1 runs this")
	}
	for _, version := range []string{peers.Torch, "debian"} {
		for _, n := range []struct {
			name, text string
			full       bool
		}{
			{"NIN", strings.Replace(withoutDropout(t, "nin_cifar10"), "3x32x32", "3x16x16", 1), false},
			{"GoogLeNet module with heads", moduleWithHeads, false},
			{"BN-Inception module", bnModule, false},
			{"Maxout", withoutDropout(t, "maxout_mnist_conv"), false},
			{"NIN at full size", withoutDropout(t, "nin_cifar10"), true},
			{"BN-Inception module at full size", strings.Replace(bnModule, "3x12x12", "3x56x56", 1), true},
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
				images, labels := noise(g, torchBatch, logits(g).Type.Shape.Size(), 8)
				got := stepGradients(t, g, images, labels, cpu.Options{Direct: n.full})
				want := torchGradients(t, peer, g, "default", images, labels)
				if len(got) != len(want) || len(got) < 8 {
					t.Errorf("%d gradients are compared, PyTorch has %d", len(got), len(want))
				}
				limit := 1e-4
				if n.full {
					exact := torchGradients(t, peer, g, "double", images, labels)
					own, where := farthest(want, exact)
					t.Logf("%s: float32 differs from float64 by %.2g of the largest, in %s", peer.Name, own, where)
					limit, want = max(limit, 2*own), exact
				}
				worst, where := farthest(got, want)
				t.Logf("%s: %d gradients, the largest difference is %.2g of the largest, of %s", peer.Name, len(got), worst, where)
				if !(worst <= limit) {
					t.Errorf("the gradient of %s differs by %g of the largest, more than %g", where, worst, limit)
				}
			})
		}
	}
}

// torchBatch is how many images a gradient is of.
const torchBatch = 2

// stepGradients are the executor's gradients by the weight, with means and variances
// of batch norm, which have none, left out.
func stepGradients(t *testing.T, g *ir.Graph, images []float32, labels []int32, o cpu.Options) map[string][]float32 {
	t.Helper()
	const rate = 1 << 12 // so large that rounding of the new weight does not matter
	e, err := NewCPU(g, autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd"}}, torchBatch, 3, o)
	if err != nil {
		t.Fatal(err)
	}
	before, err := readAll(e)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := e.Step(images, labels, rate, 0); err != nil || !s.Finite() {
		t.Fatal(s, err)
	}
	after, err := readAll(e)
	if err != nil {
		t.Fatal(err)
	}
	grads := map[string][]float32{}
	for i, p := range e.Params() {
		if p.Slot || g.Value(p.Name).Param.Kind == ir.State {
			continue
		}
		d := make([]float32, len(before[i]))
		for j := range d {
			d[j] = (before[i][j] - after[i][j]) / rate
		}
		grads[p.Name] = d
	}
	return grads
}

// farthest returns the weight whose gradients differ most, and the difference as a
// share of the weight's largest gradient. The gradient of a bias before batch norm is 0
// but for rounding: it is measured by a thousandth of the largest gradient of all.
func farthest(got, want map[string][]float32) (worst float64, where string) {
	largest := 0.0
	for _, d := range want {
		for _, x := range d {
			largest = max(largest, math.Abs(float64(x)))
		}
	}
	for name, d := range want {
		most, off := 1e-3*largest, 0.0
		for j, x := range d {
			most = max(most, math.Abs(float64(x)))
			off = max(off, math.Abs(float64(got[name][j])-float64(x)))
		}
		if off/most > worst {
			worst, where = off/most, name
		}
	}
	return worst, where
}

// torchGradients are PyTorch's, by the weight.
func torchGradients(t *testing.T, peer *peers.Peer, g *ir.Graph, mode string, images []float32, labels []int32) map[string][]float32 {
	t.Helper()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := onnx.Backend{Path: "model.onnx", Version: "test", Batch: torchBatch, Heads: true}.Emit(g)
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
	do(peer.Mode(mode))
	do(peer.Train(true))
	do(peer.HeadWeights(weights...))
	_, err = peer.Load(path)
	do(err)
	do(peer.Input(peers.Tensor{Name: g.Inputs[0].Name, Shape: g.Inputs[0].Type.Shape.Bind(torchBatch), Data: images}))
	l := peers.Tensor{Name: "labels", Shape: []int{torchBatch}}
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
