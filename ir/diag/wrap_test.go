package diag

import (
	"regexp"
	"strings"
	"testing"
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
		{"日本語の名前", 5, "日本|語の|名前"},
		{"猫 と 犬", 5, "猫 と|犬"},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301e\u0301|e\u0301"},
		{"猫犬", 1, "猫|犬"},
	} {
		if got := strings.Join(Wrap(c.text, c.width), "|"); got != c.want {
			t.Errorf("%q at %d: %q, want %q", c.text, c.width, got, c.want)
		}
	}
	text := strings.Repeat("a/b,c_d-e.f gh  i größer 名前/e\u0301 ", 20)
	for width := 1; width < 60; width++ {
		for _, l := range Wrap(text, width) {
			if Width(l) > max(width, 2) { // a wide character
				t.Errorf("at %d: %q", width, l)
			}
		}
	}
}

var sgr = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// Every line of a message fits the terminal, and the words are those of a wide one.
func TestRenderColumns(t *testing.T) {
	line := "conv 3x3 8 act=relu -> a_block_with_a_very_long_name 8 8 8 8 -> gap -> fc 3 -> softmax wrong=1"
	src := Sources{"specs/a-file-with-a-name.incc": []byte(line + "\nconv 1x1 64\n")}
	at := func(line, col, n int) Span { return Span{Pos{"specs/a-file-with-a-name.incc", line, col}, n} }
	var l List
	l.Errorf("E0401", at(1, 24, 29), `no op or block is called "a_block_with_a_very_long_name"`).WithLabel("this name is not that of a block, and of no op").WithHelp("incc explain lists all the ops and the blocks")
	l.Errorf("E0301", at(1, 57, 3), "branches of concat differ in height and width").WithLabel("this branch is 14x14").Relate(at(2, 1, 11), "the others are 28x28")
	l.Errorf("E0404", at(1, 72, 7), "a place in a line").Relate(at(9, 1, 1), "a line that is not there, so that this is a note")
	words := func(s string) string {
		var keep []string
		for _, w := range strings.Fields(s) {
			if strings.Trim(w, "^-|") != "" {
				keep = append(keep, w)
			}
		}
		return strings.Join(keep, " ")
	}
	whole := words((&Renderer{Width: 30}).String(l)) // without source lines
	for _, columns := range []int{120, 80, 60, 40} {
		text := (&Renderer{Sources: src, Columns: columns}).String(l)
		for _, s := range strings.Split(text, "\n") {
			if Width(s) > columns {
				t.Errorf("%d columns of %d: %q", Width(s), columns, s)
			}
		}
		if got := words((&Renderer{Columns: columns}).String(l)); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(whole, " ", "") {
			t.Errorf("at %d columns:\n%s, want\n%s", columns, got, whole)
		}
		coloured := (&Renderer{Sources: src, Columns: columns, Color: true}).String(l)
		if got := sgr.ReplaceAllString(coloured, ""); got != text {
			t.Errorf("at %d columns, coloured:\n%s, want\n%s", columns, got, text)
		}
	}
}
