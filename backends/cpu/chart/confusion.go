package chart

import (
	"io"
	"math"
	"strconv"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"

	"github.com/incc-lang/incc/backends/cpu/chart/unifont"
	"github.com/incc-lang/incc/ir/diag"
)

// Cell is how often one class was taken for another, or for itself.
type Cell struct{ Label, Predicted, Count int }

// The limits of a picture of a confusion matrix.
const (
	gridSide  = 720 // pixels of the matrix; more classes than that share pixels
	countsTo  = 24  // classes whose counts are written into the cells
	namesTo   = 60  // classes whose names are written at the sides
	nameWidth = 24  // longer names are cut; a Chinese character counts as two
)

// WriteConfusionPNG draws a confusion matrix: rows are labels, columns predictions. A
// cell is the darker, the larger its part of the row: blue on the diagonal, red
// elsewhere. Names and counts are written where they fit; a
// class whose name has characters that cannot be drawn has its number. The picture is about 1000
// pixels wide and high at most: of more than 720 classes, several share a row.
func WriteConfusionPNG(w io.Writer, classes int, cells []Cell, names []string) error {
	const margin, labels, numbers = 10, 26, 30
	perBin := max(1, (classes+gridSide-1)/gridSide)
	bins := (classes + perBin - 1) / perBin
	side := min(48, (gridSide+bins/2)/max(1, bins))
	p := pen{Renderer: chartdraw.PNG(1, 1)} // to measure text with
	p.SetDPI(drawing.DefaultDPI)

	nameSize := min(10, 0.7*float64(side))
	called := make([]string, 0, namesTo)
	side0 := numbers // room for what is written along a side
	if classes <= namesTo {
		for k := range classes {
			name := strconv.Itoa(k)
			if k < len(names) && Drawable(names[k]) && (side >= unifont.Height || !pictures(names[k])) {
				name = diag.Shorten(names[k], nameWidth)
			}
			called = append(called, name)
			side0 = max(side0, p.width(name, nameSize)+8)
		}
	}
	left, top, grid := labels+side0, labels+side0, bins*side
	width, height := left+max(grid, 60)+margin, top+max(grid, 60)+margin
	p.Renderer = chartdraw.PNG(width, height)
	p.SetDPI(drawing.DefaultDPI)
	p.rect(0, 0, width, height, white)

	p.text("predicted", left+grid/2, 14, 11, 0, middle)
	p.text("label", 14, top+grid/2, 11, -math.Pi/2, middle)
	for y, row := range binned(bins, perBin, cells) {
		for x, count := range row.counts {
			v := math.Pow(float64(count)/float64(row.total), 0.25) // shows single mistakes among thousands
			p.rect(left+x*side, top+y*side, side, side, shade(v, x == y))
		}
	}
	if classes <= countsTo {
		for i := range classes + 1 {
			p.line(gridInk, 1, nil, left, top+i*side, left+grid, top+i*side)
			p.line(gridInk, 1, nil, left+i*side, top, left+i*side, top+grid)
		}
		for _, c := range cells {
			text := ink
			if c.Label == c.Predicted {
				text = white
			}
			p.ink(text).text(strconv.Itoa(c.Count), left+c.Predicted*side+side/2, top+c.Label*side+side/2, min(10, 0.3*float64(side)), 0, middle)
		}
	} else {
		p.line(gridInk, 1, nil, left, top, left+grid, top, left+grid, top+grid, left, top+grid, left, top)
	}
	for k, name := range called {
		p.text(name, left-5, top+k*side+side/2, nameSize, 0, end)
		p.text(name, left+k*side+side/2, top-5, nameSize, -math.Pi/2, begin)
	}
	if classes > namesTo {
		step := int(max(1, niceStep(float64(classes)/10)))
		for k := 0; k < classes; k += step {
			at := (k/perBin)*side + side/2
			p.text(strconv.Itoa(k), left-8, top+at, 9, 0, end)
			p.line(ink, 1, nil, left-4, top+at, left, top+at)
			p.text(strconv.Itoa(k), left+at, top-8, 9, -math.Pi/2, begin)
			p.line(ink, 1, nil, left+at, top-4, left+at, top)
		}
	}
	return p.Save(w)
}

// binRow is one row of the picture.
type binRow struct {
	total  int
	counts map[int]int // by column
}

// binned adds the cells of perBin classes up to rows and columns of the picture.
func binned(bins, perBin int, cells []Cell) []binRow {
	rows := make([]binRow, bins)
	for _, c := range cells {
		r := &rows[c.Label/perBin]
		if r.counts == nil {
			r.counts = map[int]int{}
		}
		r.total += c.Count
		if y, x := c.Label/perBin, c.Predicted/perBin; x != y || c.Label == c.Predicted {
			r.counts[x] += c.Count
		} // of a mistake between two classes that share a pixel the CSV tells
	}
	return rows
}

// shade is the colour of a cell with v in 0 to 1.
func shade(v float64, right bool) drawing.Color {
	if right {
		return drawing.Color{R: uint8(255 - 215*v), G: uint8(255 - 175*v), B: uint8(255 - 75*v), A: 255}
	}
	return drawing.Color{R: 255, G: uint8(255 - 215*v), B: uint8(255 - 215*v), A: 255}
}
