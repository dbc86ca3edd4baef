package decompile_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/dsl/decompile"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/specs"
	"github.com/incc-lang/incc/specs/spectest"
)

var update = flag.Bool("update", false, "write the texts in testdata")

// zeros gives all weights of a graph zeros as elements, which share their memory.
func zeros(g *ir.Graph) {
	most := 1
	for _, v := range g.Params {
		most = max(most, v.Type.Shape.Size())
	}
	x := make([]float32, most)
	for _, v := range g.Params {
		if n := v.Type.Shape.Size(); g.Data[v.Name] == nil {
			g.Data[v.Name] = tensor.Of(x[:n], v.Type.Shape...)
		}
	}
}

// throughONNX returns the graph that importing the ONNX model of a network gives, with its
// preprocessing and labels.
func throughONNX(t testing.TB, g *ir.Graph, heads bool) *ir.Graph {
	t.Helper()
	m, err := onnx.Backend{Heads: heads}.Model(g)
	if err != nil {
		t.Fatal(err)
	}
	back, err := onnx.Import(m)
	if err != nil {
		t.Fatal(err)
	}
	back.Name, back.Doc = g.Name, ""
	back.Recipe.Input, back.Recipe.Labels = g.Recipe.Input, g.Recipe.Labels
	return back
}

// original returns the text of a spec without what an ONNX model does not hold: comments,
// training, dropout, initial values and the weights of heads.
func original(t testing.TB, name string) []byte {
	t.Helper()
	text, file, _ := specs.Source(name)
	s := string(text)
	for _, r := range []struct{ old, new string }{
		{`(?ms)^train \{.*?^\}\n`, ""},
		{`(?m)#.*$`, ""},
		{`(?m)^dropout [\d.]+\n`, ""},
		{` -> dropout [\d.]+`, ""},
		{` (init|max_norm|weight|bias)=[a-z,]*[\d.,]+`, ""},
		{` init=[a-z]+`, ""},
		{`(?m)^default (conv|fc)\s*\n`, ""},
		{`\n\n+`, "\n"},
	} {
		s = regexp.MustCompile(r.old).ReplaceAllString(s, r.new)
	}
	return formatted(t, file, []byte(strings.TrimLeft(s, "\n")))
}

func formatted(t testing.TB, file string, text []byte) []byte {
	t.Helper()
	b, diags := dsl.Format(file, text)
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	return bytes.ReplaceAll(b, []byte("\n\n"), []byte("\n"))
}

// Why a text differs from the spec that it came from. It is the same network in each case.
const (
	names  = "parameters of blocks have other names"
	ceils  = "ONNX has the padding that ceil makes, not ceil"
	number = "123.0 is written 123"
	breaks = "lines break elsewhere"
	pads   = "pads are said with other defaults"
	shares = "other parts are blocks, or have other parameters, as counting words decides"
)

// different lists the specs whose text differs, apart from what original removes.
var different = map[string]string{
	"alexnet":              pads + "; a default for fc",
	"densenet121":          breaks,
	"fashion/inception":    shares,
	"fashion/inception_bn": shares,
	"googlenet_bn":         names + "; " + ceils,
	"inception_naive":      shares,
	"inception_resnet_v1":  pads + "; " + breaks,
	"inception_resnet_v2":  names + "; " + pads + "; " + breaks,
	"inception_v2":         ceils + "; " + shares,
	"inception_v3":         pads + "; " + breaks + "; " + shares,
	"inception_v4":         pads + "; " + breaks,
	"maxout_cifar10":       ceils + "; " + pads,
	"maxout_mnist_conv":    ceils + "; " + pads,
	"mnist/deep":           pads,
	"mnist/deep_heads":     pads,
	"mnist/nin_listed":     pads,
	"mobilenet_v1":         names + "; " + pads,
	"mobilenet_v2":         names,
	"nin_cifar10":          number,
	"nin_imagenet":         ceils,
	"squeezenet":           names + "; " + ceils,
	"vgg16":                "a default for fc",
	"zfnet":                ceils + "; " + pads,
}

// TestSpecs: what an ONNX model of a spec becomes is a net that describes the same graph
// (Write compares them), has no warnings, and is the spec again or differs for a reason that
// the table above gives. go test ./dsl/decompile -run TestSpecs -update writes the texts.
func TestSpecs(t *testing.T) {
	for _, name := range specs.Names() {
		t.Run(name, func(t *testing.T) {
			g := spectest.Load(t, name)
			zeros(g)
			s, err := decompile.Write(throughONNX(t, g, true))
			if err != nil {
				t.Fatal(err)
			}
			if s.Flat != "" {
				t.Fatalf("it is written flat: %s", s.Flat)
			}
			if l := dsl.Lint("net.incc", s.Text, dsl.Options{}); len(l) > 0 {
				t.Errorf("vet: %v", l)
			}
			golden(t, filepath.Join("testdata", "specs", strings.ReplaceAll(name, "/", "_")+".incc"), s.Text)
			want, got := original(t, name), formatted(t, "net.incc", s.Text)
			switch same := bytes.Equal(want, got); {
			case same && different[name] != "":
				t.Errorf("the text is the spec again: remove it from the table")
			case !same && different[name] == "":
				t.Errorf("the text is not the spec again:\n%s\nwant\n%s", got, want)
			}
			if a, b := bytes.Count(got, []byte("\n")), bytes.Count(want, []byte("\n")); a > b+2 {
				t.Errorf("%d lines, the spec has %d", a, b)
			}
		})
	}
}

// golden compares a text with a file, or writes the file with -update.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs; -update writes it. It is now\n%s", file, got)
	}
}
