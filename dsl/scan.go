package dsl

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/incc-lang/incc/ir/diag"
)

const bom = "\xef\xbb\xbf"

// source is a text with its lines and its problems. The scanner and the parser share it.
type source struct {
	path    string
	src     []byte
	lines   []int32 // offset of each line's first byte; the first line begins after the BOM
	badFrom []int   // for each line, the column of the scanner's first error, else MaxInt
	diags   diag.List
	full    bool   // MaxProblems was reached
	noStar  bool   // the rest of the text has no */
	noText  int    // number of forbidden characters (E0101) and places without UTF-8 (E0102)
	toldIn  [2]int // the last lines on which a parenthesis and a bracket were reported
}

func newSource(path string, src []byte) *source {
	s := &source{path: path, src: src}
	start := int32(0)
	if strings.HasPrefix(string(src[:min(len(src), 3)]), bom) {
		start = 3
	}
	s.lines = append(s.lines, start)
	for i, c := range src {
		if c == '\n' {
			s.lines = append(s.lines, int32(i+1))
		}
	}
	s.badFrom = make([]int, len(s.lines))
	for i := range s.badFrom {
		s.badFrom[i] = math.MaxInt
	}
	return s
}

// line returns the index of the line that contains offset off.
func (s *source) line(off int32) int {
	i, ok := slices.BinarySearch(s.lines, off)
	if !ok {
		i--
	}
	return max(i, 0)
}

// span returns the span of the bytes from off up to end.
func (s *source) span(off, end int32) diag.Span {
	l := s.line(off)
	return diag.Span{Pos: diag.Pos{File: s.path, Line: l + 1, Col: int(off-s.lines[l]) + 1}, Len: int(end - off)}
}

// maxNoText is the largest number of forbidden characters and places without UTF-8 that
// are reported. A file with more is probably not a text.
const maxNoText = 20

// lexical reports an error that the scanner found, and notes its column in badFrom. The
// parser then reports no errors after it on that line, since they are consequences.
func (s *source) lexical(code string, off, end int32, format string, args ...any) *diag.Diagnostic {
	at := s.span(off, end)
	s.badFrom[at.Line-1] = min(s.badFrom[at.Line-1], at.Col)
	if code == "E0101" || code == "E0102" {
		s.noText++
		if s.noText == maxNoText+1 {
			s.report(code, at, "more such characters follow: only the first %d of this file are reported", maxNoText).WithHelp("is this file a text?")
		}
		if s.noText > maxNoText {
			return &diag.Diagnostic{}
		}
	}
	return s.report(code, at, format, args...)
}

