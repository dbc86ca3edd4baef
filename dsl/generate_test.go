package dsl

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
)

// netGen generates random nets that build, because it knows the shape at every place. It
// uses every op, block of the prelude, key and layout.
type netGen struct {
	*rand.Rand
	hits    map[string]int
	c, h, w int // the current shape; after flatten and fc, h is 0 and c is the number of elements
	depth   int
	head    bool
	left    int
	blocks  []string // calls of declared blocks that keep the shape
	labels  []shapedLabel
}

// shapedLabel is a line with a label and the shape of its output.
type shapedLabel struct {
	name    string
	c, h, w int
}

func newNetGen(seed uint64) *netGen {
	return &netGen{Rand: rand.New(rand.NewPCG(seed, 42)), hits: map[string]int{}}
}

func (g *netGen) chance(n int) bool           { return g.IntN(n) == 0 }
func (g *netGen) pick(words ...string) string { return words[g.IntN(len(words))] }

// blank returns random white space within a line.
func (g *netGen) blank() string { return g.pick(" ", " ", " ", "  ", "\t") }

// arrow writes an arrow, in a random layout.
func (g *netGen) arrow() string {
	return g.pick(" -> ", " -> ", "->", " ->\n   ", "\n -> ", " -> # here\n", "\n\n\t->\t")
}

// key writes a key, with probability 1/3.
func (g *netGen) key(form, name string, values ...string) string {
	if !g.chance(3) {
		return ""
	}
	g.hits["key "+form+"."+name]++
	return g.blank() + name + "=" + g.pick(values...)
}

// layerKeys writes keys that both conv and fc have.
func (g *netGen) layerKeys(form string) string {
	pieces := ""
	if form != "conv_transpose" {
		pieces = g.key(form, "maxout", "1", "2", "3")
	}
	return pieces + g.key(form, "bias", "on", "off", "0.2", "1e-3") + g.key(form, "bn", "off", "0.001", "1e-5") +
		g.key(form, "bn.gamma", "on", "off") + g.key(form, "bn.beta", "on", "off") + g.key(form, "bn.momentum", "0.9", "0.99") +
		g.key(form, "act", "none", "relu", "sigmoid", "tanh", "relu6", "silu", "hardswish", "hardsigmoid", "gelu", "gelu_tanh") +
		g.key(form, "init", "he", "he_uniform", "glorot", "xavier", "gaussian,0.05", "uniform,0.1", "constant,0.5", "trunc,0.01") +
		g.key(form, "lr", "0", "2", "0.5") + g.key(form, "decay", "0", "1", "2.5") + g.key(form, "max_norm", "1.9365", "0")
}

// stage writes an op that accepts the current shape.
func (g *netGen) stage() string {
	for {
		names := formNames()
		name := names[g.IntN(len(names))]
		if g.chance(8) {
			name = g.pick("inception", "inception_3x3", "inception_nx1", "mlpconv", "maxout_conv", "own")
		}
		if s, ok := g.call(name); ok {
			g.hits["op "+name]++
			return s
		}
	}
}

func (g *netGen) count() (string, int) {
	n := 1 + g.IntN(6)
	return fmt.Sprint(n), n
}

func (g *netGen) same(s int) { g.h, g.w = (g.h+s-1)/s, (g.w+s-1)/s }

