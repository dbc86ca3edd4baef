package dsl

import (
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/diag"
)

// Every key of every op and statement is explained, with its owner and its values.
func TestExplainKeys(t *testing.T) {
	n := 0
	eachKey(func(owner string, s slot) {
		n++
		text, ok := Explain(s.name)
		if !ok || !strings.Contains(text, s.name) || owner != s.name && !strings.Contains(text, "others") && !strings.Contains(text, owner) {
			t.Errorf("%s of %s: %s", s.name, owner, text)
		}
	})
	if n < 80 {
		t.Errorf("there are %d keys", n)
	}
	for name, want := range map[string][]string{
		"crop":     {"A key of input and augment.", "center or none; default center", "side of a random crop"},
		"groups":   {"A key of conv and conv_transpose.", "depthwise"},
		"mean_std": {"A key of augment.", "incc explain augment"},
		"pad":      {"Adds rows and columns", "pad is also a key of", "conv_transpose and augment."},
		"mixup":    {"Zhang 2018", "mixup is also a key of augment."},
		"scale":    {"scale is also a key of residual"},
	} {
		text, ok := Explain(name)
		for _, w := range want {
			if !ok || !strings.Contains(text, w) {
				t.Errorf("%s: no %q in\n%s", name, w, text)
			}
		}
	}
}

// A picture is either scaled with the ratio of its sides and cropped, or scaled as a whole.
func TestCropNone(t *testing.T) {
	for text, bad := range map[string]bool{"resize=40": false, "crop=none": false, "resize=40 crop=none": true, "resize=30": true, "resize=30 crop=none": true} {
		_, l := Load("a.incc", []byte("net a\ninput x 3x32x32 "+text+"\nfc 10\n"), Options{})
		if bad != l.HasErrors() || bad && l[0].Code != "E0604" {
			t.Errorf("%s: %v", text, l)
		}
	}
}

// A number above the largest one is a whole number, too: the error says how large it may be.
func TestLargestNumber(t *testing.T) {
	for text, help := range map[string]bool{"999999999": true, "99999999999999999999": true, "1.5": false, "0": false, "16777216": false} {
		_, l := Load("a.incc", []byte("net a\ninput x 3x32x32\nconv 1x1 "+text+"\nfc 10\n"), Options{})
		if got := strings.Contains((&diag.Renderer{}).String(l), "the largest number is 16,777,216"); got != help {
			t.Errorf("%s: %v", text, l)
		}
	}
}
