package dsl

import (
	"strings"
	"testing"
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
