package dsl

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// flaw describes an error in a word, without the place of the word.
type flaw struct {
	code, summary, help string
	instead             string // a replacement, "" for none
}

// readLit parses a word by its form: a number, range, kernel, shape or, if it has none of
// these forms, a name.
func readLit(raw string, kind Kind) (*Lit, *flaw) {
	l := &Lit{Raw: raw}
	switch {
	case isNumber(raw):
		return l, l.number(raw)
	case strings.Contains(raw, ".."):
		return l, l.ranged(raw)
	}
	head, stride, stroke := strings.Cut(raw, "/")
	if dims, ok := sides(head); ok && len(dims) > 1 {
		l.Dims, l.Kind = dims, KernelLit
		if len(dims) > 2 {
			l.Kind = ShapeLit
		}
		switch {
		case stroke && kind == Net && len(dims) == 2 && strideName(stride):
			l.Kind, l.By = StridedLit, stride
		case stroke:
			return l, l.stride(stride)
		}
		return l, tooLarge(raw, dims)
	}
	if kind == Net && stroke {
		switch {
		case isNumber(head):
			f := &flaw{code: "E0106", summary: diag.Quote(raw) + " is not a number: there is no arithmetic"}
			if a, err := strconv.ParseFloat(head, 64); err == nil && isNumber(stride) {
				if b, err := strconv.ParseFloat(stride, 64); err == nil && b != 0 {
					f.instead = strconv.FormatFloat(a/b, 'g', 10, 64)
					f.help = "write " + f.instead
				}
			}
			return l, f
		case plainName(head):
			l.Kind, l.Text = StridedLit, head
			if strideName(stride) {
				l.By = stride
				return l, nil
			}
			return l, l.stride(stride)
		}
	}
	l.Text = raw
	return l, nameFlaw(raw, kind)
}

// isNumber reports whether raw has the form of a number: an optional minus, digits with at
// most one point, an optional exponent.
func isNumber(raw string) bool {
	s := strings.TrimPrefix(raw, "-")
	digits, points, i := 0, 0, 0
	for ; i < len(s); i++ {
		if isDigit(s[i]) {
			digits++
		} else if s[i] == '.' {
			points++
		} else {
			break
		}
	}
	if digits == 0 || points > 1 {
		return false
	}
	if i == len(s) {
		return true
	}
	if s[i]|0x20 != 'e' {
		return false
	}
	i++
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	if i == len(s) {
		return false
	}
	for ; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

func (l *Lit) number(raw string) *flaw {
	l.Kind = NumberLit
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || math.IsInf(f, 0) {
		return &flaw{code: "E0107", summary: diag.Quote(raw) + " is too large for a number"}
	}
	l.Num = f
	if !strings.ContainsAny(raw, ".eE") {
		if n, err := strconv.ParseInt(raw, 10, 64); err == nil && n == int64(int(n)) && n > -1<<53 && n < 1<<53 {
			l.IsInt = true
		}
	}
	return nil
}

func (l *Lit) ranged(raw string) *flaw {
	l.Kind = RangeLit
	lo, hi, _ := strings.Cut(raw, "..")
	if !isNumber(lo) || !isNumber(hi) {
		return &flaw{code: "E0106", summary: diag.Quote(raw) + " is not a range", help: "a range is LOW..HIGH, two numbers: 0.08..1"}
	}
	var a, b Lit
	if f := a.number(lo); f != nil {
		return f
	}
	if f := b.number(hi); f != nil {
		return f
	}
	l.Num, l.Hi = a.Num, b.Num
	return nil
}

// sides parses NxNx…. A side larger than maxSide becomes -1, which tooLarge reports.
func sides(s string) ([]int, bool) {
	if s == "" || !isDigit(s[0]) || !isDigit(s[len(s)-1]) || strings.Trim(s, "0123456789x") != "" || strings.Contains(s, "xx") {
		return nil, false
	}
	var dims []int
	for _, p := range strings.Split(s, "x") {
		n, err := strconv.ParseInt(p, 10, 64)
		if err != nil || n > maxSide {
			n = -1
		}
		dims = append(dims, int(n))
	}
	return dims, true
}

func tooLarge(raw string, dims []int) *flaw {
	for _, d := range dims {
		if d < 0 {
			return &flaw{code: "E0107", summary: fmt.Sprintf("a side of %s is larger than %d", diag.Quote(raw), maxSide)}
		}
	}
	return nil
}

func (l *Lit) stride(s string) *flaw {
	dims, ok := sides(s)
	if l.Kind == ShapeLit || !ok || len(dims) > 2 {
		help := "a stride is one number or two: 3x3/2, 3x3/2x1"
		if l.Kind == ShapeLit {
			help = "a shape has no stride; a kernel has two sides"
		}
		if l.Kind == StridedLit && !ok {
			return &flaw{code: "E0106", summary: fmt.Sprintf("a name cannot contain '/': %s", diag.Quote(l.Raw)), help: "incc joins the parts of a path with '/', so a name cannot contain it; k/2 is the kernel of a parameter k with the stride 2"}
		}
		return &flaw{code: "E0106", summary: diag.Quote(l.Raw) + " is not a kernel", help: help}
	}
	if len(dims) == 1 {
		dims = append(dims, dims[0])
	}
	l.Stride = dims
	return tooLarge(l.Raw, append(dims, l.Dims...))
}

// strideName reports whether the word behind the / of a kernel is a name.
func strideName(s string) bool {
	_, isSides := sides(s)
	return plainName(s) && !isSides && !isNumber(s) && !isDigit(s[0])
}

// plainName reports whether s is a name: letters, digits, _ and inner points.
func plainName(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isLetter(s[i]) && !isDigit(s[i]) && s[i] != '.' {
			return false
		}
	}
	return true
}

