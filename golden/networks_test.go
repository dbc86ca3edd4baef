package golden

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs"
	"github.com/incc-lang/incc/specs/spectest"
)

// loadSmall builds a built-in network: as it is with INCC_LONG=1, else one that takes
// large pictures for pictures of about a third of their side.
func loadSmall(t *testing.T, name string) *ir.Graph {
	t.Helper()
	text, file := smallSource(name)
	return spectest.Build(t, file, text)
}

// networkNames lists the built-in networks that a test compares: all with INCC_LONG=1,
// else without some large ones, whose kinds of layers others have.
func networkNames() []string {
	if long {
		return specs.Names()
	}
	return slices.DeleteFunc(specs.Names(), func(name string) bool {
		return slices.Contains([]string{"densenet121", "inception_resnet_v2", "inception_v3", "inception_v4", "maxout_cifar10", "mobilenet_v1", "nin_imagenet", "resnet50", "resnext50", "vgg16", "zfnet"}, name)
	})
}

// smallSource is the spec of [loadSmall] and its file.
func smallSource(name string) (text, file string) {
	source, file, _ := specs.Source(name)
	text = string(source)
	if long {
		return text, file
	}
	smaller := strings.NewReplacer("3x299x299", "3x109x109", "3x227x227", "3x99x99", "3x224x224", "3x96x96").Replace(text)
	if smaller != text && name == "inception_v3" { // whose head would not fit
		smaller = strings.Replace(smaller, "conv 5x5 768 pad=0", "conv 5x5 768 pad=2", 1)
	}
	return smaller, file
}

// noise is one image of numbers in -1..1.
func noise(g *ir.Graph) *tensor.Tensor {
	return tensor.Widen(ir.Draw("input", g.Inputs[0].Type.Shape.Bind(1), ir.Init{Kind: ir.InitUniform, A: 1}, 3))
}

// watched returns the values that are compared: every labelled part and the logits. The
// softmax behind them would hide differences.
func watched(g *ir.Graph) []*ir.Value {
	var vs []*ir.Value
	for _, v := range g.Outputs {
		if v.Def != nil && ir.Name(v.Def.Op) == "softmax" {
			v = v.Def.In[0]
		}
		vs = append(vs, v)
	}
	seen := map[*ir.Value]bool{vs[0]: true}
	for _, p := range g.Parts {
		if v := p.Out; !seen[v] && v.Def != nil && ir.Name(v.Def.Op) != "softmax" {
			seen[v] = true
			vs = append(vs, v)
		}
	}
	return vs
}

