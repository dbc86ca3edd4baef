package diag

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quote returns user text for a message: in double quotes, and shortened in the middle
// if it has more than 60 runes. It escapes characters that a terminal would hide or
// interpret.
func Quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		r := []rune(s)
		s = string(r[:most/2]) + "…" + string(r[len(r)-most/2:])
	}
	q := strconv.Quote(s)
	if !strings.Contains(q, "\\ufffd") && printable(q) {
		return q
	}
	return strconv.QuoteToASCII(s)
}

// Visible reports whether r has an image, or is the space of ASCII.
func Visible(r rune) bool {
	return unicode.IsPrint(r) && !Invisible(r)
}

// Invisible reports whether r is a control character, or a character that cannot be seen
// but changes what is shown around it or how a text compares: format and bidirectional
// characters, line and paragraph separators, private use, and the letters and marks without
// an image, as U+3164 and U+034F. package unicode calls some of these printable.
func Invisible(r rune) bool {
	if r < 0x80 {
		return r < 0x20 || r == 0x7f
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Other_Default_Ignorable_Code_Point)
}

// Name returns a name for the middle of a line: unchanged if it is printable and does
// not begin or end with a space, otherwise in double quotes, with everything outside of
// ASCII escaped.
func Name(s string) string {
	if s == "" || !printable(s) || s[0] == ' ' || s[len(s)-1] == ' ' {
		return strconv.QuoteToASCII(s)
	}
	return s
}

// Path returns the begin of a message: the file name and the position, as in
// a.incc:3:7. A name with unprintable characters is quoted; an empty one is "-".
func Path(name string, p Pos) string {
	if name == "" {
		name = "-"
	}
	if !printable(name) {
		name = strconv.QuoteToASCII(name)
	}
	if !p.IsValid() {
		return name
	}
	return name + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
}

// Printable returns s with every unprintable rune escaped, so that no text of a spec, a
// weights file or a path can control the terminal.
func Printable(s string) string {
	if printable(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if hasImage(r, n) {
			b.WriteString(s[i : i+n])
		} else {
			b.WriteString(escape(r, s[i:i+n]))
		}
		i += n
	}
	return b.String()
}

func printable(s string) bool {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !hasImage(r, n) {
			return false
		}
		i += n
	}
	return true
}

// hasImage reports whether the rune r of n bytes is visible, and not a byte that is no UTF-8.
func hasImage(r rune, n int) bool {
	return (r != utf8.RuneError || n > 1) && Visible(r)
}

// escape returns an unprintable rune as <U+001B>, and a byte that is not UTF-8 as <FF>.
func escape(r rune, raw string) string {
	if r == utf8.RuneError && len(raw) == 1 {
		return "<" + strings.ToUpper(strconv.FormatUint(uint64(raw[0])|0x100, 16)[1:]) + ">"
	}
	h := strings.ToUpper(strconv.FormatInt(int64(r), 16))
	for len(h) < 4 {
		h = "0" + h
	}
	return "<U+" + h + ">"
}