func (g *netGen) call(name string) (string, bool) {
	isMap := g.h > 0
	deep := g.depth < 4 && g.left > 0
	switch name {
	case "conv":
		if !isMap {
			return "", false
		}
		n, filters := g.count()
		k := g.pick("1x1", "3x3", "1x7", "5x1", "2x2", "3x3/2", "5x5/2", "1x3/2x1")
		s := "conv" + g.blank() + k + g.blank()
		old := [2]int{g.h, g.w}
		switch {
		case strings.HasSuffix(k, "/2"):
			g.same(2)
		case strings.HasSuffix(k, "/2x1"):
			g.h = (g.h + 1) / 2
		}
		pad := g.pick("same", "same_lower")
		if k == "3x3" {
			pad = g.pick("1", "1x1", "1,1,1,1", "same")
		}
		keys := ""
		if k == "1x1" && old[0] > 2 {
			keys = g.key("conv", "dilation", "1x1", "2", "2x3")
		}
		if filters%2 == 0 && g.c%2 == 0 {
			keys += g.key("conv", "groups", "1", "2")
		} else if filters == g.c {
			keys += g.key("conv", "groups", "depthwise")
		}
		g.hits["key conv.pad"]++
		g.c = filters
		return s + n + g.blank() + "pad=" + pad + keys + g.layerKeys("conv"), true
	case "conv_transpose", "resize", "pixel_shuffle", "instance_norm", "group_norm", "prelu", "node", "from":
		return g.imageCall(name)
	case "fc":
		if g.depth > 0 {
			return "", false
		}
		n, units := g.count()
		g.c, g.h, g.w = units, 0, 0
		return "fc " + n + g.layerKeys("fc"), true
	case "maxpool", "avgpool":
		if !isMap {
			return "", false
		}
		k := g.pick("2x2/2", "3x3/1", "3x3/2", "2x3/2x1")
		switch k {
		case "2x2/2", "3x3/2":
			g.same(2)
		case "2x3/2x1":
			g.h = (g.h + 1) / 2
		}
		g.hits["key "+name+".pad"]++
		s := name + " " + k + " pad=" + g.pick("same", "same_lower")
		if k == "3x3/1" {
			s += g.key(name, "ceil", "0", "off", "1")
		}
		if name == "avgpool" {
			s += g.key(name, "include_pad", "1", "off")
		}
		return s, true
	case "gap":
		if !isMap {
			return "", false
		}
		g.h, g.w = 1, 1
		return "gap", true
	case "flatten":
		if g.depth > 0 || !isMap {
			return "", false
		}
		g.c, g.h, g.w = g.c*g.h*g.w, 0, 0
		return "flatten", true
	case "reshape":
		if g.depth > 0 {
			return "", false
		}
		if isMap {
			g.c *= g.h * g.w
		}
		g.h, g.w = 1, g.c
		if g.c%2 == 0 {
			g.h, g.w = 2, g.c/2
		}
		g.c = 1
		return fmt.Sprintf("reshape %dx%dx%d", g.c, g.h, g.w), true
	case "maxout":
		if g.c%2 != 0 {
			return "", false
		}
		g.c /= 2
		return "maxout 2", true
	case "slice":
		if g.c < 2 {
			return "", false
		}
		s := fmt.Sprintf("slice start=%d stop=%d", g.c/2, g.c) + g.key("slice", "axis", "1")
		g.hits["key slice.start"]++
		g.hits["key slice.stop"]++
		g.c -= g.c / 2
		return s, true
	case "transpose":
		if !isMap {
			return "", false
		}
		g.h, g.w = g.w, g.h
		return "transpose 0,1,3,2", true
	case "reduce":
		if !isMap {
			return "", false
		}
		g.h, g.w = 1, 1
		for _, k := range []string{"kind", "axes", "keep"} {
			g.hits["key reduce."+k]++
		}
		return "reduce kind=" + g.pick("sum", "mean", "max") + " axes=2,3 keep=" + g.pick("1", "on"), true
	case "pad":
		if !isMap {
			return "", false
		}
		g.h, g.w = g.h+1, g.w+2
		g.hits["key pad.pad"]++
		return "pad pad=" + g.pick("1,0,0,2", "0,1,1,1") + g.key("pad", "value", "0.5", "-1") + g.key("pad", "mode", "constant", "edge", "wrap"), true
	case "lrn":
		if !isMap {
			return "", false
		}
		return "lrn " + g.pick("3", "5") + g.key("lrn", "alpha", "1e-4", "5e-4") + g.key("lrn", "beta", "0.75") + g.key("lrn", "k", "2"), true
	case "dropout":
		return "dropout " + g.pick("0.5", "0.2", "0"), true
	case "scale":
		return "scale " + g.pick("0.17", "-2", "1e-3"), true
	case "bn":
		return "bn" + g.key("bn", "eps", "1e-3") + g.key("bn", "momentum", "0.99") + g.key("bn", "gamma", "off") + g.key("bn", "beta", "off") + g.key("bn", "lr", "2"), true
	case "softmax", "log_softmax":
		return name + g.key(name, "axis", "1"), true
	case "concat", "add", "max":
		if !isMap || !deep {
			return "", false
		}
		c, h, w := g.c, g.h, g.w
		n := 2 + g.IntN(2)
		total, s := 0, name+" {"+g.pick("\n", " ", " # branches\n")
		for i := range n {
			if i > 0 {
				s += g.pick("\n", "; ", " ;\n")
			}
			g.c, g.h, g.w = c, h, w
			if g.chance(6) {
				s += "default conv " + g.pick("act=relu", "bn=0.01 bias=0.5") + "\n"
			}
			if g.chance(4) {
				s += fmt.Sprintf("b%d%s: ", i, g.pick("", "_x", ".y"))
				g.hits["label in a branch"]++
			}
			if name == "concat" {
				s += g.keepSize()
			} else {
				s += g.keepShape()
			}
			total += g.c
		}
		if name == "concat" {
			g.c = total
			s = strings.Replace(s, "concat {", "concat"+g.key("concat", "axis", "1")+" {", 1)
		}
		return s + g.pick("\n", " ") + "}", true
	case "residual":
		if !isMap || !deep {
			return "", false
		}
		s := name + g.key(name, "scale", "0.17", "1") + g.key(name, "act", "relu", "tanh", "none")
		if g.chance(3) {
			g.hits["key residual.proj"]++
			s += " proj={ " + g.keepShape() + " }"
		}
		return s + " { " + g.keepShape() + " }", true
	case "repeat":
		if !isMap || !deep {
			return "", false
		}
		return "repeat " + g.pick("1", "2", "3") + " { " + g.keepShape() + g.pick(" ", "\n") + "}", true
	case "head":
		if g.head || !deep {
			return "", false
		}
		c, h, w := g.c, g.h, g.w
		g.head = true
		g.depth += 10
		s := "head" + g.key("head", "weight", "0.3", "1") + " { " + "dropout 0.1" + g.arrow() + "fc 3 -> softmax }"
		g.depth -= 10
		g.head = false
		g.c, g.h, g.w = c, h, w
		return s, true
	case "inception", "inception_3x3", "inception_nx1":
		if !isMap {
			return "", false
		}
		g.c = 1 + 2 + 3 + 2
		return name + g.pick(" 1 4 2 4 3 2", " 1 4 2 n5=3 r5=2 np=2", " 1 4 2 4 3 2 act=tanh bn=0.01"), true
	case "mlpconv":
		if !isMap {
			return "", false
		}
		g.c = 3
		return name + g.pick(" 3x3 4 5 3 pad=same", " kernel=1x1 n1=2 n2=2 n3=3"), true
	case "maxout_conv":
		if !isMap {
			return "", false
		}
		g.c = 4
		g.same(2)
		return name + " 3x3 4 2 2x2/2 0.5 pad=same", true
	case "own":
		if !isMap || len(g.blocks) == 0 {
			return "", false
		}
		return g.pick(g.blocks...), true
	case "relu", "sigmoid", "tanh", "identity", "sqrt", "relu6", "silu", "hardswish":
		return name, true
	case "clip":
		return "clip " + g.pick("0 6", "-1 1", "-0.5 2e1"), true
	case "gelu":
		return name + g.key(name, "tanh", "on", "0"), true
	case "hardsigmoid":
		return name + g.key(name, "alpha", "0.2") + g.key(name, "beta", "0.4"), true
	case "leaky_relu":
		return name + g.key(name, "alpha", "0.1", "0"), true
	case "mul":
		if !isMap || !deep {
			return "", false
		}
		s := "mul { " + g.keepShape() + g.pick("; ", "\n")
		if g.chance(2) {
			return s + fmt.Sprintf("gap -> conv 1x1 %d act=sigmoid pad=0 }", g.c), true
		}
		return s + "identity }", true
	}
	return "", false
}