func (s *source) report(code string, at diag.Span, format string, args ...any) *diag.Diagnostic {
	if s.full {
		return &diag.Diagnostic{}
	}
	if len(s.diags) >= MaxProblems {
		s.full = true
		s.diags.Errorf("E0110", at, "too many problems: only the first %d of this file are reported", MaxProblems)
		return &diag.Diagnostic{}
	}
	return s.diags.Errorf(code, at, format, args...)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

// isWord reports whether c can be part of a word.
func isWord(c byte) bool { return isLetter(c) || isDigit(c) || c == '.' || c == '/' }

// scan divides the text into at most most tokens and a tEOF. It reports characters and
// strings that are not valid, and continues after them.
func (s *source) scan(most int) []token {
	src := s.src
	var toks []token
	i := s.lines[0]
	n := int32(len(src))
	emit := func(k tokenKind, off, end int32) {
		toks = append(toks, token{off, end, k})
	}
	for i < n {
		if len(toks) >= most {
			s.lexical("E0111", i, i, "the file has more than %d words and signs", most)
			break
		}
		c := src[i]
		switch {
		case c == ' ' || c == '\t':
			i++
		case c == '\n':
			emit(tNewline, i, i+1)
			i++
		case c == '\r' && i+1 < n && src[i+1] == '\n':
			emit(tNewline, i, i+2)
			i += 2
		case c == '#':
			end := s.lineEnd(i)
			s.checkText(i, end)
			emit(tComment, i, end)
			i = end
		case c == '"':
			end, closed := s.stringEnd(i)
			s.checkText(i, end)
			if !closed {
				s.lexical("E0104", i, end, "the string has no closing quote").
					WithHelp(`a string ends on the line on which it began; a quote inside is written \"`)
				emit(tBad, i, end)
			} else {
				emit(tString, i, end)
			}
			i = end
		case c == '-' && i+1 < n && src[i+1] == '>':
			emit(tArrow, i, i+2)
			i += 2
		case c == '=' && i+1 < n && src[i+1] == '>', c == '<' && i+1 < n && src[i+1] == '-':
			s.lexical("E0103", i, i+2, "%q has no meaning here", src[i:i+2]).
				WithHelp("a pipeline's arrow is written -> and points to the right").Suggest(s.span(i, i+2), "->")
			emit(tArrow, i, i+2)
			i += 2
		case isWord(c) && c != '/', c == '-' && s.startsNumber(i+1):
			i = s.word(i, emit)
		default:
			if k, ok := signs[c]; ok {
				emit(k, i, i+1)
				i++
				break
			}
			i = s.bad(i, emit)
		}
	}
	if len(toks) >= most {
		i = n
	}
	emit(tEOF, i, i)
	return toks
}

var signs = map[byte]tokenKind{'{': tOpen, '}': tClose, '=': tEq, ':': tColon, ';': tSemi, ',': tComma}

// lineEnd returns the offset of the next line break after off, or of the end of the text.
func (s *source) lineEnd(off int32) int32 {
	end := off
	for end < int32(len(s.src)) && s.src[end] != '\n' {
		end++
	}
	if end > off && end < int32(len(s.src)) && s.src[end-1] == '\r' {
		end--
	}
	return end
}

// stringEnd returns the offset after the string that begins at off. If the line has no
// closing quote, it returns the end of the line and false.
func (s *source) stringEnd(off int32) (end int32, closed bool) {
	for i := off + 1; i < int32(len(s.src)) && s.src[i] != '\n'; i++ {
		switch s.src[i] {
		case '\\':
			if i+1 < int32(len(s.src)) && s.src[i+1] != '\n' {
				i++
			}
		case '"':
			return i + 1, true
		}
	}
	return s.lineEnd(off), false
}

// startsNumber reports whether a minus before off is the sign of a number.
func (s *source) startsNumber(off int32) bool {
	rest := s.src[off:]
	if len(rest) > 0 && (isDigit(rest[0]) || rest[0] == '.') {
		return true
	}
	return strings.HasPrefix(string(rest[:min(len(rest), 4)]), "inf") && (len(rest) == 3 || !isWord(rest[3]))
}

// word scans the word that begins at off. The word includes signs of numbers: at its
// beginning, after the .. of a range, and between the e of an exponent and its digits.
func (s *source) word(off int32, emit func(tokenKind, int32, int32)) int32 {
	src, n := s.src, int32(len(s.src))
	i := off + 1
	number := off // the beginning of the current number, to which a sign may belong
	wrong := ""
	for i < n {
		c := src[i]
		switch {
		case isWord(c):
			if c == '.' && src[i-1] == '.' {
				number = i + 1
			}
			i++
		case c == '-' && i+1 < n && src[i+1] == '>':
			goto done
		case (c == '-' || c == '+') && i == number && c == '-' && s.startsNumber(i+1):
			i++
		case (c == '-' || c == '+') && i+1 < n && isDigit(src[i+1]) && exponent(src[number:i]):
			i++
		case c == '-' && i+1 < n && (isWord(src[i+1]) || src[i+1] == '-'):
			wrong = "-"
			i++
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(src[i:])
			if !inWord(r) {
				goto done
			}
			if wrong == "" {
				wrong = "ascii"
			}
			i += int32(size)
		default:
			goto done
		}
	}
done:
	raw := string(src[off:i])
	switch wrong {
	case "-":
		fixed := strings.ReplaceAll(raw, "-", "_")
		s.lexical("E0103", off, i, "a name cannot contain '-': %s", diag.Quote(raw)).
			WithHelp("names are made of letters, digits, '_' and '.': write %s", diag.Quote(fixed)).
			Suggest(s.span(off, i), fixed)
		emit(tBad, off, i)
	case "ascii":
		s.lexical("E0112", off, i, "a name is made of ASCII letters: %s", diag.Quote(raw)).
			WithHelp("use a to z, A to Z, 0 to 9, '_' and '.'; comments and strings may contain any text")
		emit(tBad, off, i)
	default:
		emit(tWord, off, i)
	}
	return i
}

// exponent reports whether b is the beginning of a number up to the e of its exponent, so
// that a sign may follow.
func exponent(b []byte) bool {
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
	}
	if len(b) < 2 || len(b) > 64 || b[len(b)-1]|0x20 != 'e' || !isDigit(b[len(b)-2]) && b[len(b)-2] != '.' {
		return false
	}
	for _, c := range b[:len(b)-1] {
		if !isDigit(c) && c != '.' {
			return false
		}
	}
	return true
}

