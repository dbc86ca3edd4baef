package dsl

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/cputime"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/specs"
)

// build loads a net with a small input and the given lines.
func build(t *testing.T, lines string) *ir.Graph {
	t.Helper()
	return buildWith(t, "net a\ninput x 3x32x32\n"+lines, Options{})
}

func buildWith(t *testing.T, text string, opt Options) *ir.Graph {
	t.Helper()
	g, l := Load("a.incc", []byte(text), opt)
	if l.HasErrors() {
		t.Fatal(show("a.incc", []byte(text), l))
	}
	return g
}

// names lists the values that nodes compute.
func names(g *ir.Graph) string {
	var ns []string
	for _, n := range g.Nodes {
		for _, v := range n.Out {
			ns = append(ns, v.Name)
		}
	}
	return strings.Join(ns, " ")
}

// TestNames tests the names of layers and weights.
func TestNames(t *testing.T) {
	for _, c := range []struct{ text, names, parts string }{
		{"conv 3x3 8\nconv 3x3/2 8 -> conv 3x3 8", "conv_3x3 conv_3x3_2 conv_3x3_3", ""},
		{"a: conv 3x3 8 -> gap\nb: conv 1x7 8 pad=same act=relu", "a/conv_3x3 a/gap b/conv_1x7 b/conv_1x7/relu", "a=a/gap b=b/conv_1x7/relu"},
		{"conv 1x1 4 bn=0.1 maxout=2 act=tanh", "conv_1x1 conv_1x1/bn conv_1x1/maxout conv_1x1/tanh", ""},
		{"3a: inception 1 1 1 1 1 1", "3a/inception/b1/conv_1x1 3a/inception/b3/conv_1x1 3a/inception/b3/conv_3x3 3a/inception/b5/conv_1x1 3a/inception/b5/conv_5x5 " +
			"3a/inception/bp/maxpool_3x3 3a/inception/bp/conv_1x1 3a/inception/concat",
			"3a=3a/inception/concat 3a/inception/b1=3a/inception/b1/conv_1x1 3a/inception/b3=3a/inception/b3/conv_3x3 3a/inception/b5=3a/inception/b5/conv_5x5 3a/inception/bp=3a/inception/bp/conv_1x1"},
		{"block u = conv 1x1 3\na: u -> u -> repeat 2 { u }", "a/u/conv_1x1 a/u_2/conv_1x1 a/u_1/conv_1x1 a/u_2_2/conv_1x1", "a=a/u_2_2/conv_1x1"},
		{"block r35 = residual scale=0.5 act=relu { conv 1x1 3 }\n5b: repeat 2 { r35 }",
			"5b/r35_1/conv_1x1 5b/r35_1/residual/scale 5b/r35_1/residual 5b/r35_1/residual/relu 5b/r35_2/conv_1x1 5b/r35_2/residual/scale 5b/r35_2/residual 5b/r35_2/residual/relu",
			"5b=5b/r35_2/residual/relu"},
		{"repeat 2 { m: conv 1x1 3 -> relu }", "m_1/conv_1x1 m_1/relu m_2/conv_1x1 m_2/relu", "m_1=m_1/relu m_2=m_2/relu"},
		{"4a: conv 1x1 3 -> head weight=0.5 { gap -> fc 2 -> softmax }\nfc 2", "4a/conv_1x1 4a/head/gap 4a/head/fc/flatten 4a/head/fc 4a/head fc/flatten fc", "4a=4a/conv_1x1"},
		{"same: conv 1x1 3\nsame: conv 1x1 3", "same/conv_1x1 same_2/conv_1x1", "same=same/conv_1x1 same_2=same_2/conv_1x1"},
		{"conv 1x1 8 -> maxpool 2x2/2 -> avgpool 3x3/1 -> lrn 5 -> dropout 0.5 -> bn -> relu -> fc 4 -> softmax",
			"conv_1x1 maxpool_2x2 avgpool_3x3 lrn dropout bn relu fc/flatten fc softmax", ""},
	} {
		g := build(t, c.text)
		if got := names(g); got != c.names {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.names)
		}
		var ps []string
		for _, p := range g.Parts {
			ps = append(ps, p.Name+"="+p.Out.Name)
		}
		if got := strings.Join(ps, " "); got != c.parts {
			t.Errorf("%s\n got parts %s\nwant %s", c.text, got, c.parts)
		}
		if err := ir.Verify(g); err != nil {
			t.Error(err)
		}
	}
}

