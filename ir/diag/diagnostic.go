package diag

import (
	"fmt"
	"slices"
	"strings"
)

// Severity tells whether a problem stops the work.
type Severity uint8

const (
	Error   Severity = iota // the text means nothing until this is mended
	Warning                 // the text means something, perhaps not what was intended
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Related is a place that contributed to a problem: where the other shape came
// from, where the name was first declared, which brace is still open.
type Related struct {
	Span  Span
	Label string // under the dashes
}

// Suggestion is a fix that a tool can apply: put Replacement in the place of
// Span. An empty Span is an insertion.
type Suggestion struct {
	Span        Span
	Replacement string
}

// Diagnostic is one problem of a text. Summary and labels are lower case, have
// no full stop and read well without the source beside them. User text in them
// is quoted by [Quote] or %q.
type Diagnostic struct {
	Severity   Severity
	Code       string // "E0301", the key of `incc explain`
	Summary    string // one line: what is wrong
	Span       Span   // the exact culprit; invalid where the problem has no place
	Label      string // under the carets; may be empty
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

// WithLabel sets the text under the carets.
func (d *Diagnostic) WithLabel(format string, args ...any) *Diagnostic {
	d.Label = fmt.Sprintf(format, args...)
	return d
}

// Relate adds a place that contributed; a span that is no place adds nothing.
func (d *Diagnostic) Relate(s Span, format string, args ...any) *Diagnostic {
	if s.IsValid() {
		d.Related = append(d.Related, Related{s, fmt.Sprintf(format, args...)})
	}
	return d
}

// WithHelp adds a line on how to mend it; an empty line adds nothing.
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

// Add appends d and returns it, for With and Relate to go on.
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

// Sort orders by file, line and column, errors before warnings, and drops
// problems that say the same of the same place (a block used twice is built
// twice, but is wrong once).
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

// Errors counts the errors, Warnings the rest.
func (l List) Errors() int {
	n := 0
	for _, d := range l {
		if d.Severity == Error {
			n++
		}
	}
	return n
}

// Warnings counts the warnings.
func (l List) Warnings() int { return len(l) - l.Errors() }

// HasErrors reports whether the work must stop.
func (l List) HasErrors() bool { return l.Errors() > 0 }

// Err is l as an error where it holds errors, otherwise nil.
func (l List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return l
}

// Error is the one-line form of the first error and the number of the others.
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

// Tally says how many errors and warnings l holds, "2 errors, 1 warning".
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

// Count is "1 error", "2 errors".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
