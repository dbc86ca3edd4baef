package fit

import (
	"bytes"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/diag"
)

// Lines are no wider than the terminal.
func TestTextWidth(t *testing.T) {
	text := strings.Repeat("a/b,c_d-e.f gh  i größer 名前/e\u0301 ", 20)
	for width := 1; width < 60; width++ {
		for _, l := range strings.Split(Text(text+"\n  "+text+"\n  name  "+text, width), "\n") {
			if diag.Width(l) > max(width, 5) { // an indent of three and a wide character
				t.Errorf("at %d: %q", width, l)
			}
		}
	}
}

func TestText(t *testing.T) {
	text := "A paragraph of\ntwo lines.\n\n   incc summary\n   incc new\nname  what it is and does\n"
	if got := Text(text, 80); got != text {
		t.Errorf("a text that fits becomes %q", got)
	}
	got := Text("A paragraph of\ntwo lines of text.\n\n   incc summary of x\n   a  what it is\n", 14)
	want := "A paragraph of\ntwo lines of\ntext.\n\n   incc\n     summary\n     of x\n   a  what it\n      is\n"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestTableWidth prints a table without a limit, with its text broken, and as lists.
func TestTableWidth(t *testing.T) {
	tab := NewTable("layer", ">params", "what it is")
	tab.Add("stem/conv", 416, "the first convolution of the network")
	tab.Rule()
	tab.Add("total", 15358, "")
	for _, c := range []struct {
		limit int
		want  string
	}{
		{0, "layer      params  what it is\n---------  ------  ------------------------------------\nstem/conv     416  the first convolution of the network\n---------  ------  ------------------------------------\ntotal       15358\n"},
		{40, "layer      params  what it is\n---------  ------  ---------------------\nstem/conv     416  the first convolution\n                   of the network\n---------  ------  ---------------------\ntotal       15358\n"},
		{20, "stem/conv\n  params: 416\n  what it is: the\n    first\n    convolution of\n    the network\n--------------------\ntotal\n  params: 15358\n"},
	} {
		var b bytes.Buffer
		if err := tab.Write(&b, c.limit); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want {
			t.Errorf("at %d:\n%s\nwant\n%s", c.limit, b.String(), c.want)
		}
	}
}

// TestTableWide aligns names of wide characters and combining accents.
func TestTableWide(t *testing.T) {
	tab := NewTable("", "クラス", ">枚数", "what")
	tab.Add("<", "猫", 12, "x")
	tab.Add("!", "e\u0301le\u0300ve", 3, "y")
	tab.Add("", "とても長い名前のクラスです", 1, "z")
	for _, c := range []struct {
		limit int
		want  string
	}{
		{0, "   クラス                      枚数  what\n" +
			"-  --------------------------  ----  ----\n" +
			"<  猫                            12  x\n" +
			"!  e\u0301le\u0300ve                          3  y\n" +
			"   とても長い名前のクラスです     1  z\n"},
		{30, "   クラス           枚数  what\n" +
			"-  ---------------  ----  ----\n" +
			"<  猫                 12  x\n" +
			"!  e\u0301le\u0300ve               3  y\n" +
			"   とても長い名前      1  z\n" +
			"   のクラスです\n"},
		{20, "< 猫\n  枚数: 12  what: x\n! e\u0301le\u0300ve\n  枚数: 3  what: y\nとても長い名前のク\n  ラスです\n  枚数: 1  what: z\n"},
	} {
		var b strings.Builder
		if err := tab.Write(&b, c.limit); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want {
			t.Errorf("at %d:\n%s\nwant\n%s", c.limit, b.String(), c.want)
		}
	}
}
