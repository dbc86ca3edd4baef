package diag

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Severity tells whether a problem stops the work.
type Severity uint8

const (
	Error   Severity = iota // the text cannot be used until this is mended
	Warning                 // the text can be used, but perhaps does not mean what was intended
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Related is another place that has to do with a problem: where the other shape comes
// from, where the name was first declared, which brace is still open.
type Related struct {
	Span  Span
	Label string // the text beside the dashes that mark the place
}

// Suggestion is a fix that a tool can apply: replace the text of Span by Replacement.
// If Span is empty, Replacement is inserted there.
type Suggestion struct {
	Span        Span
	Replacement string
}

// Diagnostic is one problem in a text. Summary and labels begin in lower case, have no
// full stop, and are clear without the source text. User text in them is quoted by
// [Quote] or %q.
type Diagnostic struct {
	Severity   Severity
	Code       string // such as "E0301", which `incc explain` explains
	Summary    string // what is wrong, in one line
	Span       Span   // the exact place; invalid if the problem has no place
	Label      string // the text beside the carets that mark Span; may be empty
	Related    []Related
	Help       []string // how to mend it, one line each
	Suggestion *Suggestion
}

// Error is the one-line form, file:line:col: error[E0301]: summary.
func (d *Diagnostic) Error() string {
	s := d.Severity.String()
	if d.Code != "" {
		s += "[" + d.Code + "]"
	}
	s += ": " + d.Summary
	if d.Span.IsValid() || d.Span.File != "" {
		s = Path(d.Span.File, d.Span.Pos) + ": " + s
	}
	return Printable(s)
}

// WithLabel sets the text beside the carets.
func (d *Diagnostic) WithLabel(format string, args ...any) *Diagnostic {
	d.Label = fmt.Sprintf(format, args...)
	return d
}

// Relate adds a related place with its label. It ignores an invalid span.
func (d *Diagnostic) Relate(s Span, format string, args ...any) *Diagnostic {
	if s.IsValid() {
		d.Related = append(d.Related, Related{s, fmt.Sprintf(format, args...)})
	}
	return d
}

// WithHelp adds a line that says how to mend the problem. It ignores an empty line.
func (d *Diagnostic) WithHelp(format string, args ...any) *Diagnostic {
	if s := fmt.Sprintf(format, args...); s != "" {
		d.Help = append(d.Help, s)
	}
	return d
}

// Suggest sets the fix that a tool can apply.
func (d *Diagnostic) Suggest(s Span, replacement string) *Diagnostic {
	d.Suggestion = &Suggestion{s, replacement}
	return d
}

// List is the problems of a text in the order in which they were found.
type List []*Diagnostic

// Add appends d and returns it, so that calls such as WithLabel and Relate can follow.
func (l *List) Add(d *Diagnostic) *Diagnostic {
	*l = append(*l, d)
	return d
}

// Errorf adds an error.
func (l *List) Errorf(code string, s Span, format string, args ...any) *Diagnostic {
	return l.Add(&Diagnostic{Severity: Error, Code: code, Span: s, Summary: fmt.Sprintf(format, args...)})
}

// Warnf adds a warning.
func (l *List) Warnf(code string, s Span, format string, args ...any) *Diagnostic {
	return l.Add(&Diagnostic{Severity: Warning, Code: code, Span: s, Summary: fmt.Sprintf(format, args...)})
}

// Sort orders the problems by file, line and column, at one place errors before
// warnings, and removes duplicates. A block that is used twice is built twice and
// would report each problem twice.
func (l *List) Sort() {
	slices.SortStableFunc(*l, func(a, b *Diagnostic) int {
		switch {
		case a.Span.Pos != b.Span.Pos:
			if a.Span.before(b.Span.Pos) {
				return -1
			}
			return 1
		case a.Severity != b.Severity:
			return int(a.Severity) - int(b.Severity)
		case a.Code != b.Code:
			return strings.Compare(a.Code, b.Code)
		}
		return strings.Compare(a.Summary, b.Summary)
	})
	*l = slices.CompactFunc(*l, func(a, b *Diagnostic) bool {
		return a.Span == b.Span && a.Severity == b.Severity && a.Code == b.Code && a.Summary == b.Summary
	})
}

// Errors returns the number of errors.
func (l List) Errors() int {
	n := 0
	for _, d := range l {
		if d.Severity == Error {
			n++
		}
	}
	return n
}

// Warnings returns the number of warnings.
func (l List) Warnings() int { return len(l) - l.Errors() }

// HasErrors reports whether l holds at least one error, so that the work must stop.
func (l List) HasErrors() bool { return l.Errors() > 0 }

// Err returns l as an error if it holds errors, otherwise nil.
func (l List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return l
}

// Error returns the one-line form of the first error and the number of other errors.
func (l List) Error() string {
	n := l.Errors()
	for _, d := range l {
		if d.Severity == Error {
			if n > 1 {
				return fmt.Sprintf("%s (and %s)", d.Error(), Count(n-1, "more error"))
			}
			return d.Error()
		}
	}
	if len(l) > 0 {
		return Count(len(l), "warning")
	}
	return "no problems"
}

// Tally returns the number of errors and warnings as text, "2 errors, 1 warning".
func (l List) Tally() string {
	e, w := l.Errors(), l.Warnings()
	switch {
	case w == 0:
		return Count(e, "error")
	case e == 0:
		return Count(w, "warning")
	}
	return Count(e, "error") + ", " + Count(w, "warning")
}

// Thousands returns a number with commas: 6,998,552.
func Thousands(n int64) string {
	s, sign := strconv.FormatInt(n, 10), ""
	if n < 0 {
		s, sign = s[1:], "-"
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Count returns a number with its noun: "1 error", "2 errors".
func Count(n int, noun string) string { return strconv.Itoa(n) + " " + Plural(n, noun) }

// Plural returns the form of a noun for a number.
func Plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
