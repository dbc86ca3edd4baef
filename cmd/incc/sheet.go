package main

import (
	"fmt"
	"image"
	"image/color"
	"slices"

	"github.com/incc-lang/incc/backends/cpu/chart"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir/diag"
)

// sheet is a table of small pictures of one size, with the name of each row on the left.
type sheet struct {
	c, h, w int      // of a picture: channels, rows, columns
	heads   []string // of the columns; none where it is empty
	rows    []sheetRow
	foot    string // a line below the table
}

type sheetRow struct {
	name     string
	pictures [][]uint8 // CHW bytes
	below    []string  // a line below each picture; nil for none
}

const (
	sheetColumns = 16 // pictures of a class
	sheetRows    = 40
	sheetText    = 13  // pixels of a letter
	sheetName    = 180 // pixels of the widest name of a row
	sheetBelow   = 150 // pixels of the widest line below a picture
	sheetLeast   = 48  // pixels of the side of a picture; smaller ones are enlarged
)

// draw draws the table. Small pictures are enlarged by a whole number.
func (s *sheet) draw() image.Image {
	const gap = 4
	text := chart.NewWriter(sheetText)
	zoom := max(1, (sheetLeast+max(s.h, s.w)-1)/max(s.h, s.w))
	h, w := max(s.h*zoom, text.Height), s.w*zoom
	for _, head := range s.heads {
		w = max(w, text.Width(head))
	}
	name, columns, lines := 0, len(s.heads), 0
	for _, r := range s.rows {
		for _, line := range r.below {
			lines, w = text.Height, max(w, min(text.Width(line), sheetBelow))
		}
		name, columns = max(name, text.Width(r.name)), max(columns, len(r.pictures))
	}
	left, top := gap, gap
	if name > 0 {
		left += min(name, sheetName) + 2*gap
	}
	if len(s.heads) > 0 {
		top += text.Height + gap
	}
	width, height := left+columns*(w+gap), top+len(s.rows)*(h+lines+gap)
	if s.foot != "" {
		width, height = max(width, text.Width(s.foot)+2*gap), height+text.Height+gap
	}
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	for i, head := range s.heads {
		text.Write(img, image.Pt(left+i*(w+gap), gap), head)
	}
	for i, r := range s.rows {
		y := top + i*(h+lines+gap)
		text.Write(img, image.Pt(gap, y+(h-text.Height)/2), text.Fit(r.name, sheetName))
		for k, p := range r.pictures {
			s.picture(img, image.Pt(left+k*(w+gap), y), zoom, p)
			if k < len(r.below) {
				text.Write(img, image.Pt(left+k*(w+gap), y+h), text.Fit(r.below[k], w))
			}
		}
	}
	if s.foot != "" {
		text.Write(img, image.Pt(gap, height-text.Height-gap), s.foot)
	}
	return img
}

// picture draws a picture with its upper left corner at a point.
func (s *sheet) picture(dst *image.RGBA, at image.Point, zoom int, p []uint8) {
	n := s.h * s.w
	for y := range s.h * zoom {
		for x := range s.w * zoom {
			i := y/zoom*s.w + x/zoom
			c := color.RGBA{p[i], p[i], p[i], 255}
			if s.c == 3 {
				c.G, c.B = p[n+i], p[2*n+i]
			}
			dst.SetRGBA(at.X+x, at.Y+y, c)
		}
	}
}

// className names a class on a picture: by its number where the name cannot be drawn.
func className(names []string, class int) string {
	if class < len(names) && chart.Drawable(diag.Printable(names[class])) {
		return diag.Printable(names[class])
	}
	return fmt.Sprintf("class %d", class)
}

// firstOfClasses returns the first images of each class, at most some of each of the
// first classes.
func firstOfClasses(s *data.Set, classes, some int) [][]int {
	list := make([][]int, min(s.Classes, classes))
	for i, k := range s.Labels {
		if int(k) < len(list) && len(list[k]) < some {
			list[k] = append(list[k], i)
		}
	}
	return list
}

// contactSheet draws the first images of each class, one row for each class.
func contactSheet(s *data.Set) (image.Image, error) {
	sh := sheet{c: s.C, h: s.H, w: s.W}
	for class, images := range firstOfClasses(s, sheetRows, sheetColumns) {
		row := sheetRow{name: className(s.Names, class)}
		for _, i := range images {
			px, err := s.Image(i)
			if err != nil {
				return nil, err
			}
			row.pictures = append(row.pictures, px)
		}
		sh.rows = append(sh.rows, row)
	}
	if more := s.Classes - len(sh.rows); more > 0 {
		sh.foot = fmt.Sprintf("and %d more classes", more)
	}
	return sh.draw(), nil
}

// augmentedSheet draws pictures as the network sees them: a row begins with the picture
// as it is for evaluation, and goes on with those of the first epochs of a run with the
// seed and batches of that many pictures. t has been made for networks of c x h x w.
func augmentedSheet(t *data.Transform, s *data.Set, c, h, w, batch int, seed int64) (image.Image, error) {
	const epochs, rows = 8, 12
	sh := sheet{c: c, h: h, w: w, heads: []string{"evaluation"}}
	var images []int
	for _, l := range firstOfClasses(s, rows, max(1, rows/max(1, s.Classes))) {
		images = append(images, l...)
	}
	x := make([]float32, t.Size())
	see := func(k int, below string) {
		p := make([]uint8, t.Size())
		t.View(p, x)
		sh.rows[k].pictures = append(sh.rows[k].pictures, p)
		if t.Mixes() {
			sh.rows[k].below = append(sh.rows[k].below, below)
		}
	}
	for k, i := range images {
		sh.rows = append(sh.rows, sheetRow{name: className(s.Names, int(s.Labels[i]))})
		if err := t.Eval(x, s, i); err != nil {
			return nil, err
		}
		see(k, "")
	}
	for epoch := range epochs {
		sh.heads = append(sh.heads, fmt.Sprintf("epoch %d", epoch+1))
		order := data.Order(s.Len(), seed, epoch)
		for k, i := range images {
			// What is drawn for an image depends on its place in the epoch.
			l, err := t.TrainAt(x, s, order, batch, seed, epoch, slices.Index(order, int32(i)))
			if err != nil {
				return nil, err
			}
			see(k, mixedText(s.Names, l))
		}
	}
	return sh.draw(), nil
}

// mixedText names the labels of a mixed picture; "" for one that is not mixed.
func mixedText(names []string, l data.MixedLabels) string {
	if l.Share == 1 {
		return ""
	}
	return fmt.Sprintf("%s %.0f%%, %s", className(names, int(l.Label)), 100*l.Share, className(names, int(l.Other)))
}
