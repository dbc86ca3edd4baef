package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir/diag"
)

// outputKind is a kind of file that a command writes under a name that the user gives.
type outputKind struct {
	name string // with its article
	ext  string // of such files, if they have one
	text bool
	is   func(head []byte) bool // whether a file with this beginning is of the kind
}

var (
	pngFile   = outputKind{"a PNG file", ".png", false, begins("\x89PNG\r\n\x1a\n")}
	svgFile   = outputKind{"an SVG file", ".svg", true, begins("<")}
	htmlFile  = outputKind{"an HTML page", ".html", true, begins("<!doctype html>")}
	pdfFile   = outputKind{"a PDF file", ".pdf", false, begins("%PDF-")}
	npyOutput = outputKind{"a .npy file", ".npy", false, begins("\x93NUMPY")}
	onnxFile  = outputKind{"an ONNX model", ".onnx", false, begins("\x08")} // its first field, ir_version
	// The length of the header, in 8 bytes, is before its JSON object.
	tensorsFile = outputKind{"a safetensors file", ".safetensors", false, func(h []byte) bool { return len(h) > 8 && h[8] == '{' }}
	jsonFile    = outputKind{"a JSON file", ".json", true, func(h []byte) bool { return slices.Contains([]byte("{["), h[0]) }}
	profileFile = outputKind{"a CPU profile", ".gz", false, begins("\x1f\x8b")} // compressed
	csvFile     = outputKind{"a CSV file", ".csv", true, isText}
	specFile    = outputKind{"a spec", ".incc", true, isText}
	mapFile     = outputKind{"a map of names", ".txt", true, isText}
)

func begins(s string) func([]byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(head, []byte(s)) }
}

// headBytes is how much of a file checkOutput reads.
const headBytes = 512

// isText reports whether the beginning of a file is UTF-8 text.
func isText(head []byte) bool {
	for i := 1; i < utf8.UTFMax && len(head) > headBytes-i && !utf8.Valid(head); i++ {
		head = head[:len(head)-1] // it may end within a character
	}
	return utf8.Valid(head) && !bytes.ContainsRune(head, 0)
}

// otherExtensions are those of files that no output may be called by, besides those of
// other kinds of outputs.
var otherExtensions = []string{".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".go", ".gz", ".zip",
	pngFile.ext, svgFile.ext, pdfFile.ext, htmlFile.ext, npyOutput.ext, onnxFile.ext, tensorsFile.ext, jsonFile.ext, csvFile.ext, specFile.ext}

// checkOutput returns an error if the name of an output is that of another kind of file,
// or if the output would replace a file of a run or a file of another kind.
func checkOutput(path string, kind outputKind) error {
	if toStdout(path) {
		return nil
	}
	if ext := strings.ToLower(filepath.Ext(path)); ext != kind.ext && slices.Contains(otherExtensions, ext) {
		return usagef("%s would be %s: want a name that ends in %s", diag.Quote(path), kind.name, kind.ext)
	}
	if isRunFile(path) || isConfusion(path) {
		return usagef("the output would replace %s, a file of a run: choose another name or folder", diag.Quote(path))
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil // there is nothing to lose, or writing tells what is wrong
	}
	f, _, err := files.Open(path)
	if p := (*files.PointerError)(nil); errors.As(err, &p) {
		return usagef("the output would replace %s, a pointer of Git LFS: choose another name", diag.Quote(path))
	} else if err != nil {
		return nil
	}
	defer f.Close()
	head := make([]byte, headBytes)
	n, err := io.ReadFull(f, head)
	if n == 0 {
		return err
	}
	if !kind.is(head[:n]) {
		return usagef("the output, %s, would replace %s, which is a file of another kind: choose another name, or delete that file first", kind.name, diag.Quote(path))
	}
	if ext := strings.ToLower(filepath.Ext(path)); ext == pngFile.ext || ext == svgFile.ext { // by which pictures are marked
		if own, err := isOwnPicture(path); err != nil || !own {
			return usagef("the output would replace %s, a picture that this version of incc did not draw: choose another name, or delete that file first", diag.Quote(path))
		}
	}
	return nil
}

// isConfusion reports whether a path names the confusion matrix of a run.
func isConfusion(path string) bool {
	if to, err := files.Resolve(path); err == nil {
		path = to
	}
	base := filepath.Base(path)
	return (base == "confusion.png" || base == "confusion.csv") && exists(filepath.Join(filepath.Dir(path), runStart))
}