// bad reports a character that cannot begin a token. It reports equal characters that
// follow directly together with it. It returns the offset at which scanning continues.
func (s *source) bad(off int32, emit func(tokenKind, int32, int32)) int32 {
	src := s.src
	r, size := utf8.DecodeRune(src[off:])
	end := off + int32(size)
	follows := func(c byte) bool { return end < int32(len(src)) && src[end] == c }
	switch {
	case r == utf8.RuneError && size == 1:
		end = s.skip(end, func(r rune, n int) bool { return r == utf8.RuneError && n == 1 })
		s.lexical("E0102", off, end, "the text is not UTF-8 here").
			WithHelp("save the file as UTF-8")
		return end
	case forbidden(r):
		end = s.skip(end, func(next rune, _ int) bool { return next == r })
		s.forbidden(r, off, end)
		return end
	case unicode.IsLetter(r):
		// A name in another script: report the whole word as one problem.
		end = s.skip(end, func(r rune, _ int) bool { return inWord(r) || r == '_' })
		s.lexical("E0112", off, end, "a name is made of ASCII letters: %s", diag.Quote(string(src[off:end]))).
			WithHelp("use a to z, A to Z, 0 to 9, '_' and '.'; comments and strings may contain any text")
		emit(tBad, off, end)
		return end
	case r == '/' && follows('/'), r == '-' && follows('-'):
		return s.comment(off, end+1)
	case r == '/' && follows('*'):
		return s.longComment(off, emit)
	case r == '/':
		s.lexical("E0103", off, end, "a '/' belongs to a kernel's stride, as in 3x3/2")
		return end
	case strings.ContainsRune(otherQuotes, r):
		line := src[end:]
		if i := bytes.IndexAny(line, otherQuotes+"\"\n"); i >= 0 && line[i] != '\n' {
			_, size := utf8.DecodeRune(line[i:])
			stop := end + int32(i+size)
			s.lexical("E0103", off, stop, "a string needs straight double quotes").
				Suggest(s.span(off, stop), strconv.Quote(string(line[:i])))
			emit(tBad, off, stop)
			return stop
		}
	}
	if i := strings.IndexRune("()[]", r); i >= 0 {
		// Only the first bracket of a line is reported.
		line := s.line(off) + 1
		if s.toldIn[i/2] == line {
			return end
		}
		s.toldIn[i/2] = line
	}
	end = s.skip(end, func(next rune, _ int) bool { return next == r })
	d := s.lexical("E0103", off, end, "%s has no meaning here", diag.Quote(string(src[off:end])))
	if h, ok := charHelp[r]; ok {
		d.WithHelp("%s", h.help)
		if h.instead != "" {
			d.Suggest(s.span(off, end), h.instead)
		}
	}
	if r == '>' || r == '→' {
		emit(tArrow, off, end)
	}
	return end
}

// otherQuotes are the quotes of other languages, which begin and end no string here.
const otherQuotes = "'‘’“”"

// skip returns the end of the runes from at on for which more is true. more also gets their
// number of bytes.
func (s *source) skip(at int32, more func(rune, int) bool) int32 {
	for at < int32(len(s.src)) {
		r, n := utf8.DecodeRune(s.src[at:])
		if !more(r, n) {
			break
		}
		at += int32(n)
	}
	return at
}

// longComment reports a comment that begins with /* at off, and skips it; one without an end
// is skipped to the end of its line.
func (s *source) longComment(off int32, emit func(tokenKind, int32, int32)) int32 {
	s.comment(off, off+2)
	n := -1
	if !s.noStar {
		n = bytes.Index(s.src[off:], []byte("*/"))
		s.noStar = n < 0
	}
	if n < 0 {
		return s.lineEnd(off)
	}
	end := off + int32(n) + 2
	if bytes.IndexByte(s.src[off:end], '\n') >= 0 {
		emit(tNewline, end, end)
	}
	return end
}

