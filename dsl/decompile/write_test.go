package decompile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/dsl/decompile"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/tensor"
)

// write returns the spec of a graph in the flat form, with drawn weights. It checks that
// both compute the same.
func write(t *testing.T, text string) *decompile.Spec {
	t.Helper()
	g, diags := dsl.Load("flat.incc", []byte(text), dsl.Options{})
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	ir.Materialize(g, 1)
	s, err := decompile.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	if l := dsl.Lint("net.incc", s.Text, dsl.Options{}); s.Flat == "" && len(l) > 0 {
		t.Errorf("vet: %v\n%s", l, s.Text)
	}
	x := irtest.Inputs(g, 2, 1)
	want := run(t, g, x)
	if s.Picture != nil {
		x[0] = tensor.Widen(s.Prepare(tensor.Round(x[0])))
	}
	if got := run(t, s.Graph, x); s.Softmax {
		return s
	} else if d, largest := tensor.MaxDiff(got, want); !(d <= 1e-6*largest) {
		t.Errorf("outputs differ by %g of %g\n%s", d, largest, s.Text)
	}
	return s
}

// TestStructure: small graphs and what a person would write.
func TestStructure(t *testing.T) {
	const net = "graph g\ninput image 3x8x8 range=0..1\nimage = input 3x8x8\n"
	const weights = "w = param 4x3x3x3 init=he_uniform\nv = param 4x4x3x3 init=he_uniform\nu = param 4x3x1x1 init=he_uniform\n"
	for _, c := range []struct {
		name, graph string
		want        []string
	}{
		{"layer", weights + "c = conv image w pad=1\nr = relu c\noutput r", []string{"conv 3x3 4 pad=1 bias=off act=relu"}},
		{"two activations", weights + "c = conv image w pad=1\nr = relu c\ns = tanh r\noutput s", []string{"conv 3x3 4 pad=1 bias=off act=relu -> tanh"}},
		{"residual", "w = param 3x3x3x3 init=he_uniform\nc = conv image w pad=1\ns = scale c by=0.2\na = add s image\nr = relu a\noutput r",
			[]string{"residual scale=0.2 act=relu { conv 3x3 3 pad=1 bias=off }"}},
		{"shortcut", weights + "c = conv image w pad=1\nr = relu c\nd = conv r v pad=1\ns = conv image u\na = add d s\noutput a",
			[]string{"residual proj={ conv 1x1 4 } { conv 3x3 4 pad=1 act=relu -> conv 3x3 4 pad=1 }"}},
		{"sum of equals", weights + "c = conv image w pad=1\nd = conv image u\na = add c d\noutput a", []string{"add { conv 3x3 4 pad=1; conv 1x1 4 }"}},
		{"gate", "w = param 3x3x1x1 init=glorot\np = gap image\nc = conv p w\ns = sigmoid c\nm = mul s image\noutput m",
			[]string{"mul { identity; gap -> conv 1x1 3 bias=off act=sigmoid }"}},
		{"skip connection of a U-Net", weights + "c = conv image w pad=1\nr = relu c\nm = maxpool r kernel=2x2 stride=2x2\nd = conv m v pad=1\ng = gap r\nh = conv g v pad=1\na = add h g\nb = gap d\nj = concat a b\noutput j",
			[]string{"concat {", "gap -> residual { conv 3x3 4 pad=1 }", "maxpool 2x2/2 -> conv 3x3 4 pad=1 -> gap"}},
		{"concats of a DenseNet", weights + "c = conv image w pad=1\nj = concat image c\nx = param 4x7x1x1 init=he_uniform\nd = conv j x\nk = concat image c d\noutput k",
			[]string{"concat { identity; conv 3x3 4 pad=1 }", "concat { identity; conv 1x1 4 }"}},
		{"a nested concat that an exporter joined", weights + "e = conv image u\nc = relu e\na = conv c v pad=1\nb = maxpool c kernel=3x3 pad=1\nj = concat image a b\noutput j",
			[]string{"identity; conv 1x1 4", "-> concat { conv 3x3 4", "; maxpool 3x3/1"}},
		{"maxout", "w = param 6x3x1x1 init=he_uniform\nc = conv image w\nm = reshape c shape=Nx3x2x8x8\nr = reduce m kind=max axes=2\noutput r", []string{"conv 1x1 3 bias=off maxout=2"}},
		{"mean", weights + "c = conv image w\nm = reduce c kind=mean axes=2,3\noutput m", []string{"gap -> flatten"}},
		{"split", "a, b = split image sizes=1,2\nr = relu a\nj = concat b r\noutput j", []string{"concat { slice start=1 stop=3; slice stop=1 -> relu }"}},
		{"a constant", weights + "k = const 4x1x1 1,2,3,4\nc = conv image w\nm = mul c k\nb = const scalar 0.5\na = add m b\noutput a", []string{"conv 3x3 4 bn=1e-5"}},
		{"weights that two layers share", weights + "c = conv image w pad=1\nd = maxpool image kernel=3x3 pad=1\ne = conv d w pad=1\na = add c e\noutput a", []string{"maxpool 3x3/1 pad=1 -> conv 3x3 4 pad=1"}},
		{"a pool with ceil", "c = maxpool image kernel=3x3 stride=2x2 ceil=1\noutput c", []string{"maxpool 3x3/2 pad=same"}},
		{"an op without a form", "b = relu image\ns = sub image b\noutput s", []string{"node Sub { identity; relu }"}},
		{"crossing branches", "w = param 3x3x1x1 init=glorot\nx = conv image w\nb = relu image\ns = add x b\nm = mul x s\nq = max b m\noutput q",
			[]string{"part1: conv 1x1 3", "part2: from image -> relu", "max { identity; mul { from part1; add { from part1; from part2 } } }"}},
		{"other axes", "b = relu image\ns = concat image b axis=2\noutput s", []string{"concat axis=2 { identity; relu }"}},
		{"bias with batch normalization", weights + "b = param 4 init=constant,1\nk = param 4 init=constant,1\nm = param 4 init=constant,0 state=on\ns = param 4 init=constant,1 state=on\nc = conv image w b\nn = batchnorm c k b2 m s\noutput n",
			[]string{"bias=on"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(c.graph, "n = batchnorm c k b2", "b2 = param 4 init=constant,0\nn = batchnorm c k b2", 1)
			s := write(t, net+text+"\n")
			if s.Flat != "" {
				t.Errorf("it is written flat: %s", s.Flat)
			}
			for _, w := range c.want {
				if !strings.Contains(plainKeys(string(s.Text)), plainKeys(w)) {
					t.Errorf("the text has no %q:\n%s", w, s.Text)
				}
			}
		})
	}
}

