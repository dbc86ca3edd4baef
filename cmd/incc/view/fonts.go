package view

import (
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
)

// font is one of the Go fonts. Drawings are laid out for them, and with them the page looks
// the same on every machine.
type font struct {
	file, family, weight string
	data                 []byte
}

var fonts = []font{
	{"go.ttf", "Go", "normal", goregular.TTF},
	{"go-bold.ttf", "Go", "bold", gobold.TTF},
	{"go-mono.ttf", "Go Mono", "normal", gomono.TTF},
}

// fontStyle declares the fonts; address returns where one is.
func fontStyle(address func(font) string) string {
	var b strings.Builder
	for _, f := range fonts {
		fmt.Fprintf(&b, "@font-face{font-family:%q;font-weight:%s;src:url(%s)}\n", f.family, f.weight, address(f))
	}
	return b.String()
}

// inside is the address of a font in a page that is one file.
func inside(f font) string {
	return "data:font/ttf;base64," + base64.StdEncoding.EncodeToString(f.data)
}

func fileOf(f font) string { return f.file }
