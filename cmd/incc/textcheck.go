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
	text := looksLikeText(b)
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return fmt.Errorf("%s is UTF-16 text, but a spec must be UTF-8: save it as UTF-8", name)
	case beginsLikeONNX(b), !text && strings.EqualFold(filepath.Ext(file), ".onnx"):
		return fmt.Errorf("%s is an ONNX model, and this command takes the text of a spec only: incc summary %s shows its layers, incc train SPEC --init %s takes its weights", name, name, name)
	case text:
		return nil
	case looksLikeWeights(b):
		return fmt.Errorf("%s looks like a safetensors file of weights, but a spec is text: name the spec, and the weights with --weights", name)
	}
	for _, k := range binaries {
		if strings.HasPrefix(string(b[min(len(b), k.at):]), k.magic) {
			return fmt.Errorf("%s looks like %s, but a spec is text", name, k.what)
		}
	}
	return fmt.Errorf("%s is not a text file, so it is not a spec", name)
}

// looksLikeText reports whether the beginning of a file may be that of a text.
func looksLikeText(b []byte) bool {
	head := b[:min(len(b), 8000)]
	return bytes.IndexByte(head, 0) < 0 && badBytes(head) <= len(head)/10 && controls(b[:min(len(b), 1024)]) <= 8
}

// binaries are kinds of files that a user may name in place of a spec, with the bytes
// that they have at an offset.
var binaries = []struct {
	at          int
	magic, what string
}{
	{0, "\xff\xd8\xff", "a JPEG picture"},
	{0, "\x89PNG\r\n\x1a\n", "a PNG picture"},
	{0, "GIF8", "a GIF picture"},
	{0, "BM", "a BMP picture"},
	{0, "II*\x00", "a TIFF picture"},
	{0, "MM\x00*", "a TIFF picture"},
	{8, "WEBP", "a WebP picture"},
	{0, "\x93NUMPY", "a NumPy array"},
	{0, "PK\x03\x04", "a ZIP archive or a PyTorch checkpoint"},
	{0, "\x1f\x8b", "a gzip archive"},
	{0, "%PDF-", "a PDF document"},
}

// controls counts the control characters that a text does not have.
func controls(b []byte) int {
	n := 0
	for _, c := range b {
		if c < ' ' && !strings.ContainsRune("\t\n\v\f\r", rune(c)) || c == 0x7f {
			n++
		}
	}
	return n
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

// beginsLikeONNX reports whether a file begins like an ONNX model: with the field
// ir_version, a small number, and a field that may follow it.
func beginsLikeONNX(b []byte) bool {
	return len(b) > 2 && b[0] == 1<<3 && b[1] > 0 && b[1] < 32 && (b[2]&7 == 2 || b[2]&7 == 0) && b[2]>>3 >= 2 && b[2]>>3 <= 25
}

// looksLikeWeights reports whether a file begins like a safetensors file: with the
// length of its header in eight bytes, and the header, a JSON object.
func looksLikeWeights(b []byte) bool {
	return len(b) > 8 && b[8] == '{' && b[6] == 0 && b[7] == 0
}