// plainKeys removes what a default statement may say in other words.
func plainKeys(s string) string {
	return strings.NewReplacer(" bias=off", "", " pad=1", "", " pad=same", "", " act=relu", "").Replace(s)
}

// TestLarge: a network of many layers takes no time to speak of, and deep branches are
// written flat.
func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute with the race detector")
	}
	var b strings.Builder
	b.WriteString("graph g\nx0 = input 3x4x4\n")
	for i := range 12000 {
		fmt.Fprintf(&b, "x%d = %s x%d\n", i+1, []string{"relu", "tanh", "sigmoid"}[i*i%7%3], i)
	}
	b.WriteString("output x12000\n")
	if s := write(t, b.String()); s.Flat != "" {
		t.Errorf("it is written flat: %s", s.Flat)
	}
	b.Reset()
	b.WriteString("graph g\nx0 = input 3x4x4\n")
	for i := range 200 {
		fmt.Fprintf(&b, "x%d = relu x%d\n", i+1, i)
	}
	b.WriteString("y200 = tanh x200\n")
	for i := 200; i > 0; i-- {
		fmt.Fprintf(&b, "y%d = add y%d x%d\n", i-1, i, i-1)
	}
	b.WriteString("output y0\n")
	if s := write(t, b.String()); !strings.Contains(s.Flat, "nest deeper than") {
		t.Errorf("the reason is %q", s.Flat)
	}
}

