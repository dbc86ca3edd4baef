// Package snippet holds Go files that generated packages take along with no change
// but the name of their package. They are compiled and tested like any other code.
package snippet

import (
	_ "embed"
	"strings"
)

// Picture is picture.go: a decoded picture becomes the input of a network. It needs
// Scale in its package.
//
//go:embed picture.go
var Picture string

// Scale is scale.go: a decoded picture is scaled.
//
//go:embed scale.go
var Scale string

//go:embed noise.go
var noise string

// The files of package server are for commands. Decode, Formats and Orient are for
// package data of the executor too.
var (
	//go:embed server/budget.go
	Budget string
	//go:embed server/decode.go
	Decode string
	//go:embed server/formats.go
	Formats string
	//go:embed server/orient.go
	Orient string
	//go:embed server/server.go
	Server string
)

// As gives a file another package name.
func As(file, pkg string) string {
	head, rest, _ := strings.Cut(file, "\npackage ")
	_, body, _ := strings.Cut(rest, "\n")
	return head + "\npackage " + pkg + "\n" + body
}

// NoiseFunc is the text of Noise.
func NoiseFunc() string {
	_, body, _ := strings.Cut(noise, "package snippet\n")
	return strings.TrimSpace(body) + "\n"
}
