package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/incc-lang/incc/ir/diag"
)

// notText returns an error if a file clearly does not hold the text of a spec; the error
// says what the file holds. A few bad bytes in a text are no error here: the parser
// reports them with their line.
func notText(file string, b []byte) error {
	name := diag.Printable(file)
	head := b[:min(len(b), 8000)]
	nul := bytes.IndexByte(head, 0) >= 0
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return fmt.Errorf("%s is UTF-16 text, but a spec must be UTF-8: save it as UTF-8", name)
	case !nul && badBytes(head) <= len(head)/10:
		return nil
	case looksLikeONNX(file, b):
		return fmt.Errorf("%s looks like an ONNX model, but a spec is text: incc verify %s checks a model", name, name)
	case looksLikeWeights(b):
		return fmt.Errorf("%s looks like a safetensors file of weights, but a spec is text: name the spec, and the weights with --weights", name)
	}
	return fmt.Errorf("%s is not a text file, so it is not a spec", name)
}

// badBytes counts the bytes that are not part of a UTF-8 character.
func badBytes(b []byte) int {
	n := 0
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 && utf8.FullRune(b) {
			n++
		}
		b = b[size:]
	}
	return n
}

// looksLikeONNX reports whether a file has the extension .onnx or begins like an ONNX
// model: with the field ir_version, a small number.
func looksLikeONNX(file string, b []byte) bool {
	return strings.EqualFold(filepath.Ext(file), ".onnx") || len(b) > 2 && b[0] == 1<<3 && b[1] > 0 && b[1] < 32 && b[2] == 2<<3|2
}

// looksLikeWeights reports whether a file begins like a safetensors file: with the
// length of its header in eight bytes, and the header, a JSON object.
func looksLikeWeights(b []byte) bool {
	return len(b) > 8 && b[8] == '{' && b[6] == 0 && b[7] == 0
}