// TestFlat: what a net cannot say is written in the flat form, with the reason.
func TestFlat(t *testing.T) {
	for _, c := range []struct{ name, graph, why string }{
		{"two inputs", "a = input 3x4x4\nb = input 3x4x4\ns = add a b\noutput s", "it has 2 inputs"},
		{"two outputs", "a = input 3x4x4\nb = relu a\nc = gap a\noutput b c", "its outputs have different shapes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := flat(t, "graph g\n"+c.graph+"\n")
			if !strings.Contains(s.Flat, c.why) {
				t.Errorf("the reason is %q, want %q\n%s", s.Flat, c.why, s.Text)
			}
		})
	}
}

func flat(t *testing.T, text string) *decompile.Spec {
	t.Helper()
	g, diags := dsl.Load("flat.incc", []byte(text), dsl.Options{})
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	ir.Materialize(g, 1)
	s, err := decompile.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	x := irtest.Inputs(g, 2, 1)
	if d, _ := tensor.MaxDiff(run(t, s.Graph, x), run(t, g, x)); d != 0 {
		t.Errorf("outputs differ by %g", d)
	}
	return s
}

// TestPicture: preprocessing at the beginning of a graph becomes keys of the input
// statement.
func TestPicture(t *testing.T) {
	const end = "w = param 4x3x1x1 init=glorot\nc = conv p w\noutput c\n"
	for _, c := range []struct{ name, keys, graph, want string }{
		{"mean and deviation", "range=0..1", "m = const 3x1x1 0.485,0.456,0.406\ns = const 3x1x1 0.229,0.224,0.225\na = sub image m\np = div a s",
			"range=0..1 mean=0.485,0.456,0.406 std=0.229,0.224,0.225"},
		{"bytes", "range=0..255", "a = scale image by=0.00784313725490196\nm = const scalar -1\np = add a m", "range=-1..1"},
		{"torchvision's transform_input", "range=0..1 mean=0.485,0.456,0.406 std=0.229,0.224,0.225",
			"r = slice image stop=1\nr1 = scale r by=0.458\nk1 = const scalar -0.03\nr2 = add r1 k1\n" +
				"g = slice image start=1 stop=2\ng1 = scale g by=0.448\nk2 = const scalar -0.088\ng2 = add g1 k2\n" +
				"b = slice image start=2 stop=3\nb1 = scale b by=0.45\nk3 = const scalar -0.188\nb2 = add b1 k3\np = concat r2 g2 b2", "range=-1..1"},
		{"blue first", "range=0..1", "r = slice image stop=1\ng = slice image start=1 stop=2\nb = slice image start=2 stop=3\na = concat b g r\np = scale a by=255", "range=0..255 order=bgr"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := write(t, "graph g\ninput image 3x8x8 "+c.keys+"\nimage = input 3x8x8\n"+c.graph+"\n"+end)
			if s.Picture == nil || !strings.Contains(string(s.Text), "input image 3x8x8 "+c.want+"\n") {
				t.Errorf("want %s:\n%s", c.want, s.Text)
			}
		})
	}
	for _, c := range []struct{ name, graph string }{
		{"something else reads the input", "a = scale image by=2\nb = relu image\np = add a b"},
		{"a negative factor", "p = scale image by=-2"},
		{"other channels", "r = slice image start=1 stop=2\np = concat r r r"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if s := write(t, "graph g\ninput image 3x8x8 range=0..1\nimage = input 3x8x8\n"+c.graph+"\n"+end); s.Picture != nil {
				t.Errorf("taken over:\n%s", s.Text)
			}
		})
	}
}

// TestSoftmax: the scores of a classifier with names of classes get a softmax.
func TestSoftmax(t *testing.T) {
	s := write(t, "graph g\ninput image 3x8x8 range=0..1\nlabels { \"cat\" \"dog\" }\nimage = input 3x8x8\nf = flatten image\nw = param 2x192 init=glorot\nd = dense f w\noutput d\n")
	if !s.Softmax || !strings.Contains(string(s.Text), "fc 2 bias=off -> softmax") {
		t.Errorf("no softmax:\n%s", s.Text)
	}
}