// imageCall writes a call of a layer that changes the size of maps, or of a layer with weights for
// each channel, or of an earlier line.
func (g *netGen) imageCall(name string) (string, bool) {
	if g.h == 0 && name != "from" || name == "from" && (len(g.labels) == 0 || g.depth > 0) {
		return "", false
	}
	small := g.h < 9 && g.w < 9
	switch name {
	case "from":
		l := g.labels[g.IntN(len(g.labels))]
		g.c, g.h, g.w = l.c, l.h, l.w
		return g.pick("from "+l.name, `from "`+l.name+`"`), true
	case "conv_transpose":
		if !small {
			return "", false
		}
		n, filters := g.count()
		k := g.pick("2x2/2", "3x3/2", "4x4/2", "3x3", "2x3/1x2")
		keys := ""
		switch {
		case strings.HasSuffix(k, "/2"):
			g.h, g.w = 2*g.h, 2*g.w
			keys = g.key(name, "output_pad", "0", "1", "1x0")
		case strings.HasSuffix(k, "/1x2"):
			g.w *= 2
		default:
			keys = g.key(name, "dilation", "1", "2")
		}
		g.hits["key conv_transpose.pad"]++
		if filters%2 == 0 && g.c%2 == 0 {
			keys += g.key(name, "groups", "1", "2")
		}
		g.c = filters
		return name + " " + k + " " + n + " pad=" + g.pick("same", "same_lower") + keys + g.layerKeys(name), true
	case "resize":
		keys := g.key(name, "mode", "nearest", "bilinear", "bicubic") + g.key(name, "coords", "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel") +
			g.key(name, "round", "floor", "ceil", "round_prefer_floor", "round_prefer_ceil") + g.key(name, "cubic", "-0.5")
		way := g.IntN(3)
		g.hits["key resize."+[]string{"by", "to", "like"}[way]]++
		switch way {
		case 0:
			if !small {
				return "", false
			}
			g.h, g.w = 2*g.h, 2*g.w
			return name + " by=" + g.pick("2", "2x2", "2.0") + keys, true
		case 1:
			g.h, g.w = 5, 6
			return name + " to=5x6" + keys, true
		}
		for _, l := range g.labels {
			if l.h > 0 {
				g.h, g.w = l.h, l.w
				return name + " like=" + l.name + keys, true
			}
		}
		return "", false
	case "pixel_shuffle":
		if g.c%4 != 0 || !small {
			return "", false
		}
		g.c, g.h, g.w = g.c/4, 2*g.h, 2*g.w
		return name + " 2" + g.key(name, "order", "crd", "dcr"), true
	case "instance_norm", "group_norm":
		s := name
		if name == "group_norm" {
			s += " " + g.pick("1", fmt.Sprint(g.c))
		}
		return s + g.key(name, "eps", "1e-3") + g.key(name, "gamma", "off") + g.key(name, "beta", "off", "on") + g.key(name, "act", "relu", "tanh") + g.key(name, "lr", "2"), true
	case "prelu":
		return name + g.key(name, "slope", "0.1") + g.key(name, "shared", "on", "off") + g.key(name, "lr", "0"), true
	}
	if g.chance(2) {
		g.hits["key node.weights"]++
		return fmt.Sprintf("node Mul weights=%dx1x1", g.c) + g.key(name, "init", "constant,2", "gaussian,0.1") + g.key(name, "lr", "3"), true
	}
	if g.chance(2) {
		return "node Sub { identity; relu }", true
	}
	return "node Elu" + g.key(name, "attrs", `"alpha:0.5"`), true
}

