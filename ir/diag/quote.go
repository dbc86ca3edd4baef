package diag

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quote is user text as it may stand in a message: in double quotes, shortened
// in the middle beyond 60 runes, with everything escaped that a terminal would
// not show or would obey.
func Quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		r := []rune(s)
		s = string(r[:most/2]) + "…" + string(r[len(r)-most/2:])
	}
	q := strconv.Quote(s)
	if !strings.Contains(q, "\\ufffd") && utf8.ValidString(q) {
		return q
	}
	return strconv.QuoteToASCII(s)
}

// Name is a name as it may stand in the middle of a line: as it is where that is
// plain, else in double quotes with everything escaped.
func Name(s string) string {
	if s == "" || !printable(s) || s[0] == ' ' || s[len(s)-1] == ' ' {
		return strconv.QuoteToASCII(s)
	}
	return s
}

// Path is a file name with its position as a message begins; a name with
// anything unprintable is quoted.
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

// Printable is s with every unprintable rune escaped, so that no text of a spec,
// a weights file or a path reaches the terminal as a command.
func Printable(s string) string {
	if printable(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if visible(r, n) {
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
		if !visible(r, n) {
			return false
		}
		i += n
	}
	return true
}

func visible(r rune, n int) bool {
	return (r != utf8.RuneError || n > 1) && unicode.IsPrint(r)
}

// escape shows an unprintable rune the way the Unicode charts name it, and a
// byte that is no UTF-8 by its value.
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
