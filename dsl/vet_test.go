package dsl

import (
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/diag"
)

// TestVet checks a text with every kind of warning, and a text without any, in which
// declared names are used in every possible place.
func TestVet(t *testing.T) {
	src := []byte(`net a
let unused = 5
let classes = 10
let shadowed = 5
block never n = conv 3x3 n
block once shadowed extra = conv 3x3 shadowed
block inception n = conv 1x1 n
Stem: once 8 9 -> inception 3
a.b: fc classes
_x__y: concat {
  t: gap
  t: gap
  T: gap
}
stem: gap
train { run epochs=never }
`)
	f, l := Parse("vet.incc", src)
	if len(l) > 0 {
		t.Fatal(show("vet.incc", src, l))
	}
	golden(t, "testdata/vet.txt", show("vet.incc", src, Vet(f, []string{"inception", "mlpconv"})))

	f, l = Parse("ok.incc", []byte(`net a
input image 3x32x32 mean=m,m,m
let m = 104
let classes = 10
let epochs = 5
let k = 3x3
let w = 8
let b = 32
let p = same
let s = 0.5
default pad=p
block inner n=b = conv k/2 n
block op2 = relu
block outer f g = conv 3x3 8 act=f -> residual proj={ inner g } { op2 }
outer relu w -> residual scale=s { fc classes }
train { run epochs=epochs }
`))
	if len(l) > 0 {
		t.Fatal(l)
	}
	if l := Vet(f, []string{"inception"}); len(l) > 0 {
		t.Errorf("%v", show("ok.incc", f.Src, l))
	}
}

func TestVetKeepsItsCodes(t *testing.T) {
	for _, c := range vetChecks {
		if text, ok := ExplainCode(c.code); !ok || !strings.HasPrefix(c.code, "W") {
			t.Errorf("%s: %q", c.code, text)
		}
	}
}

// TestLinearLayers: vet warns of two linear layers in a row where one would do the same, and
// of no others.
func TestLinearLayers(t *testing.T) {
	for _, c := range []struct {
		line string
		warn bool
	}{
		{"conv 3x3 8 -> conv 3x3 8", true},
		{"conv 3x3 8 -> fc 10", true},
		{"conv 1x1 4 -> conv 1x1 8", true},                                   // 3, 4, 8 channels: no bottleneck
		{"relu -> conv 1x1 16 act=relu -> conv 1x1 4 -> conv 1x1 16", false}, // 16, 4, 16
		{"conv 1x1 16 act=relu -> conv 1x1 16 -> conv 1x1 64", false},        // of MobileNet v3
		{"conv 3x3 3 pad=1 groups=depthwise -> conv 1x1 8", false},
		{"conv 1x1 8 -> concat { identity; conv 1x1 8 }", false}, // something else reads it, too
		{"conv 3x3 8 act=relu -> conv 3x3 8", false},
	} {
		l := Lint("x.incc", []byte("net x\ninput image 3x8x8\n"+c.line+"\n"), Options{})
		got := slices.ContainsFunc(l, func(d *diag.Diagnostic) bool { return d.Code == "W0203" })
		if got != c.warn {
			t.Errorf("%s: warns %v, want %v", c.line, got, c.warn)
		}
	}
}