// keepSize writes a pipeline that keeps height and width.
func (g *netGen) keepSize() string {
	g.depth++
	defer func() { g.depth-- }()
	h, w := g.h, g.w
	for {
		old := g.c
		g.left--
		s, ok := g.call(g.pick("conv", "conv", "conv", "relu", "lrn", "identity", "maxpool", "avgpool", "dropout", "bn", "inception", "concat", "residual", "mlpconv", "maxout", "slice"))
		if ok && g.h == h && g.w == w {
			if g.chance(2) && g.left > 0 {
				return s + g.arrow() + g.keepSize()
			}
			return s
		}
		g.c, g.h, g.w = old, h, w
	}
}

// keepShape writes a pipeline that keeps height, width and channels.
func (g *netGen) keepShape() string {
	c := g.c
	s := g.keepSize()
	if g.c != c {
		s += g.arrow() + fmt.Sprintf("conv 1x1 %d pad=0", c)
		g.c = c
	}
	return s
}

// net writes a complete net.
func (g *netGen) net() string {
	g.c, g.h, g.w = 1+g.IntN(4), 4+g.IntN(9), 4+g.IntN(9)
	g.left, g.blocks, g.labels = 30, nil, nil
	var b strings.Builder
	if g.chance(5) {
		b.WriteString("# A random net.\n\n")
	}
	b.WriteString("net   random\n")
	b.WriteString(fmt.Sprintf("input image %dx%dx%d%s\n", g.c, g.h, g.w, g.pick("", " range=-1..1 mean=0.5", " resize=64 crop=center std=2")))
	b.WriteString("let  n = " + g.pick("3", "5") + "; let kk=3x3\n")
	if g.chance(3) {
		b.WriteString("default " + g.pick("conv act=relu", "fc bias=0.1 init=he", "conv bn=0.001 bn.momentum=0.8") + "\n")
	}
	if g.chance(2) {
		b.WriteString("block own a b=2 k=3x3 = residual { conv k a pad=same -> conv 1x1 b pad=0 -> conv 1x1 n pad=0 }\n")
		b.WriteString("block wide a =\n concat {\n conv kk/2 a pad=1\n conv kk/2 a pad=1 }\n")
		g.c = g.c + 0
		if g.chance(2) {
			b.WriteString("conv 1x1 n\n")
		} else {
			b.WriteString("start: conv 1x1 n pad=0 act=relu\n")
		}
		// The block own has n input and output channels. Calls of it follow at once.
		for range g.IntN(3) {
			b.WriteString(g.pick("own 4\n", "own 2 3\n", "own a=3 k=1x1\n", "own 4 k=5x5 act=tanh\n", "repeat 2 { own 3 }\n"))
			g.hits["own block"]++
		}
		b.WriteString("wide n\n")
		b.WriteString("conv 1x1 4 pad=0\n")
		g.same2()
		g.c = 4
	}
	for i := range 1 + g.IntN(5) {
		labelled := g.chance(2)
		if labelled {
			b.WriteString(fmt.Sprintf("part%d%s", i, g.pick(": ", ":", " : ")))
		}
		n := 1 + g.IntN(4)
		for j := range n {
			if j > 0 {
				b.WriteString(g.arrow())
			}
			b.WriteString(g.stage())
		}
		if labelled {
			g.labels = append(g.labels, shapedLabel{fmt.Sprintf("part%d", i), g.c, g.h, g.w})
		}
		b.WriteString(g.pick("\n", "\n\n", "  # more\n", " ;\n"))
	}
	b.WriteString("top: fc 3 -> softmax\n")
	if g.chance(3) {
		b.WriteString("labels { \"a\" \"b\"\n\"c\" }\n")
	}
	if g.chance(3) {
		b.WriteString("train {\n loss " + g.pick("xent", "xent smoothing=0.1", "xent weights=balanced", "focal gamma=0.5 weights=balanced") + "\n" + g.pick("sgd lr=0.1 momentum=0.9", "adamw lr=1e-3 decay=0.01", "rmsprop lr=0.045 rho=0.9 eps=1", "rmsprop_torch lr=0.01 momentum=0.9") +
			"\n schedule " + g.pick("cosine warmup=2", "step at=10,20 factor=0.1", "plateau every=3 factor=0.5") + " ; run batch=32 epochs=2\n}\n")
	}
	return b.String()
}

