// Package snippet holds Go files that are copied into generated packages. Only the package
// clause of a copy differs. Here the files are compiled and tested like any other code.
package snippet

import (
	"embed"
	"strings"
)

// Picture is the text of picture.go, which turns a decoded picture into the input of a
// network. Its package must also contain Scale.
//
//go:embed picture.go
var Picture string

// Scale is the text of scale.go, which scales a decoded picture.
//
//go:embed scale.go
var Scale string

//go:embed noise.go
var noise string

//go:embed whole.go
var whole string

//go:embed server/access.go server/answers.go server/batch.go server/budget.go server/decode.go server/formats.go
//go:embed server/listen.go server/metrics.go server/orient.go server/pictures.go server/server.go server/upload.go
var program embed.FS

// File is a file of package server: its name without .go, and its text.
type File struct{ Name, Text string }

// Program returns the files of package server, for generated commands, in the order of their
// names. Package data of the executor has copies of decode, formats and orient too, and the
// command incc of pictures.
func Program() []File {
	list, err := program.ReadDir("server")
	if err != nil {
		panic(err) // the folder is embedded
	}
	var out []File
	for _, e := range list {
		name := strings.TrimSuffix(e.Name(), ".go")
		out = append(out, File{name, Text(name)})
	}
	return out
}

// Text returns the text of a file of package server, "" if there is none of this name.
func Text(name string) string {
	b, err := program.ReadFile("server/" + name + ".go")
	if err != nil {
		return ""
	}
	return string(b)
}

// As returns the text of a file with another package name.
func As(file, pkg string) string {
	head, rest, _ := strings.Cut(file, "\npackage ")
	_, body, _ := strings.Cut(rest, "\n")
	return head + "\npackage " + pkg + "\n" + body
}

// NoiseFunc returns the source text of the function Noise.
func NoiseFunc() string { return body(noise) }

// WholeFunc returns the source text of the function Whole.
func WholeFunc() string { return body(whole) }

// body returns the text of a file behind its package clause.
func body(file string) string {
	_, text, _ := strings.Cut(file, "package snippet\n")
	return strings.TrimSpace(text) + "\n"
}
