// Package snippet holds Go files that are copied into generated packages. Only the package
// clause of a copy differs. Here the files are compiled and tested like any other code.
package snippet

import (
	_ "embed"
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

// The texts of the files of package server, for generated commands. Package data of the
// executor has copies of Decode, Formats and Orient too, and the command incc of Pictures.
var (
	//go:embed server/answers.go
	Answers string
	//go:embed server/budget.go
	Budget string
	//go:embed server/decode.go
	Decode string
	//go:embed server/formats.go
	Formats string
	//go:embed server/orient.go
	Orient string
	//go:embed server/pictures.go
	Pictures string
	//go:embed server/server.go
	Server string
)

// As returns the text of a file with another package name.
func As(file, pkg string) string {
	head, rest, _ := strings.Cut(file, "\npackage ")
	_, body, _ := strings.Cut(rest, "\n")
	return head + "\npackage " + pkg + "\n" + body
}

// NoiseFunc returns the source text of the function Noise.
func NoiseFunc() string {
	_, body, _ := strings.Cut(noise, "package snippet\n")
	return strings.TrimSpace(body) + "\n"
}
