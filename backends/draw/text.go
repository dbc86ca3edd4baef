package draw

import (
	"math"
	"sync"

	"github.com/golang/freetype/truetype"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/math/fixed"
)

// Sizes of text, in pixels.
const (
	textSize  = 12.0
	titleSize = 13.0
	leading   = 15.0 // from line to line in a box
)

// fonts are the Go fonts, regular and bold.
var fonts = sync.OnceValue(func() [2]*truetype.Font {
	var f [2]*truetype.Font
	for i, b := range [][]byte{goregular.TTF, gobold.TTF} {
		p, err := truetype.Parse(b)
		if err != nil {
			panic(err) // the fonts are part of the program
		}
		f[i] = p
	}
	return f
})

func fontOf(bold bool) *truetype.Font {
	if bold {
		return fonts()[1]
	}
	return fonts()[0]
}

// textWidth returns the width of a text in pixels, as a multiple of a quarter: with such
// numbers the layout computes the same on every machine. A character that the Go fonts lack
// counts as wide as it is high, which other fonts do not exceed.
func textWidth(s string, size float64, bold bool) float64 {
	f := fontOf(bold)
	scale := fixed.Int26_6(f.FUnitsPerEm())
	var w float64
	for _, r := range s {
		i := f.Index(r)
		if i == 0 {
			w += size
			continue
		}
		w += float64(f.HMetric(scale, i).AdvanceWidth) / float64(scale) * size
	}
	return math.Ceil(4*w) / 4
}

// cut shortens a text to a width; an ellipsis stands for what is missing.
func cut(s string, width, size float64, bold bool) string {
	if textWidth(s, size, bold) <= width {
		return s
	}
	room := width - textWidth("…", size, bold)
	w, end := 0.0, 0 // of the longest beginning with room for an ellipsis
	for i, r := range s {
		w += textWidth(string(r), size, bold)
		if w <= room {
			end = i + len(string(r))
		}
		if w > width {
			break
		}
	}
	return s[:end] + "…"
}