// reference conditions the weights of a network and evaluates what is watched.
func reference(t *testing.T, g *ir.Graph) (x *tensor.Tensor, want map[*ir.Value]*tensor.Tensor) {
	t.Helper()
	x = noise(g)
	std, err := ref.Condition(g, x, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range std {
		// Dropout and flatten pass on what they get; a gap averages it away.
		if op := ir.Name(g.Value(name).Def.Op); op == "gap" || op == "dropout" || op == "flatten" || op == "reshape" {
			continue
		}
		if !(s >= 0.1 && s <= 10) {
			t.Errorf("%s has a standard deviation of %g, want 0.1 to 10: the weights do not tell networks apart", name, s)
		}
	}
	want, err = ref.Run(g, []*tensor.Tensor{x}, ref.Options{Keep: watched(g)})
	if err != nil {
		t.Fatal(err)
	}
	return x, want
}

// TestNetworks runs every built-in network, with weights under which a wrong
// network shows, on the reference interpreter, in ONNX Runtime, and on the
// executor before and after all passes: the logits and the output of every
// labelled part must agree. Each model passes our own verifier and the checker
// of the onnx package. The networks for large pictures are those of [loadSmall].
func TestNetworks(t *testing.T) {
	for _, name := range networkNames() {
		t.Run(name, func(t *testing.T) {
			g := loadSmall(t, name)
			x, want := reference(t, g)
			t.Run("executor", func(t *testing.T) { compareExecutor(t, g, x, want) })
			t.Run("onnx", func(t *testing.T) {
				got := runORT(t, g, x, watched(g))
				for _, v := range watched(g) {
					if d, ok := onnxtest.Close(got[v.Name], want[v]); !ok {
						t.Errorf("%s: ONNX Runtime differs by %.2g of the largest", v.Name, d)
					}
				}
			})
		})
	}
}

// runORT writes a graph as an ONNX model, checks it with other programs, and runs it in ONNX
// Runtime.
func runORT(t *testing.T, g *ir.Graph, x *tensor.Tensor, outputs []*ir.Value) map[string]*tensor.Tensor {
	t.Helper()
	p := onnxtest.StartORT(t)
	defer p.Close()
	b := onnx.Backend{Outputs: outputs}
	m, err := b.Model(g)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range onnx.Verify(m) {
		t.Errorf("verifier: %v", problem)
	}
	if missing := onnx.Undeclared(m.Proto); len(missing) > 0 {
		t.Errorf("no full shape is declared of %v", missing)
	}
	path := onnxtest.Write(t, b, g)
	if err := onnxtest.NewChecker(t).Check(path); err != nil {
		t.Errorf("checker: %v", err)
	}
	got, err := onnxtest.Run(p, path, map[string]*tensor.Tensor{g.Inputs[0].Name: x})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// compareExecutor runs the network as it is, direct, and after all passes with
// Winograd.
func compareExecutor(t *testing.T, g *ir.Graph, x *tensor.Tensor, want map[*ir.Value]*tensor.Tensor) {
	in := [][]float32{tensor.Round(x).Data}
	h := g.Clone()
	if _, err := passes.Run(h, passes.Level(2), passes.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what      string
		g         *ir.Graph
		direct    bool
		tolerance float64
	}{{"direct, no passes", g, true, 1e-4}, {"direct, -O2", h, true, 1e-4}, {"Winograd, -O2", h, false, 1e-3}} {
		p, err := cpu.Compile(c.g, cpu.Options{Direct: c.direct, KeepParts: true})
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		s := p.NewSession()
		var out [][]float32
		for _, v := range c.g.All() {
			out = append(out, make([]float32, v.Type.Shape.Size()))
		}
		if err := s.Run(in, out); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		compared := 0
		for _, part := range g.Parts {
			w := want[part.Out]
			if w == nil {
				continue
			}
			got := s.Part(part.Name, 1)
			if got == nil {
				if c.g == g {
					t.Errorf("%s: part %s cannot be read", c.what, part.Name)
				}
				continue
			}
			compared++
			d, m := tensor.MaxDiff(tensor.Widen(tensor.Of(got, w.Shape...)), w)
			if !(d <= c.tolerance*m) {
				t.Errorf("%s: %s differs by %.2g of the largest", c.what, part.Name, d/m)
			}
		}
		// The output itself, behind its softmax.
		w := want[g.Outputs[0]]
		d, m := tensor.MaxDiff(tensor.Widen(tensor.Of(out[0], w.Shape...)), w)
		if !(d <= c.tolerance*math.Max(m, 1)) {
			t.Errorf("%s: the output differs by %.2g", c.what, d)
		}
		if compared == 0 && len(g.Parts) > 1 {
			t.Errorf("%s: no part was compared", c.what)
		}
	}
}

// wrong is a mistake that changes neither shapes nor counts.
type wrong struct {
	what, spec string
	old, new   string                          // in the text of the spec
	edit       func(t *testing.T, g *ir.Graph) // or in the graph
}

var wrongs = []wrong{
	{what: "averages do not count the padding", spec: "inception_v3", old: "let count_padding = 1", new: "let count_padding = 0"},
	{what: "eps of batch normalization", spec: "inception_v3", old: "bn=0.001", new: "bn=1e-5"},
	{what: "1x7 and 7x1 swapped", spec: "inception_v3", old: "1x7|7x1", new: "7x1|1x7"},
	{what: "alpha of LRN", spec: "googlenet", old: "lrn 5", new: "lrn 5 alpha=5e-4"},
	{what: "symmetric padding for same", spec: "googlenet", old: "maxpool 3x3/2", new: "maxpool 3x3/2 pad=1"},
	{what: "order of a concat", spec: "googlenet", edit: swapBranches},
	{what: "floor for ceil", spec: "nin_imagenet", old: "default maxpool ceil=1", new: "default maxpool ceil=0"},
	{what: "scale of residuals", spec: "inception_resnet_v1", old: "scale=0.17", new: "scale=0.10"},
	{what: "ReLU on the last residual", spec: "inception_resnet_v2", old: "r8 1.0 none", new: "r8 1.0 relu"},
	{what: "HWC for CHW in the dense layer", spec: "mnist/lenet", edit: flattenHWC},
}

// swapBranches exchanges two branches of equal width in a concat.
func swapBranches(t *testing.T, g *ir.Graph) {
	for _, n := range g.Nodes {
		if ir.Name(n.Op) != "concat" {
			continue
		}
		for i := range n.In {
			for j := i + 1; j < len(n.In); j++ {
				if n.In[i].Type.Equal(n.In[j].Type) {
					n.In[i], n.In[j] = n.In[j], n.In[i]
					return
				}
			}
		}
	}
	t.Fatal("no concat with two branches of equal width")
}

// flattenHWC puts the channels last before the dense layers.
func flattenHWC(t *testing.T, g *ir.Graph) {
	r := ir.Rewrite(g, "wrong")
	for _, n := range append([]*ir.Node(nil), g.Nodes...) {
		if ir.Name(n.Op) == "flatten" && n.In[0].Type.Shape[2] > 1 {
			r.For(n)
			y := r.Do(ops.Flatten{}, r.Do(ops.Transpose{Perm: ir.IntsOf(0, 2, 3, 1)}, n.In[0]))
			r.Replace(n.Out[0], y)
			r.Remove(n)
			if err := r.Finish(); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("no flatten of a map")
}

// TestWrongSemanticsShow checks that TestNetworks would find typical mistakes: networks with
// one such mistake must not agree with the reference of the correct network.
func TestWrongSemanticsShow(t *testing.T) {
	onnxtest.StartORT(t).Close()
	type known struct {
		g    *ir.Graph
		x    *tensor.Tensor
		want map[*ir.Value]*tensor.Tensor
	}
	right := map[string]known{}
	for _, w := range wrongs {
		t.Run(w.what, func(t *testing.T) {
			if w.spec == "inception_resnet_v2" && !long {
				t.Skip("a large network: INCC_LONG=1 runs it")
			}
			k, ok := right[w.spec]
			if !ok {
				k.g = loadSmall(t, w.spec)
				k.x, k.want = reference(t, k.g)
				right[w.spec] = k
			}
			s, file := smallSource(w.spec)
			if w.old != "" {
				olds, news := strings.Split(w.old, "|"), strings.Split(w.new, "|")
				var pairs []string
				for i := range olds {
					if !strings.Contains(s, olds[i]) {
						t.Fatalf("the text has no %q", olds[i])
					}
					pairs = append(pairs, olds[i], news[i])
				}
				s = strings.NewReplacer(pairs...).Replace(s)
			}
			g := spectest.Build(t, file, s)
			if w.edit != nil {
				w.edit(t, g)
			}
			// The same weights, in order: names may tell the kernels apart.
			if len(g.Params) != len(k.g.Params) {
				t.Fatalf("%d params, the right network has %d", len(g.Params), len(k.g.Params))
			}
			for i, v := range g.Params {
				d := k.g.Data[k.g.Params[i].Name]
				if d == nil || len(d.Data) != v.Type.Shape.Size() {
					t.Fatalf("%s does not take the values of %s", v.Name, k.g.Params[i].Name)
				}
				g.Data[v.Name] = tensor.Of(d.Data, v.Type.Shape...)
			}
			got := runORT(t, g, k.x, watched(g)[:1])[watched(g)[0].Name]
			d, ok := onnxtest.Close(got, k.want[watched(k.g)[0]])
			if ok {
				t.Errorf("the logits differ by %.2g of the largest: the comparison would let it pass", d)
			}
			t.Logf("logits differ by %.2g of the largest", d)
		})
	}
}
