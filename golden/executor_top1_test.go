package golden

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs"
)

// TestExecutorTopOne classifies hundreds of pictures with the executor, after all passes and with
// Winograd, and with ONNX Runtime. The best class must be the same wherever the two best
// logits differ by more than 1e-3 of the largest; nine in ten pictures must be such. The
// pictures must fall into many classes, or the comparison would prove little.
func TestExecutorTopOne(t *testing.T) {
	names := []string{"nin_cifar10", "googlenet"}
	for _, name := range specs.Names() {
		if strings.HasPrefix(name, "mnist/") {
			names = append(names, name)
		}
	}
	if long {
		names = append(names, "googlenet_bn", "inception_v3")
	}
	for _, name := range names {
		pictures := longtest.Count(250, 1000, 1000)
		if name == "googlenet" {
			pictures = longtest.Count(100, 1000, 1000)
		}
		t.Run(name, func(t *testing.T) { topOne(t, name, pictures) })
	}
}

func topOne(t *testing.T, name string, pictures int) {
	const batch = 50
	ort := onnxtest.StartORT(t)
	g := loadSmall(t, name)
	in := g.Inputs[0]
	scenes := drawScenes(in.Type.Shape, pictures)
	size := in.Type.Shape.Size()
	if _, err := ref.Condition(g, tensor.Widen(tensor.Of(scenes[:size], in.Type.Shape.Bind(1)...)), 1); err != nil {
		t.Fatal(err)
	}
	logits := watched(g)[0]
	g.Outputs, g.Heads = []*ir.Value{logits}, nil
	ir.Rewrite(g, "").Sweep()
	centre(t, g, scenes[:batch*size], batch)

	model := onnxtest.Write(t, onnx.Backend{Batch: batch}, g)
	if _, err := ort.Load(model); err != nil {
		t.Fatal(err)
	}
	o2 := g.Clone()
	if _, err := passes.Run(o2, passes.Level(2), passes.Options{}); err != nil {
		t.Fatal(err)
	}
	s := session(t, o2, batch)
	classes := logits.Type.Shape.Size()
	ours := make([]float32, batch*classes)
	clear, wins, worst := 0, map[int]int{}, 0.0
	for at := 0; at < pictures; at += batch {
		x := scenes[at*size : (at+batch)*size]
		if err := s.Run([][]float32{x}, [][]float32{ours}); err != nil {
			t.Fatal(err)
		}
		theirs := onnxtest.Infer(t, ort, peers.Tensor{Name: in.Name, Shape: in.Type.Shape.Bind(batch), Data: x})[0].Data
		if len(theirs) != len(ours) {
			t.Fatalf("ONNX Runtime gives %d logits, not %d", len(theirs), len(ours))
		}
		d, m := tensor.MaxDiff(tensor.Of(ours, len(ours)), tensor.Of(theirs, len(theirs)))
		worst = max(worst, d/m)
		for i := range batch {
			a, _ := best(ours[i*classes : (i+1)*classes])
			b, margin := best(theirs[i*classes : (i+1)*classes])
			wins[b]++
			if margin <= 1e-3 {
				continue
			}
			clear++
			if a != b {
				t.Errorf("picture %d: class %d wins, in ONNX Runtime %d by %.2g of the largest", at+i, a, b, margin)
			}
		}
	}
	most := 0
	for _, n := range wins {
		most = max(most, n)
	}
	t.Logf("%d of %d are clear, %d of %d classes win, the most frequent %d times; logits differ by %.2g of the largest", clear, pictures, len(wins), classes, most, worst)
	if clear < pictures*9/10 {
		t.Errorf("only %d of %d are clear", clear, pictures)
	}
	if len(wins) < min(5, classes) || most > pictures*3/4 {
		t.Errorf("%d classes win, one %d times", len(wins), most)
	}
	if worst > winogradTolerance {
		t.Errorf("logits differ by %.3g of the largest", worst)
	}
}

// session compiles a network.
func session(t *testing.T, g *ir.Graph, batch int) *cpu.Session {
	t.Helper()
	p, err := cpu.Compile(g, cpu.Options{Batch: batch})
	if err != nil {
		t.Fatal(err)
	}
	return p.NewSession()
}

// best returns the class of the largest logit and its distance from the next one, relative to
// the largest magnitude.
func best(logits []float32) (class int, margin float64) {
	next, scale := math.Inf(-1), 0.0
	for i, v := range logits {
		scale = math.Max(scale, math.Abs(float64(v)))
		switch {
		case i == class:
		case v > logits[class]:
			next, class = float64(logits[class]), i
		default:
			next = math.Max(next, float64(v))
		}
	}
	return class, (float64(logits[class]) - next) / scale
}

// centre subtracts the mean logits from the biases of the last layer: without this, an
// untrained network prefers a few classes for every picture.
func centre(t *testing.T, g *ir.Graph, x []float32, batch int) {
	t.Helper()
	v := g.Outputs[0]
	classes := v.Type.Shape.Size()
	y := make([]float32, batch*classes)
	if err := session(t, g, batch).Run([][]float32{x}, [][]float32{y}); err != nil {
		t.Fatal(err)
	}
	bias := g.Data[biasOf(t, v).Name]
	if len(bias.Data)%classes != 0 {
		t.Fatalf("%d biases of %d classes", len(bias.Data), classes)
	}
	for c := range classes {
		mean := float32(0)
		for i := range batch {
			mean += y[i*classes+c] / float32(batch)
		}
		per := len(bias.Data) / classes // more than one before a maxout
		for k := range per {
			bias.Data[c*per+k] -= mean
		}
	}
}

// biasOf returns the bias of the last layer before a value.
func biasOf(t *testing.T, v *ir.Value) *ir.Value {
	t.Helper()
	for v.Def != nil {
		switch ir.Name(v.Def.Op) {
		case "conv", "dense":
			if len(v.Def.In) < 3 {
				t.Fatal("the last layer has no bias")
			}
			return v.Def.In[2]
		}
		v = v.Def.In[0]
	}
	t.Fatal("there is no last layer")
	return nil
}

// drawScenes makes pictures of waves, a disc and a shade. They differ from each other in
// large parts; pictures of noise would all look alike to a network.
func drawScenes(shape ir.Shape, n int) []float32 {
	c, h, w := shape[1], shape[2], shape[3]
	out := make([]float32, 0, n*shape.Size())
	for i := range n {
		r := rand.New(rand.NewPCG(uint64(i), 0x5ce7e))
		type wave struct{ fx, fy, phase, size float64 }
		waves := make([][]wave, c)
		for k := range waves {
			for range 5 {
				f, a := 0.5+8*r.Float64()*r.Float64(), 2*math.Pi*r.Float64()
				waves[k] = append(waves[k], wave{f * math.Cos(a), f * math.Sin(a), 2 * math.Pi * r.Float64(), r.NormFloat64() / 2})
			}
		}
		cx, cy, radius := r.Float64(), r.Float64(), 0.05+0.4*r.Float64()
		contrast := math.Exp(r.NormFloat64() / 2)
		for k := range c {
			shade, disc := r.NormFloat64(), 2*r.NormFloat64()
			for y := range h {
				for x := range w {
					u, v := float64(x)/float64(w), float64(y)/float64(h)
					p := shade
					for _, s := range waves[k] {
						p += s.size * math.Sin(2*math.Pi*(s.fx*u+s.fy*v)+s.phase)
					}
					if math.Hypot(u-cx, v-cy) < radius {
						p += disc
					}
					out = append(out, float32(contrast*p))
				}
			}
		}
	}
	return out
}
