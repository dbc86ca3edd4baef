package draw

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"strconv"

	"github.com/golang/freetype"
	"github.com/golang/freetype/raster"
	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"

	"github.com/incc-lang/incc/ir/diag"
)

// maxPixels is the number of pixels that a PNG has at most.
const maxPixels = 100_000_000

// PNG writes the drawing as a picture on a light page, scale pixels for each of the layout's.
func (d *Drawing) PNG(w io.Writer, scale float64) error {
	width, height := d.Width*scale, d.Height*scale
	if !(scale > 0) || width*height > maxPixels {
		return fmt.Errorf("a picture of %.0fx%.0f pixels has more than %s: use a smaller scale, or SVG", width, height, diag.Thousands(maxPixels))
	}
	p := &painter{img: image.NewRGBA(image.Rect(0, 0, int(width+0.5), int(height+0.5))), scale: scale}
	draw.Draw(p.img, p.img.Bounds(), image.NewUniform(rgb(pageLight)), image.Point{}, draw.Src)
	p.raster = raster.NewRasterizer(p.img.Bounds().Dx(), p.img.Bounds().Dy())
	for _, r := range d.rects {
		if r.class == "frame" {
			p.rect(r)
		}
	}
	for _, l := range d.lines {
		p.edge(l)
	}
	for _, r := range d.rects {
		if r.class != "frame" {
			p.rect(r)
		}
	}
	for _, t := range d.texts {
		if err := p.text(t); err != nil {
			return err
		}
	}
	return png.Encode(w, p.img)
}

// textColour is the colour of a text on a light page.
func textColour(t label) string {
	switch {
	case t.heat > 0:
		return heatText(t.heat)
	case t.class == "detail":
		return detailLight
	}
	return textLight
}

// fillOf is the fill of a box on a light page.
func fillOf(r rect) string {
	if r.heat > 0 {
		return heats[r.heat-1]
	}
	return palettes[r.class].fill
}

// rgb reads a colour as #rrggbb.
func rgb(s string) color.RGBA {
	v, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		panic(err) // the palette is part of the program
	}
	return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255}
}

type painter struct {
	img    *image.RGBA
	raster *raster.Rasterizer
	scale  float64
}

func (p *painter) at(q point) fixed.Point26_6 {
	return fixed.Point26_6{X: fixed.Int26_6(q.x * p.scale * 64), Y: fixed.Int26_6(q.y * p.scale * 64)}
}

func (p *painter) fill(path raster.Path, c string) {
	p.raster.Clear()
	p.raster.AddPath(path)
	p.paint(c)
}

func (p *painter) stroke(path raster.Path, width float64, c string) {
	p.raster.Clear()
	p.raster.AddStroke(path, fixed.Int26_6(width*p.scale*64), raster.ButtCapper, raster.RoundJoiner)
	p.paint(c)
}

func (p *painter) paint(c string) {
	r := raster.NewRGBAPainter(p.img)
	r.SetColor(rgb(c))
	p.raster.Rasterize(r)
}

func (p *painter) rect(r rect) {
	radius := 3.0
	if r.class == "frame" {
		radius = 6
	}
	l := polyline{points: []point{{r.x + r.w/2, r.y}, {r.x + r.w, r.y}, {r.x + r.w, r.y + r.h}, {r.x, r.y + r.h}, {r.x, r.y}, {r.x + r.w/2, r.y}}}
	path := p.lines(flatten(l, radius))
	if r.class == "frame" {
		for _, piece := range dashes(flatten(l, radius), 2, 2) {
			p.stroke(p.lines(piece), 1, palettes["frame"].stroke)
		}
		return
	}
	p.fill(path, fillOf(r))
	p.stroke(path, 1, palettes[r.class].stroke)
}

func (p *painter) lines(ps []point) raster.Path {
	var out raster.Path
	out.Start(p.at(ps[0]))
	for _, q := range ps[1:] {
		out.Add1(p.at(q))
	}
	return out
}

func (p *painter) edge(l polyline) {
	if l.head {
		for _, piece := range dashes(flatten(l, corner), 5, 3) {
			p.stroke(p.lines(piece), 1.3, edgeLight)
		}
	} else {
		p.stroke(p.lines(flatten(l, corner)), 1.3, edgeLight)
	}
	if l.arrow {
		t := tip(l)
		p.fill(p.lines([]point{t[0], t[1], t[2], t[0]}), edgeLight)
	}
}

func (p *painter) text(t label) error {
	c := freetype.NewContext()
	c.SetDPI(72)
	c.SetFont(fontOf(t.bold))
	c.SetFontSize(t.size * p.scale)
	c.SetClip(p.img.Bounds())
	c.SetDst(p.img)
	c.SetHinting(font.HintingNone)
	c.SetSrc(image.NewUniform(rgb(textColour(t))))
	x := t.x
	if t.middle {
		x -= t.width / 2
	}
	_, err := c.DrawString(t.text, p.at(point{x, t.y}))
	return err
}
