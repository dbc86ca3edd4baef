package dsl

import (
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/ir/irtest/cputime"
)

// TestTexts loads texts as other tools and systems save them (CRLF, BOM, other encodings),
// files that are no text, and files far above the limit. The right code must be reported for
// those that are not valid.
func TestTexts(t *testing.T) {
	const good = "net a\ninput x 3x8x8 # ä\ngap -> fc 2\n"
	size := MaxGraphFile
	if long() > 1 {
		size = 64 << 20
	}
	huge := func(s string) string { return s + strings.Repeat(s[len(s)-1:], size) }
	for _, c := range []struct{ name, text, code string }{
		{"LF", good, ""},
		{"CRLF", strings.ReplaceAll(good, "\n", "\r\n"), ""},
		{"BOM", "\ufeff" + good, ""},
		{"BOM and CRLF", "\ufeff" + strings.ReplaceAll(good, "\n", "\r\n"), ""},
		{"no line break at the end", strings.TrimSpace(good), ""},
		{"line breaks before and behind", "\n\n" + good + "\n\n\n", ""},
		{"CR alone", strings.ReplaceAll(good, "\n", "\r"), "E0101"},
		{"NUL", good + "\x00", "E0101"},
		{"NUL in a comment", good + "# \x00\n", "E0101"},
		{"Latin-1", strings.ReplaceAll(good, "ä", "\xe4"), "E0102"},
		{"UTF-16", "\xff\xfen\x00e\x00t\x00 \x00a\x00", "E0102"},
		{"BOM in the middle", "net a\n\ufeffinput x 3x8x8\ngap\n", "E0101"},
		{"invisible mark in a name", "net a\ninput x\u034f 3x8x8\ngap\n", "E0101"},
		{"invisible mark behind a number", strings.Repeat("0", 40) + "\u034f\"\n", "E0101"},
		{"invisible letter in a comment", good + "# a\uffa0b\n", "E0101"},
		{"emoji in a comment", good + "# \u2764\ufe0f\n", ""},
		{"empty", "", "E0201"},
		{"BOM alone", "\ufeff", "E0201"},
		{"a picture", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "E0101"},
		{"too much of {", huge("net a\n{"), "E0109"},
		{"too much of (", huge("net a\n("), "E0109"},
		{"too much of line breaks", huge("\n"), "E0109"},
		{"too much of comments", "#" + huge("\n#"), "E0109"},
		{"too much of NULs", huge("\x00"), "E0109"},
		{"too large a graph", huge("graph a\n{"), "E0109"},
	} {
		since := cputime.Start()
		g, l := Load("x.incc", []byte(c.text), Options{})
		switch {
		case c.code == "" && (l.HasErrors() || g == nil):
			t.Errorf("%s: %v", c.name, l)
		case c.code != "" && (g != nil || !has(l, c.code)):
			t.Errorf("%s: no %s in %v", c.name, c.code, l)
		}
		if d := since(); d > 10*time.Second {
			t.Errorf("%s: %v", c.name, d)
		}
		if text := show("x.incc", []byte(c.text[:min(len(c.text), 1<<16)]), l); len(text) > 1<<20 {
			t.Errorf("%s: %d bytes are printed", c.name, len(text))
		}
	}
}

// TestManyBadCharacters counts the problems of a file of control characters: the first
// maxNoText, and one that says that more follow.
func TestManyBadCharacters(t *testing.T) {
	for _, text := range []string{strings.Repeat("\x01 ", 300), strings.Repeat("a \xe4\n", 300), strings.Repeat("# \x01\n", 300)} {
		n, more := 0, 0
		_, l := Load("x.incc", []byte("net a\n"+text), Options{})
		for _, d := range l {
			if d.Code == "E0101" || d.Code == "E0102" {
				n++
			}
			if strings.Contains(d.Error(), "only the first 20") {
				more++
			}
		}
		if n != maxNoText+1 || more != 1 {
			t.Errorf("%q: %d problems, %d that more follow", text[:8], n, more)
		}
	}
}
