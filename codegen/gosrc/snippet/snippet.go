// Package snippet holds Go that generated packages take along as it stands here,
// but for the name of its package. It is compiled and tested like any other code.
package snippet

import (
	_ "embed"
	"strings"
)

// Picture is picture.go.
//
//go:embed picture.go
var Picture string

//go:embed noise.go
var noise string

// As gives a file another package name.
func As(file, pkg string) string {
	head, body, _ := strings.Cut(file, "\npackage snippet\n")
	return head + "\npackage " + pkg + "\n" + body
}

// NoiseFunc is the text of Noise.
func NoiseFunc() string {
	_, body, _ := strings.Cut(noise, "package snippet\n")
	return strings.TrimSpace(body) + "\n"
}