// paramText describes a param: everything except its shape.
func paramText(v *ir.Value) string {
	p := v.Param
	return fmt.Sprintf("%s %v %v %v lr=%v decay=%v norm=%v", v.Name, v.Type, p.Kind, p.Init, p.LR, p.Decay, p.MaxNorm)
}

// TestParams tests the params that bias, bn, maxout, init and the rates give a layer.
func TestParams(t *testing.T) {
	const w = "weight"
	for text, want := range map[string][]string{
		"conv 5x5 4 act=relu": {"conv_5x5/weight 4x3x5x5 weight he_uniform lr=1 decay=1 norm=0", "conv_5x5/bias 4 weight constant,0 lr=1 decay=0 norm=0"},
		"conv 1x1 4 bn=0.1 bn.gamma=off -> relu": {"conv_1x1/weight 4x3x1x1 weight he_uniform lr=1 decay=1 norm=0", "conv_1x1/gamma 4 const constant,1 lr=0 decay=0 norm=0",
			"conv_1x1/beta 4 weight constant,0 lr=1 decay=0 norm=0", "conv_1x1/mean 4 state constant,0 lr=0 decay=0 norm=0", "conv_1x1/variance 4 state constant,1 lr=0 decay=0 norm=0"},
		"conv 1x1 4 bn=0.1 bias=on -> bn -> relu":                           nil,
		"conv 1x1 4 maxout=3 bias=0.5 lr=2 decay=0.5 max_norm=1.5 groups=3": {"conv_1x1/weight 12x1x1x1 weight glorot lr=2 decay=0.5 norm=1.5", "conv_1x1/bias 12 weight constant,0.5 lr=2 decay=0 norm=0"},
		"gap -> fc 7 maxout=5 init=trunc,0.1 bias=off":                      {"fc/weight 35x3 weight trunc,0.1 lr=1 decay=1 norm=0"},
		"conv 1x1 4 act=tanh init=xavier":                                   {"conv_1x1/weight 4x3x1x1 weight xavier lr=1 decay=1 norm=0", "conv_1x1/bias 4 weight constant,0 lr=1 decay=0 norm=0"},
		"bn eps=1e-3 gamma=off lr=3": {"bn/gamma 3 const constant,1 lr=0 decay=0 norm=0", "bn/beta 3 weight constant,0 lr=3 decay=0 norm=0",
			"bn/mean 3 state constant,0 lr=0 decay=0 norm=0", "bn/variance 3 state constant,1 lr=0 decay=0 norm=0"},
		"conv 1x1 4\ntrain {\n init gaussian,0.01\n}":         {"conv_1x1/weight 4x3x1x1 weight gaussian,0.01 lr=1 decay=1 norm=0", "conv_1x1/bias 4 weight constant,0 lr=1 decay=0 norm=0"},
		"conv 1x1 4 init=he\ntrain {\n init gaussian,0.01\n}": {"conv_1x1/weight 4x3x1x1 weight he lr=1 decay=1 norm=0", "conv_1x1/bias 4 weight constant,0 lr=1 decay=0 norm=0"},
	} {
		g := build(t, text)
		var got []string
		for _, v := range g.Params {
			got = append(got, paramText(v))
		}
		if want != nil && !slices.Equal(got, want) {
			t.Errorf("%s\n got %s\nwant %s", text, strings.Join(got, "; "), strings.Join(want, "; "))
		}
		if want == nil && got[0] != "conv_1x1/weight 4x3x1x1 "+w+" he_uniform lr=1 decay=1 norm=0" {
			t.Errorf("%s: %s", text, got[0])
		}
	}
}