// nameFlaw returns nil if a word is a name (in a graph: a path), else what is wrong with
// it. The word must not be a number, kernel, shape or range.
func nameFlaw(raw string, kind Kind) *flaw {
	most := MaxName
	if kind == Graph {
		if raw == "-inf" {
			return nil
		}
		most = MaxPath
	}
	if len(raw) > most {
		return &flaw{code: "E0108", summary: fmt.Sprintf("a name of %d bytes; at most %d are allowed", len(raw), most)}
	}
	if isDigit(raw[0]) && strings.Contains(raw, "X") {
		lower := strings.ReplaceAll(raw, "X", "x")
		head, _, _ := strings.Cut(lower, "/")
		if dims, ok := sides(head); ok && len(dims) > 1 {
			return &flaw{"E0106", diag.Quote(raw) + " is not a kernel", "a kernel is written with a small x: " + lower, lower}
		}
	}
	if kind == Net && plainName(raw) {
		return nil
	}
	q := diag.Quote(raw)
	f := &flaw{code: "E0106"}
	parts := []string{raw}
	if kind == Graph {
		parts = strings.Split(raw, "/")
	}
	for _, p := range parts {
		if plainName(p) {
			continue
		}
		switch {
		case strings.HasPrefix(raw, "-"):
			f.summary = q + " is not a number"
		case strings.Contains(raw, "/") && kind == Net:
			f.summary, f.help = "a name cannot contain '/': "+q, "incc joins the parts of a path with '/', so a name cannot contain it; a kernel's stride is written 3x3/2"
		case strings.Contains(raw, "/"):
			f.summary, f.help = q+" is not a path", "put a name that is not made of names and single '/' into quotes"
		default:
			f.summary, f.help = q+" is not a name", "a name begins and ends with a letter, a digit or '_'"
		}
		return f
	}
	return nil
}

// ParseLit parses a number, kernel or word that is not in a file, such as the value of -D
// classes=10. The span of the result is invalid.
func ParseLit(s string) (*Lit, error) {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isWord(c) && c != '-' && c != '+' {
			return nil, fmt.Errorf("%s is neither a number nor a kernel nor a word", diag.Quote(s))
		}
	}
	if s == "" {
		return nil, fmt.Errorf("a value is missing")
	}
	l, f := readLit(s, Net)
	if f == nil && (l.Kind == NameLit && !plainName(s) || l.By != "") {
		f = &flaw{summary: diag.Quote(s) + " is neither a number nor a kernel nor a word"}
	}
	if f != nil {
		if f.help != "" {
			return nil, fmt.Errorf("%s; %s", f.summary, f.help)
		}
		return nil, fmt.Errorf("%s", f.summary)
	}
	return l, nil
}

// IsName reports whether s has the form of a name, and not of a number or kernel, and at
// most MaxName bytes. Only such a word can name a label, block, parameter or let.
func IsName(s string) bool {
	if !plainName(s) {
		return false
	}
	l, f := readLit(s, Net)
	return f == nil && l.Kind == NameLit
}

// GraphName returns a value's name as it is written in a graph: in quotes, unless it has
// the form of a path.
func GraphName(name string) string {
	if len(name) > 0 && name != "-inf" && strings.Trim(name, nameBytes) == "" {
		if l, f := readLit(name, Graph); f == nil && l.Kind == NameLit {
			return name
		}
	}
	return strconv.QuoteToASCII(name)
}

const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./"
