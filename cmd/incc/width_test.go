package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 10, ""},
		{"one two", 10, "one two"},
		{"one two three", 7, "one two|three"},
		{"one  two three", 8, "one  two|three"},
		{"inception_3a/branch2", 14, "inception_3a/|branch2"},
		{"abcdefghijkl", 5, "abcde|fghij|kl"},
		{"größe größe", 5, "größe|größe"},
		{"a bcdefghij", 5, "a|bcdef|ghij"},
	} {
		if got := strings.Join(wrap(c.text, c.width), "|"); got != c.want {
			t.Errorf("%q at %d: %q, want %q", c.text, c.width, got, c.want)
		}
	}
	text := strings.Repeat("a/b,c_d-e.f gh  i größer ", 20)
	for width := 1; width < 60; width++ {
		for _, l := range append(wrap(text, width), strings.Split(fit(text+"\n  "+text+"\n  name  "+text, width), "\n")...) {
			if utf8.RuneCountInString(l) > max(width, 3) { // an indent of two and a character
				t.Errorf("at %d: %q", width, l)
			}
		}
	}
}

func TestFit(t *testing.T) {
	text := "A paragraph of\ntwo lines.\n\n   incc summary\n   incc new\nname  what it is and does\n"
	if got := fit(text, 80); got != text {
		t.Errorf("a text that fits becomes %q", got)
	}
	got := fit("A paragraph of\ntwo lines of text.\n\n   incc summary of x\n   a  what it is\n", 14)
	want := "A paragraph of\ntwo lines of\ntext.\n\n   incc\n     summary\n     of x\n   a  what it\n      is\n"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestTableWidth prints a table without a limit, with its text broken, and as lists.
func TestTableWidth(t *testing.T) {
	tab := newTable("layer", ">params", "what it is")
	tab.add("stem/conv", 416, "the first convolution of the network")
	tab.rule()
	tab.add("total", 15358, "")
	for _, c := range []struct {
		limit int
		want  string
	}{
		{0, "layer      params  what it is\n---------  ------  ------------------------------------\nstem/conv     416  the first convolution of the network\n---------  ------  ------------------------------------\ntotal       15358\n"},
		{40, "layer      params  what it is\n---------  ------  ---------------------\nstem/conv     416  the first convolution\n                   of the network\n---------  ------  ---------------------\ntotal       15358\n"},
		{20, "stem/conv\n  params: 416\n  what it is: the\n    first\n    convolution of\n    the network\n--------------------\ntotal\n  params: 15358\n"},
	} {
		var b bytes.Buffer
		tab.writeWidth(&b, c.limit)
		if b.String() != c.want {
			t.Errorf("at %d:\n%s\nwant\n%s", c.limit, b.String(), c.want)
		}
	}
}

func TestBar(t *testing.T) {
	texts := barTexts{"epoch 1/3", "step 430/859", "loss 1.0540", "20427 images/s", "0:08 left"}
	for _, c := range []struct {
		width int
		want  string
	}{
		{120, "[============            ] epoch 1/3  step 430/859  loss 1.0540  20427 images/s  0:08 left"},
		{79, "[======       ] epoch 1/3  step 430/859  loss 1.0540  20427 images/s  0:08 left"},
		{59, "[====     ] epoch 1/3  step 430/859  loss 1.0540  0:08 left"},
		{39, "[====     ] 1/3  loss 1.0540  0:08 left"},
		{34, "epoch 1/3  loss 1.0540  0:08 left"},
		{20, "epoch 1/3  0:08 left"},
		{10, "epoch 1/3"},
		{3, "epo"},
		{-1, ""},
	} {
		if got := texts.bar(0.5, c.width); got != c.want {
			t.Errorf("at %d: %q, want %q", c.width, got, c.want)
		}
	}
}
