package chart

import (
	"github.com/go-analyze/charts/chartdraw"
	"golang.org/x/text/unicode/norm"

	"github.com/incc-lang/incc/backends/cpu/chart/unifont"
)

// run is a part of a text: either characters of the font of the charts, or one character
// that the font lacks.
type run struct {
	text  string
	glyph *unifont.Glyph
}

// runsOf divides a text. A letter and its accent become one character where there is such
// a one; macOS writes them apart in the names of files. A character that has no picture
// stays in the text, where the font draws a box.
func runsOf(s string) []run {
	s = norm.NFC.String(s)
	font := chartdraw.GetDefaultFont()
	var runs []run
	begin := 0
	for i, r := range s {
		if font.Index(r) != 0 {
			continue
		}
		if g, ok := unifont.Lookup(r); ok {
			if begin < i {
				runs = append(runs, run{text: s[begin:i]})
			}
			runs, begin = append(runs, run{glyph: &g}), i+len(string(r))
		}
	}
	if begin < len(s) {
		runs = append(runs, run{text: s[begin:]})
	}
	return runs
}

// Drawable reports whether every character of a text has a form to draw.
func Drawable(s string) bool {
	font := chartdraw.GetDefaultFont()
	for _, r := range norm.NFC.String(s) {
		if font.Index(r) == 0 {
			if _, ok := unifont.Lookup(r); !ok {
				return false
			}
		}
	}
	return true
}

// pictures reports whether a text has characters that the font lacks.
func pictures(s string) bool {
	runs := runsOf(s)
	return len(runs) > 1 || len(runs) == 1 && runs[0].glyph != nil
}