// same2 returns the size after a call of block wide, which has a stride and pad=1.
func (g *netGen) same2() { g.h, g.w = (g.h+2-3)/2+1, (g.w+2-3)/2+1 }

// TestGeneratedNets builds random nets, formats them and builds them again. The graphs must
// be the same, and the same as those of the flat form.
func TestGeneratedNets(t *testing.T) {
	t.Parallel()
	g := newNetGen(1)
	nodes := 0
	for i := range 500 * long() {
		text := g.net()
		a, l := Load("x.incc", []byte(text), Options{})
		if len(l) > 0 {
			t.Fatalf("net %d\n%s\n%s", i, text, show("x.incc", []byte(text), l))
		}
		nodes += len(a.Nodes)
		pretty, l := Format("x.incc", []byte(text))
		if l.HasErrors() {
			t.Fatal(l)
		}
		b, l := Load("x.incc", pretty, Options{})
		if len(l) > 0 {
			t.Fatalf("net %d\n%s\nformatted\n%s\n%s", i, text, pretty, show("x.incc", pretty, l))
		}
		if d := differ(a, b); d != "" {
			t.Fatalf("fmt changed net %d\n%s\n%s\n%s", i, text, pretty, d)
		}
		if err := ir.Verify(a); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if i%10 == 0 {
			flatTrip(t, a)
			Lint("x.incc", []byte(text), Options{})
		}
	}
	t.Logf("%d nodes", nodes)
	for _, n := range append(formNames(), PreludeBlocks()...) {
		if g.hits["op "+n] == 0 {
			t.Errorf("the generator never called %s", n)
		}
		if f := forms()[n]; f != nil {
			for _, k := range f.keys {
				if g.hits["key "+n+"."+k.name] == 0 {
					t.Errorf("the generator never gave %s its key %s", n, k.name)
				}
			}
		}
	}
}