// ops1 returns the ops of a graph's nodes as text.
func opTexts(g *ir.Graph) []string {
	var r []string
	for _, n := range g.Nodes {
		r = append(r, ir.FormatOp(n.Op))
	}
	return r
}

// TestPadding tests the forms of pad and the padding that same computes.
func TestPadding(t *testing.T) {
	for text, want := range map[string]string{
		"conv 3x3 4":                           "conv Nx4x30x30",
		"conv 3x3 4 pad=1":                     "conv pad=1 Nx4x32x32",
		"conv 3x3 4 pad=1x0":                   "conv pad=1x0 Nx4x32x30",
		"conv 3x3 4 pad=0,1,2,3":               "conv pad=0,1,2,3 Nx4x32x34",
		"conv 3x3/2 4 pad=same":                "conv stride=2x2 pad=0,0,1,1 Nx4x16x16",
		"conv 3x3/2 4 pad=same_lower":          "conv stride=2x2 pad=1,1,0,0 Nx4x16x16",
		"conv 1x7 4 pad=same":                  "conv pad=0x3 Nx4x32x32",
		"conv 3x3/2x1 4 pad=same":              "conv stride=2x1 pad=0,1,1,1 Nx4x16x32",
		"conv 3x3 4 pad=same dilation=2":       "conv pad=2 dilation=2x2 Nx4x32x32",
		"conv 1x1/2 4 pad=same":                "conv stride=2x2 Nx4x16x16",
		"maxpool 3x3/2":                        "maxpool kernel=3x3 stride=2x2 Nx3x15x15",
		"maxpool 3x3/2 ceil=1":                 "maxpool kernel=3x3 stride=2x2 ceil=1 Nx3x16x16",
		"maxpool 2x2":                          "maxpool kernel=2x2 Nx3x31x31",
		"avgpool 3x3/1 pad=same include_pad=1": "avgpool kernel=3x3 pad=1 include_pad=1 Nx3x32x32",
		"default pad=same\nmaxpool 3x3/2":      "maxpool kernel=3x3 stride=2x2 pad=0,0,1,1 Nx3x16x16",
		"block b k = conv k/2 4\nb 5x5":        "conv stride=2x2 Nx4x14x14",
	} {
		g := build(t, text)
		if got := opTexts(g)[0] + " " + g.Outputs[0].Type.String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestDefaults: a default holds from its line to the end of its braces and inside of blocks
// that are used there. Defaults are merged key by key; the last one takes precedence.
func TestDefaults(t *testing.T) {
	act := func(g *ir.Graph) string {
		var s []string
		for _, n := range g.Nodes {
			if name := ir.Name(n.Op); name != "conv" && name != "concat" {
				s = append(s, name)
			}
		}
		return strings.Join(s, " ")
	}
	for text, want := range map[string]string{
		"conv 1x1 3\ndefault conv act=relu\nconv 1x1 3":                                                    "relu",
		"default conv act=relu\ndefault conv bn=0.1\nconv 1x1 3":                                           "batchnorm relu",
		"default conv act=relu\ndefault act=tanh\nconv 1x1 3":                                              "tanh",
		"default act=tanh\ndefault conv act=relu\nconv 1x1 3 -> gap -> fc 3":                               "relu gap flatten dense tanh",
		"default conv act=relu\nconv 1x1 3 act=none -> conv 1x1 3":                                         "relu",
		"default conv act=relu\nrepeat 1 {\n default conv act=tanh\n conv 1x1 3\n}\nconv 1x1 3":            "tanh relu",
		"block b = conv 1x1 3\ndefault conv act=relu\nb\ndefault conv act=tanh\nb":                         "relu tanh",
		"block b = {\n default conv act=sigmoid\n conv 1x1 3\n}\ndefault conv act=relu\nb -> conv 1x1 3":   "sigmoid relu",
		"default conv act=relu\nmlpconv 1x1 3 3 3":                                                         "relu relu relu",
		"mlpconv 1x1 3 3 3 act=tanh -> conv 1x1 3":                                                         "tanh tanh tanh",
		"concat {\n conv 1x1 3\n default conv act=relu\n conv 1x1 3\n}\nconv 1x1 3":                        "relu",
		"block b f = conv 1x1 3 act=f\nb relu -> b none -> b f=tanh":                                       "relu tanh",
		"block b f=relu = conv 1x1 3 act=f\nb -> b sigmoid":                                                "relu sigmoid",
		"let f = relu\nblock b = conv 1x1 3 act=f\nb":                                                      "relu",
		"let n = 3\nblock inner k n = conv k n\nblock outer n = inner 1x1 n -> inner k=1x1 n=n\nouter n":   "",
		"block inception a = conv 1x1 a act=sigmoid\ninception 4":                                          "sigmoid",
		"block b = conv 1x1 4 -> head { gap -> fc 2 -> softmax }\nb -> identity -> relu -> concat { gap }": "gap flatten dense softmax relu gap",
	} {
		if got := act(build(t, text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	// Defaults do not change the padding that the prelude sets.
	g := build(t, "default pad=0\ninception 4 4 4 4 4 4\ninception_3x3 4 4 4 4 4 4 pad=3\ninception_nx1 4 4 4 4 4 4")
	if got := g.Outputs[0].Type.String(); got != "Nx16x32x32" {
		t.Error(got)
	}
	g = build(t, "mlpconv 5x5 4 4 4 pad=2")
	if got := g.Outputs[0].Type.String(); got != "Nx4x32x32" {
		t.Error(got)
	}
}

// TestPlaces: the position of a node is its call or, for a node of a block of the prelude,
// the call of that block.
func TestPlaces(t *testing.T) {
	g := build(t, "block b = conv 1x1 3\na: b -> conv 1x1 3\nc: mlpconv 1x1 3 3 3\n")
	for i, want := range []string{"a.incc:3:11", "a.incc:4:9", "a.incc:5:4", "a.incc:5:4", "a.incc:5:4"} {
		if got := g.Nodes[i].Pos.String(); got != want {
			t.Errorf("%s is of %s, want %s", g.Nodes[i].Out[0].Name, got, want)
		}
	}
	if got := g.Params[0].Param.Pos.String(); got != "a.incc:3:11" {
		t.Error(got)
	}
	if g.Nodes[0].Part != "a" || g.Nodes[4].Part != "c" || g.Parts[1].Pos.String() != "a.incc:5:1" {
		t.Errorf("%q %q %v", g.Nodes[0].Part, g.Nodes[4].Part, g.Parts[1].Pos)
	}
}

func TestDefines(t *testing.T) {
	src, file, _ := specs.Source("googlenet")
	load := func(d map[string]string) (*ir.Graph, string) {
		g, l := Load(file, src, Options{Defines: d})
		var codes []string
		for _, x := range l {
			codes = append(codes, x.Code)
		}
		return g, strings.Join(codes, " ")
	}
	plain, _ := load(nil)
	g, codes := load(map[string]string{"classes": "10"})
	if codes != "W0201" || g.Outputs[0].Type.String() != "Nx10" || g.Recipe.Labels != nil || len(g.Heads) != 2 || g.Heads[0].Value.Type.String() != "Nx10" {
		t.Errorf("%s %v", codes, g)
	}
	if g.Recipe.SpecHash == plain.Recipe.SpecHash || len(plain.Recipe.SpecHash) != 64 {
		t.Error("the definitions are not part of the hash")
	}
	for _, d := range []map[string]string{{"class": "10"}, {"classes": "ten%"}, {"classes": ""}, {"classes": "1..2"}, {"classes": "1", "a\x1b": "2"}} {
		g, codes := load(d)
		if g != nil || !strings.Contains(codes, "E0409") {
			t.Errorf("%v: %s", d, codes)
		}
	}
	_, l := Load(file, src, Options{Defines: map[string]string{"clases": "10"}})
	if !strings.Contains(show(file, src, l), "did you mean") {
		t.Error(l)
	}
	if g := buildWith(t, "net a\ninput x 3x8x8\nlet f = relu\nlet k = 3x3\nconv k 4 act=f\n", Options{Defines: map[string]string{"f": "tanh", "k": "5x5/2"}}); names(g) != "conv_5x5 conv_5x5/tanh" {
		t.Error(names(g))
	}
}

func TestLabels(t *testing.T) {
	net := func(labels string) string {
		return "net a\ninput x 1x4x4\nlabels " + labels + "\nfc 3 -> softmax\n"
	}
	read := func(text string, err error) Options {
		return Options{ReadFile: func(name string) ([]byte, error) {
			if name != "a b.txt" {
				t.Errorf("read %q", name)
			}
			return []byte(text), err
		}}
	}
	want := &recipe.Labels{Set: "a b.txt", Names: []string{"cat", "dog dog", "bird"}}
	for _, text := range []string{"cat\ndog dog\nbird", "\xef\xbb\xbfcat\r\ndog dog\r\nbird\r\n\r\n"} {
		if g := buildWith(t, net(`"a b.txt"`), read(text, nil)); !reflect.DeepEqual(g.Recipe.Labels, want) {
			t.Errorf("%q: %+v", text, g.Recipe.Labels)
		}
	}
	for text, code := range map[string]string{"": "E0603", "cat\n\nbird\n": "E0603", "cat\ndog\x1b\nbird": "E0603", "cat\ndog": "E0605"} {
		if _, l := Load("a.incc", []byte(net(`"a b.txt"`)), read(text, nil)); !has(l, code) {
			t.Errorf("%q: %v", text, l)
		}
	}
	if _, l := Load("a.incc", []byte(net(`"a b.txt"`)), read("", errors.New("no such file"))); !has(l, "E0603") {
		t.Error(l)
	}
	for set, n := range map[string]int{"imagenet1k": 1000, "mnist": 10, "cifar10": 10} {
		names := labelSets[set]
		seen := map[string]bool{}
		for _, s := range names {
			seen[s] = true
			if s == "" || s != strings.TrimSpace(s) {
				t.Errorf("%s has %q", set, s)
			}
		}
		if len(names) != n || len(seen) != n {
			t.Errorf("%s has %d names, %d different", set, len(names), len(seen))
		}
	}
	l := labelSets["imagenet1k"]
	for i, want := range map[int]string{0: "tench", 207: "golden retriever", 281: "tabby", 340: "zebra", 963: "pizza", 999: "toilet tissue"} {
		if l[i] != want {
			t.Errorf("class %d is %q, not %q", i, l[i], want)
		}
	}
}

func TestRecipe(t *testing.T) {
	g := buildWith(t, "net a\nlet rate = 0.1\ninput image 3x224x224 range=-1..1 mean=0.5 std=1,2,3 order=bgr resize=256 crop=center\na: fc 3\nb: fc 3\nc: fc 3 -> softmax\n"+
		"train {\n loss xent smoothing=0.1\n nesterov lr=rate momentum=0.9 decay=1e-4\n schedule step at=10,20 factor=0.1 warmup=2 floor=1e-5\n init he\n freeze a until=2\n freeze \"b/fc\"\n rate b by=0\n rate a \"a/fc\" by=0.5\n"+
		" augment pad=4 crop=224 flip=0.5\n augment area=0.08..1 aspect=0.75..1.333 brightness=0.1 contrast=0.2 saturation=0.3 lighting=0.1 gcn=on zca=1 rotate=10 shift=0.1 mean_std=on mean_image=on erase=0.2 mixup=0.2 cutmix=1 mix_prob=0.8\n"+
		" regularize l1=1e-5 l2=1e-4 max_norm=2\n clip norm=2 value=1\n average ema decay=0.99\n early_stop patience=5 metric=accuracy\n run batch=32 epochs=2.5 seed=-7\n}\n", Options{})
	r := *g.Recipe
	r.SpecHash = ""
	want := recipe.Recipe{
		Input: &recipe.Input{Lo: -1, Hi: 1, Mean: []float64{0.5, 0.5, 0.5}, Std: []float64{1, 2, 3}, Order: "bgr", Resize: 256, Crop: "center"},
		Train: &recipe.Train{
			Loss:      recipe.Loss{Kind: "xent", Smoothing: 0.1},
			Optimizer: recipe.Optimizer{Kind: "nesterov", LR: 0.1, Momentum: 0.9, Decay: 1e-4},
			Schedule:  recipe.Schedule{Kind: "step", At: []float64{10, 20}, Factor: 0.1, Warmup: 2, Floor: 1e-5},
			Init:      "he",
			Freeze:    []recipe.Freeze{{Parts: []string{"a"}, Until: 2}, {Parts: []string{"b/fc"}}},
			Rates:     []recipe.Rate{{Parts: []string{"b"}}, {Parts: []string{"a", "a/fc"}, By: 0.5}},
			Augment: []recipe.Augment{{Pad: 4, Crop: 224, Flip: 0.5}, {Area: [2]float64{0.08, 1}, Aspect: [2]float64{0.75, 1.333}, Brightness: 0.1, Contrast: 0.2,
				Saturation: 0.3, Lighting: 0.1, GCN: true, ZCA: true, Rotate: 10, Shift: 0.1, MeanStd: true, MeanSubtracted: true, RandomErase: 0.2, Mixup: 0.2, CutMix: 1, MixProb: 0.8}},
			Regular:   recipe.Regularize{L1: 1e-5, L2: 1e-4, MaxNorm: 2},
			Clip:      recipe.Clip{Norm: 2, Value: 1},
			Average:   recipe.Average{Kind: "ema", Decay: 0.99},
			EarlyStop: recipe.EarlyStop{Patience: 5, Metric: "accuracy"},
			Run:       recipe.Run{Batch: 32, Epochs: 2.5, Seed: -7},
		},
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("\n got %+v %+v\nwant %+v %+v", r.Input, r.Train, want.Input, want.Train)
	}
	flatTrip(t, g)
	// A spec can set every field of the recipe.
	all := map[string]bool{}
	var mark func(path string, v reflect.Value)
	mark = func(path string, v reflect.Value) {
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				mark(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
			return
		}
		all[path] = all[path] || !v.IsZero()
	}
	for _, text := range []string{"loss xent weights=balanced\nadam lr=1 beta1=0.5 beta2=0.6 eps=1 decay=1\nschedule poly power=2 every=3", "loss focal gamma=2 weights=1,2,3\nrmsprop lr=1 rho=0.9 momentum=0.5\nschedule exp every=2 factor=0.5"} {
		f, l := Load("a.incc", []byte("net a\ninput x 3x4x4\nfc 3\ntrain {\n"+strings.Replace(text, " every=3", "", 1)+"\n}\n"), Options{})
		if l.HasErrors() {
			t.Fatal(l)
		}
		mark("", reflect.ValueOf(*f.Recipe.Train))
	}
	mark("", reflect.ValueOf(*want.Train))
	for _, a := range want.Train.Augment {
		mark(".Augment", reflect.ValueOf(a))
	}
	for text, want := range map[string]recipe.Train{
		"adam lr=1":                     {Optimizer: recipe.Optimizer{Kind: "adam", LR: 1, Beta1: .9, Beta2: .999, Eps: 1e-8}},
		"adamw lr=1 beta1=0 decay=.1":   {Optimizer: recipe.Optimizer{Kind: "adamw", LR: 1, Beta2: .999, Eps: 1e-8, Decay: .1}},
		"rmsprop lr=1 eps=1":            {Optimizer: recipe.Optimizer{Kind: "rmsprop", LR: 1, Rho: .9, Eps: 1}},
		"rmsprop_torch lr=1":            {Optimizer: recipe.Optimizer{Kind: "rmsprop_torch", LR: 1, Rho: .99, Eps: 1e-8}},
		"loss focal":                    {Loss: recipe.Loss{Kind: "focal", Gamma: 2}},
		"loss focal gamma=0.5":          {Loss: recipe.Loss{Kind: "focal", Gamma: 0.5}},
		"loss xent weights=balanced":    {Loss: recipe.Loss{Kind: "xent", Weights: recipe.ClassWeights{Balanced: true}}},
		"loss xent weights=1,2.5,0.5":   {Loss: recipe.Loss{Kind: "xent", Weights: recipe.ClassWeights{Values: []float64{1, 2.5, 0.5}}}},
		"average ema":                   {Average: recipe.Average{Kind: "ema", Decay: .999}},
		"average ema decay=0.5":         {Average: recipe.Average{Kind: "ema", Decay: .5}},
		"run epochs=2 average=ema":      {Run: recipe.Run{Epochs: 2}, Average: recipe.Average{Kind: "ema", Decay: .999}},
		"run epochs=2 average=polyak":   {Run: recipe.Run{Epochs: 2}, Average: recipe.Average{Kind: "polyak"}},
		"sgd lr=1\nregularize l1=0.001": {Optimizer: recipe.Optimizer{Kind: "sgd", LR: 1}, Regular: recipe.Regularize{L1: .001}},
	} {
		g := buildWith(t, "net a\ninput x 1x4x4\nfc 3\ntrain {\n"+text+"\n}\n", Options{})
		if !reflect.DeepEqual(*g.Recipe.Train, want) {
			t.Errorf("%s is %+v, want %+v", text, *g.Recipe.Train, want)
		}
	}
	for f, said := range all {
		if !said {
			t.Errorf("nothing says Train%s", f)
		}
	}
	if d := buildWith(t, "net a\ninput x 1x4x4\nfc 3\n", Options{}).Recipe.Input; !reflect.DeepEqual(d, &recipe.Input{Hi: 1, Order: "grey"}) {
		t.Errorf("%+v", d)
	}
}

func TestHeads(t *testing.T) {
	g := build(t, "a: conv 3x3 4 -> head weight=0.4 { gap -> fc 10 -> softmax }\nb: conv 3x3 4 -> head { gap -> fc 10 }\nfc 10 -> softmax")
	if len(g.Heads) != 2 || g.Heads[0].Value.Name != "a/head" || g.Heads[0].Weight != 0.4 || g.Heads[1].Value.Name != "b/head" || g.Heads[1].Weight != 0.3 {
		t.Errorf("%+v", g.Heads)
	}
	if len(g.Outputs) != 1 || g.Outputs[0].Name != "softmax" {
		t.Errorf("%+v", g.Outputs)
	}
}

func TestDoc(t *testing.T) {
	if g := buildWith(t, "# One.\n#\n#  Two\nnet a # three\n# four\ninput x 1x4x4\nfc 3\n", Options{}); g.Doc != "One.\n\n Two" || g.Name != "a" {
		t.Errorf("%q %q", g.Doc, g.Name)
	}
}

// TestBuildTime: the largest built-in network takes a few milliseconds. The limit is longer,
// for a busy machine.
func TestBuildTime(t *testing.T) {
	src, file, _ := specs.Source("inception_v4")
	best := time.Hour
	for range 5 {
		since := cputime.Start()
		if g, _ := Load(file, src, Options{}); len(g.Nodes) < 400 {
			t.Fatal(len(g.Nodes))
		}
		best = min(best, since())
	}
	if best > 100*time.Millisecond {
		t.Errorf("inception_v4 takes %v", best)
	}
	t.Log(best)
}

func TestExplain(t *testing.T) {
	for name, want := range map[string][]string{
		"conv":      {"conv KERNEL FILTERS", "dilation", "default 1x1", "he_uniform before relu"},
		"maxpool":   {"maxpool 3x3/2", "ceil"},
		"lrn":       {"SIZE", "alpha", "0.0001"},
		"concat":    {"{ … }", "branch"},
		"inception": {"n1 r3 n3 r5 n5 np", "conv 5x5 n5 pad=same", "Szegedy 2015"},
		"conv_dw":   {"gradients"},
		"matmul":    {"operands: a b", "flat form"},
		"E0301":     {"height and width", "Wrong:"},
		"e0301":     {"height and width"},
		"schedule":  {"cosine", "warmup"},
		"train":     {"augment", "early_stop"},
		"input":     {"mean", "resize"},
		"labels":    {"imagenet1k"},
		"":          {"conv", "mlpconv", "E0101", "W0206", "schedule", "matmul"},
	} {
		text, ok := Explain(name)
		if !ok {
			t.Errorf("%s is not explained", name)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q in\n%s", name, w, text)
			}
		}
	}
	if text, ok := Explain("convv"); ok || !strings.Contains(text, "did you mean") {
		t.Error(text)
	}
	for _, n := range ExplainNames() {
		text, ok := Explain(n)
		if !ok || text == "" || strings.Contains(text, "%!") {
			t.Errorf("%s: %s", n, text)
		}
	}
	// The form of an op has every attribute of its struct tags, with its default.
	for _, n := range formNames() {
		f := forms()[n]
		if f.def == nil {
			continue
		}
		text, _ := Explain(n)
		for _, a := range f.def.Attrs {
			if a.Name != "stride" && !strings.Contains(text, a.Name) {
				t.Errorf("%s: no %s in\n%s", n, a.Name, text)
			}
		}
	}
}

// TestPreludeText: the prelude has the standard layout, and its blocks are known by name.
func TestPreludeText(t *testing.T) {
	f, l := Format(PreludePath, Prelude())
	if l.HasErrors() || string(f) != string(Prelude()) {
		t.Errorf("%v\n%s", l, f)
	}
	if got := strings.Join(PreludeBlocks(), " "); got != "inception inception_3x3 inception_nx1 mlpconv maxout_conv" {
		t.Error(got)
	}
}

// TestLint: warnings have places in the user's text, and a default counts as used if one use
// of a block uses it.
func TestLint(t *testing.T) {
	for text, want := range map[string]string{
		"mlpconv 3x3 4 4 4 -> gap":                        "a.incc:3:1 W0203",
		"default conv act=relu\nmlpconv 3x3 4 4 4 -> gap": "",
		"block b = {\n default conv act=relu\n conv 1x1 3\n}\nb -> b act=tanh -> repeat 2 { b } -> gap":         "",
		"default conv act=relu pad=same\ndefault bn=0.1\nconv 1x1 3 bn=off -> maxpool 2x2/2 pad=0\nfc 3 bn=off": "a.incc:4:9 W0202",
		"default conv act=relu\nconv 3x3/2 4 pad=same -> conv 2x2/3 4 -> gap -> fc 10":                          "a.incc:4:1 W0206; a.incc:4:26 W0205",
		"labels mnist\nblock inception a = conv 1x1 a\nconv 1x1 2 act=relu -> inception 4 -> relu -> fc 10":     "a.incc:4:7 W0104; a.incc:5:47 W0204",
	} {
		var got []string
		for _, d := range Lint("a.incc", []byte("net a\ninput x 3x32x32\n"+text+"\n"), Options{}) {
			got = append(got, d.Span.Pos.String()+" "+d.Code)
		}
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("%s\n got %s\nwant %s", text, s, want)
		}
	}
	for _, name := range specs.Names() {
		src, file, _ := specs.Source(name)
		for _, d := range Lint(file, src, Options{}) {
			if d.Code != "W0104" {
				t.Errorf("%s: %v", name, d)
			}
		}
	}
}
