package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/incc-lang/incc/ir/diag"
)

// writeJSON prints a value as indented JSON.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeJSON(b.Bytes()))
	return err
}

// writeLineJSON prints a value as JSON in one line.
func writeLineJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(escapeJSON(b), '\n'))
	return err
}

// jsonNumber is a number for JSON, which has none for NaN and the infinities: they become the
// texts "NaN", "Infinity" and "-Infinity".
func jsonNumber[T float32 | float64](x T) any {
	switch f := float64(x); {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return x
}

// jsonNumbers are numbers for JSON, as jsonNumber writes them.
func jsonNumbers(x []float32) []any {
	list := make([]any, len(x))
	for i, v := range x {
		list[i] = jsonNumber(v)
	}
	return list
}

// escapeJSON escapes the runes that control a terminal or that it does not show.
// encoding/json leaves some of them, such as those that reverse the direction of text.
func escapeJSON(b []byte) []byte {
	var out []byte
	done := 0
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r >= utf8.RuneSelf && !diag.Visible(r) {
			out = append(out, b[done:i]...)
			units := utf16.AppendRune(nil, r)
			for _, u := range units {
				out = fmt.Appendf(out, `\u%04x`, u)
			}
			done = i + n
		}
		i += n
	}
	return append(out, b[done:]...)
}
