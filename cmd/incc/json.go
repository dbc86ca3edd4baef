package main

import (
	"encoding/json"
	"io"
)

// writeJSON prints a value for programs, and for people who look over their
// shoulder.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
