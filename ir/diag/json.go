package diag

import (
	"encoding/json"
	"io"
	"strings"
)

// jsonSpan is a place in JSON. Lines and columns count from 1, columns in bytes. EndCol
// is the first column after the span.
type jsonSpan struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Col    int    `json:"col"`
	EndCol int    `json:"end_col"`
}

func place(s Span) jsonSpan {
	return jsonSpan{s.File, s.Line, s.Col, s.Col + s.Len}
}

type jsonRelated struct {
	jsonSpan
	Message string `json:"message"`
}

type jsonSuggestion struct {
	Span        jsonSpan `json:"span"`
	Replacement string   `json:"replacement"`
}

type jsonDiagnostic struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	jsonSpan
	Message    string          `json:"message"`
	Label      string          `json:"label,omitempty"`
	Help       []string        `json:"help,omitempty"`
	Related    []jsonRelated   `json:"related,omitempty"`
	Suggestion *jsonSuggestion `json:"suggestion,omitempty"`
}

// WriteJSON writes the problems as JSON, one object on each line. Unprintable
// characters are written as JSON escapes (\u001b).
func (l List) WriteJSON(w io.Writer) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, d := range l {
		j := jsonDiagnostic{Code: d.Code, Severity: d.Severity.String(), jsonSpan: place(d.Span), Message: d.Summary, Label: d.Label, Help: d.Help}
		for _, r := range d.Related {
			j.Related = append(j.Related, jsonRelated{place(r.Span), r.Label})
		}
		if s := d.Suggestion; s != nil {
			j.Suggestion = &jsonSuggestion{place(s.Span), s.Replacement}
		}
		if err := enc.Encode(j); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, asciiControls(b.String()))
	return err
}

// asciiControls escapes characters that encoding/json does not escape but a terminal
// interprets or hides: C1 controls, DEL and invisible characters. In JSON they occur
// only inside strings, so an escape is always possible.
func asciiControls(s string) string {
	if printable(strings.ReplaceAll(s, "\n", "")) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || hasImage(r, 2) {
			b.WriteRune(r)
			continue
		}
		const hex = "0123456789abcdef"
		u := []rune{r}
		if r > 0xffff {
			r -= 0x10000
			u = []rune{0xd800 + r>>10, 0xdc00 + r&0x3ff}
		}
		for _, c := range u {
			b.WriteString(`\u` + string([]byte{hex[c>>12&15], hex[c>>8&15], hex[c>>4&15], hex[c&15]}))
		}
	}
	return b.String()
}
