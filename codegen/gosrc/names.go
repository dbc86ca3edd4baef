package gosrc

import (
	"go/token"
	"strconv"
	"strings"
	"unicode/utf8"
)

// quote returns text as a Go string literal in ASCII.
func quote(s string) string { return strconv.QuoteToASCII(s) }

// comment returns text for a line comment: one line, with characters that are not printable
// escaped, and cut after some 400 bytes.
func comment(s string) string {
	const most = 400
	var b strings.Builder
	// The go command would read "// +build" as a build constraint.
	s = strings.ReplaceAll(s, "+build", "+ build")
	for i, r := range s {
		switch {
		case b.Len() > most:
			b.WriteString("...")
			return b.String()
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i]), 16))
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

// wrap returns a text as a comment, broken into lines.
func wrap(s string) string {
	const width = 84
	var b strings.Builder
	n := 0
	for _, w := range strings.Fields(s) {
		switch {
		case n == 0:
			b.WriteString("//")
			n = 2
		case n+1+len(w) > width:
			b.WriteString("\n//")
			n = 2
		}
		b.WriteString(" " + w)
		n += 1 + len(w)
	}
	return b.String() + "\n"
}

// count returns a number with commas, such as 1,234,567.
func count[T int | int64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// PackageName returns a valid package name for any text: at most 60 of its ASCII letters (in
// lower case) and digits.
func PackageName(s string) string {
	const most = 60
	name := strings.ToLower(ident(s))
	name = name[:min(len(name), most)]
	switch {
	case name == "":
		return "network"
	case name[0] >= '0' && name[0] <= '9':
		return "net" + name
	case token.IsKeyword(name) || name == "main" || name == "init" || name == "documentation":
		return name + "net"
	}
	return name
}

// ident returns the ASCII letters and digits of a text. A letter that follows another
// character becomes a capital: "conv_1 b" gives conv1B.
func ident(s string) string {
	var b strings.Builder
	upper := false
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z' && upper:
			b.WriteByte(c - 'a' + 'A')
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
			b.WriteByte(c)
		default:
			upper = b.Len() > 0
			continue
		}
		upper = false
	}
	return b.String()
}

// taken holds the names that are in use.
type taken map[string]bool

// numbered marks the names jobs0, bind0, jobs1 and so on of a program with n steps as in use.
func (t taken) numbered(n int) {
	for i := range n {
		t["jobs"+strconv.Itoa(i)], t["bind"+strconv.Itoa(i)] = true, true
	}
}

// give returns an identifier made from a text. It begins in lower case and was not in use
// before. otherwise is the begin of the name if the text has no letter to begin with.
func (t taken) give(s, otherwise string) string {
	const most = 60
	name := ident(s)
	if len(name) > most {
		name = name[:most]
	}
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = otherwise + name
	}
	// All capitals at the begin become lower case, except the first letter of the next word:
	// HTTPServer gives httpServer.
	n := 0
	for n < len(name) && name[n] >= 'A' && name[n] <= 'Z' {
		n++
	}
	if n > 1 && n < len(name) {
		n--
	}
	name = strings.ToLower(name[:n]) + name[n:]
	first := name
	for i := 2; t[name] || token.IsKeyword(name); i++ {
		name = first + "x" + strconv.Itoa(i)
	}
	t[name] = true
	return name
}
