package diag

import (
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// screen is the same for every locale: a character of ambiguous width takes one column.
var screen = &runewidth.Condition{StrictEmojiNeutral: true}

// columns returns how many columns a terminal uses for a printable rune.
func columns(r rune) int { return screen.RuneWidth(r) }

// Width returns how many columns of a terminal a printable text takes: two for a Chinese
// or Japanese character, none for a combining accent (Unicode Standard Annex 11).
func Width(s string) int { return screen.StringWidth(s) }

// Cut divides a text behind as many characters as fit into some columns, but behind one
// at least. A letter with its accents is one character.
func Cut(s string, columns int) (head, rest string) {
	if head = screen.Truncate(s, columns, ""); head == "" && s != "" {
		_, n := utf8.DecodeRuneInString(s)
		for n < len(s) {
			r, size := utf8.DecodeRuneInString(s[n:])
			if screen.RuneWidth(r) > 0 {
				break
			}
			n += size
		}
		head = s[:n]
	}
	return head, s[len(head):]
}

// Shorten cuts a text that takes more than some columns, and ends it with an ellipsis.
func Shorten(s string, columns int) string {
	if Width(s) <= columns {
		return s
	}
	return strings.TrimRight(screen.Truncate(s, columns-1, ""), " ") + "…"
}

// Pad adds spaces to the end of a text until it takes some columns.
func Pad(s string, columns int) string {
	return s + strings.Repeat(" ", max(0, columns-Width(s)))
}
