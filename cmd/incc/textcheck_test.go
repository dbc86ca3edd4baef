package main

import (
	"strings"
	"testing"
)

func TestNotText(t *testing.T) {
	for _, x := range []struct{ file, text, want string }{
		{"a.incc", "net a\ninput 1x4x4\nfc 10\n", ""},
		{"a.incc", "", ""},
		{"a.incc", "# 网络 ünïcode\nnet a\n", ""},
		{"a.incc", "# caf\xe9, one byte of Latin-1\nnet a\n", ""}, // the parser reports the line
		{"a.incc", strings.Repeat("x", 7999) + "é", ""},           // cut within a character
		{"a.incc", "\xff\xfen\x00e\x00t\x00", "is UTF-16 text"},
		{"a.incc", "net a\x00", "is not a text file"},
		{"a.incc", strings.Repeat("\xe9\xff", 50), "is not a text file"},
		{"m.ONNX", "\x00\x01", "m.ONNX is an ONNX model, and this command takes the text of a spec only: incc summary m.ONNX shows its layers, incc train SPEC --init m.ONNX takes its weights"},
		{"m", "\x08\x08\x12\x04incc\x00", "is an ONNX model"},
		{"m", "\x08\x0a\x12\x04incc\x1a\x010", "is an ONNX model"}, // without a NUL
		{"m.onnx", "net a\ninput 1x4x4\n", ""},
		{"a.incc", "net a # \x01\x02\n", ""}, // the parser reports the line
		{"a.incc", "net a" + strings.Repeat("\x01z", 20), "is not a text file"},
		{"a", "\xff\xd8\xff\xe0\x00\x10JFIF", "looks like a JPEG picture"},
		{"a", "\x89PNG\r\n\x1a\n\x00", "looks like a PNG picture"},
		{"a", "RIFF\x00\x00\x00\x00WEBP", "looks like a WebP picture"},
		{"a", "PK\x03\x04\x00", "looks like a ZIP archive or a PyTorch checkpoint"},
		{"w", "\x10\x00\x00\x00\x00\x00\x00\x00{}", "looks like a safetensors file"},
	} {
		err := notText(x.file, []byte(x.text))
		if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("%q: %v, want %q", x.text[:min(len(x.text), 30)], err, x.want)
		}
	}
}
