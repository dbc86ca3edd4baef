package dsl

import (
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
)

// TestUpsampling: the receptive field of a U-Net, whose width in pixels was found by the gradient
// that PyTorch computes, and the multiply-accumulates of its transposed convolution.
func TestUpsampling(t *testing.T) {
	g, l := Load("u.incc", []byte(`net u
input image 3x32x32
a: conv 3x3 8 pad=same
b: maxpool 2x2/2 -> conv 3x3 16 pad=same
c: maxpool 2x2/2 -> conv 3x3 32 pad=same
d: concat { from b; conv_transpose 2x2/2 16 } -> conv 3x3 16 pad=same
e: concat { from a; resize by=2 mode=bilinear } -> conv 3x3 8 pad=same
conv 1x1 2
`), Options{})
	if l.HasErrors() {
		t.Fatal(l.Err())
	}
	s := ir.Summarize(g)
	if want := (ir.HW{26, 26}); s.RF != want {
		t.Errorf("the receptive field is %v, want %v", s.RF, want)
	}
	if last := s.Layers[len(s.Layers)-1]; last.Jump != (ir.HW{1, 1}) {
		t.Errorf("the jump is %v, want 1", last.Jump)
	}
	for _, r := range s.Layers {
		if want := int64(32 * 8 * 8 * 16 * 2 * 2); r.Name == "d/conv_transpose_2x2" && r.Cost.MACs != want {
			t.Errorf("%s takes %d multiply-accumulates, want %d", r.Name, r.Cost.MACs, want)
		}
	}
}

// TestResizeFactor: a factor whose product with the size is rounded to different sizes by programs
// that read the network is an error, which names the size.
func TestResizeFactor(t *testing.T) {
	for by, want := range map[string]string{"by=2": "", "by=0.5": "", "by=2.3333333": "to=7x7", "to=7x7": "", "by=1.7": ""} {
		g, l := Load("u.incc", []byte("net u\ninput image 3x3x3\nresize "+by+" mode=bilinear\n"), Options{})
		switch {
		case want == "" && (l.HasErrors() || g == nil):
			t.Errorf("%s: %v", by, l)
		case want != "" && (!has(l, "E0308") || !strings.Contains(show("u.incc", nil, l), want)):
			t.Errorf("%s: no %q in %v", by, want, l)
		}
	}
}