// comment reports a comment of another language at off and skips its line.
func (s *source) comment(off, end int32) int32 {
	s.lexical("E0103", off, end, "a comment begins with #").
		WithHelp("write # instead of %s", s.src[off:end]).Suggest(s.span(off, end), "#")
	return s.lineEnd(off)
}

// charHelp says what to write instead of a character that the language does not use.
var charHelp = map[rune]struct{ help, instead string }{
	'(':      {"arguments follow the name without parentheses: conv 3x3 64", ""},
	')':      {"arguments follow the name without parentheses: conv 3x3 64", ""},
	'[':      {"a list is written with commas and without brackets: mean=104,117,123", ""},
	']':      {"a list is written with commas and without brackets: mean=104,117,123", ""},
	'+':      {"there is no arithmetic; branches are summed by add { … }", ""},
	'*':      {"there is no arithmetic; a kernel is written 3x3, copies repeat 10 { … }", ""},
	'-':      {"a pipeline's arrow is written ->", ""},
	'>':      {"a pipeline's arrow is written ->", "->"},
	'<':      {"a pipeline's arrow is written -> and points to the right", ""},
	'|':      {"a pipeline's arrow is written ->; write branches in concat { … }, one on each line", ""},
	'%':      {"write a share as a number: 0.4", ""},
	'$':      {"write the name of a let or parameter without $", ""},
	'\\':     {"a line that begins with -> continues the previous one; no \\ is needed", ""},
	'`':      {"a string has double quotes", ""},
	'→':      {"a pipeline's arrow is written ->", "->"},
	'×':      {"a kernel is written with the letter x: 3x3", "x"},
	'−':      {"a minus is written -", "-"},
	'–':      {"a minus is written -, a range 0..1", "-"},
	'—':      {"a minus is written -, a range 0..1", "-"},
	'…':      {"a range is written with two points: 0..1", ".."},
	'\u00a0': {"this blank is a no-break space; use an ordinary one", " "},
	'\u3000': {"this blank is an ideographic space; use an ordinary one", " "},
	'，':      {"use an ASCII comma", ","},
	'：':      {"use an ASCII colon", ":"},
	'；':      {"use an ASCII semicolon", ";"},
	'＝':      {"use an ASCII equals sign", "="},
}

// forbidden reports whether r is not allowed anywhere in a text, comments and strings
// included. These are control characters, and the invisible and bidirectional characters
// that can make a text look different from what it says.
func forbidden(r rune) bool {
	return r != '\t' && diag.Invisible(r)
}

// inWord reports whether r continues a word of any script.
func inWord(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)) && !forbidden(r)
}

func (s *source) forbidden(r rune, off, end int32) {
	what, help := "control character", "delete it"
	switch {
	case r == '\r':
		help = "lines end with LF or CRLF; this is a CR without LF"
	case unicode.Is(unicode.Bidi_Control, r):
		what, help = "bidirectional character", "it changes the order in which the text is shown: delete it"
	case r >= 0xa0:
		what, help = "invisible character", "it cannot be seen but changes the text: delete it"
	}
	s.lexical("E0101", off, end, "the %s U+%04X is not allowed anywhere, comments included", what, r).
		WithHelp("%s", help).Suggest(s.span(off, end), "")
}

// checkText reports forbidden characters and invalid UTF-8 in a comment or string. It
// reports each character only once.
func (s *source) checkText(off, end int32) {
	told := map[rune]bool{}
	for i := off; i < end; {
		c := s.src[i]
		if c >= 0x20 && c < 0x7f || c == '\t' {
			i++
			continue
		}
		r, n := utf8.DecodeRune(s.src[i:end])
		switch {
		case told[r]:
		case r == utf8.RuneError && n == 1:
			told[r] = true
			s.lexical("E0102", i, i+1, "the text is not UTF-8 here").WithHelp("save the file as UTF-8")
		case forbidden(r):
			told[r] = true
			s.forbidden(r, i, i+int32(n))
		}
		i += int32(n)
	}
}
