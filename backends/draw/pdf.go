package draw

import (
	"io"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
)

// PDF writes the drawing as one page with its fonts inside.
func (d *Drawing) PDF(w io.Writer) error {
	size := fpdf.SizeType{Wd: d.Width, Ht: d.Height}
	orientation := "P"
	if size.Wd > size.Ht {
		orientation = "L"
		size.Wd, size.Ht = size.Ht, size.Wd // NewCustom turns the page
	}
	f := fpdf.NewCustom(&fpdf.InitType{OrientationStr: orientation, UnitStr: "pt", Size: size})
	f.SetTitle(d.Name, true)
	f.SetCreator("incc", true)
	// The same drawing gives the same bytes.
	f.SetCreationDate(time.Unix(0, 0).UTC())
	f.SetModificationDate(time.Unix(0, 0).UTC())
	f.SetCatalogSort(true)
	f.SetAutoPageBreak(false, 0)
	f.SetMargins(0, 0, 0)
	f.AddUTF8FontFromBytes("Go", "", goregular.TTF)
	f.AddUTF8FontFromBytes("Go", "B", gobold.TTF)
	f.AddPage()
	p := &pdf{f}
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
		p.text(t)
	}
	return f.Output(w)
}

type pdf struct{ f *fpdf.Fpdf }

func (p *pdf) rect(r rect) {
	c := rgb(palettes[r.class].stroke)
	p.f.SetDrawColor(int(c.R), int(c.G), int(c.B))
	p.f.SetLineWidth(1)
	if r.class == "frame" {
		p.f.SetDashPattern([]float64{2, 2}, 0)
		p.f.RoundedRect(r.x, r.y, r.w, r.h, 6, "1234", "D")
		p.f.SetDashPattern(nil, 0)
		return
	}
	c = rgb(fillOf(r))
	p.f.SetFillColor(int(c.R), int(c.G), int(c.B))
	p.f.RoundedRect(r.x, r.y, r.w, r.h, 3, "1234", "FD")
}

func (p *pdf) edge(l polyline) {
	c := rgb(edgeLight)
	p.f.SetDrawColor(int(c.R), int(c.G), int(c.B))
	p.f.SetFillColor(int(c.R), int(c.G), int(c.B))
	p.f.SetLineWidth(1.3)
	if l.head {
		p.f.SetDashPattern([]float64{5, 3}, 0)
	}
	p.f.MoveTo(l.points[0].x, l.points[0].y)
	for _, s := range segments(l, corner) {
		if s.cubic {
			p.f.CurveBezierCubicTo(s.a.x, s.a.y, s.b.x, s.b.y, s.to.x, s.to.y)
		} else {
			p.f.LineTo(s.to.x, s.to.y)
		}
	}
	p.f.DrawPath("D")
	p.f.SetDashPattern(nil, 0)
	if l.arrow {
		t := tip(l)
		p.f.Polygon([]fpdf.PointType{{X: t[0].x, Y: t[0].y}, {X: t[1].x, Y: t[1].y}, {X: t[2].x, Y: t[2].y}}, "F")
	}
}

func (p *pdf) text(t label) {
	c := rgb(textColour(t))
	p.f.SetTextColor(int(c.R), int(c.G), int(c.B))
	style := ""
	if t.bold {
		style = "B"
	}
	p.f.SetFont("Go", style, t.size)
	x := t.x
	if t.middle {
		x -= t.width / 2
	}
	p.f.Text(x, t.y, t.text)
}
