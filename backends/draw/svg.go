package draw

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// palette holds the colours of a class of boxes: fill and border, on a light and on a dark
// page.
type palette struct{ fill, stroke, darkFill, darkStroke string }

var palettes = map[string]palette{
	"conv":  {"#dbe9fb", "#3b73b9", "#1d3450", "#6fa3e0"},
	"pool":  {"#fbdcd8", "#c0483c", "#4c211d", "#e58a80"},
	"norm":  {"#e3f3dc", "#4e8f39", "#20391a", "#86c46f"},
	"join":  {"#d9f2ef", "#2f8a80", "#17393a", "#69c2b8"},
	"dense": {"#e8def8", "#7350b0", "#32254b", "#ab8ce0"},
	"act":   {"#f0f0f0", "#7a7a7a", "#333333", "#a0a0a0"},
	"out":   {"#fdf1c9", "#b28a12", "#453812", "#e0bd55"},
	"input": {"#f0f0f0", "#7a7a7a", "#333333", "#a0a0a0"},
	"group": {"#eef1f6", "#5d6b82", "#262c36", "#93a2bb"},
	"frame": {"none", "#8a94a6", "none", "#6b7789"},
}

// kinds lists the classes in a fixed order.
var kinds = []string{"conv", "pool", "norm", "join", "dense", "act", "out", "input", "group", "frame"}

// heats are the fills for numbers, from small to large.
var heats = [heatSteps]string{"#fff7ec", "#fee8c8", "#fdd49e", "#fdbb84", "#fc8d59", "#e34a33", "#b30000"}

// heatText is the colour of text on a fill for numbers.
func heatText(heat int) string {
	if heat >= heatSteps-1 {
		return "#ffffff"
	}
	return "#1b1f24"
}

const (
	pageLight, pageDark     = "#ffffff", "#15181d"
	textLight, textDark     = "#1b1f24", "#e6e9ee"
	detailLight, detailDark = "#4c5562", "#a9b2bf"
	edgeLight, edgeDark     = "#5d6673", "#8b95a3"
)

// Style is the style sheet of SVG, for light and for dark pages.
func Style() string {
	var b strings.Builder
	write := func(dark bool) {
		text, detail, edge := textLight, detailLight, edgeLight
		page := pageLight
		if dark {
			text, detail, edge, page = textDark, detailDark, edgeDark, pageDark
		}
		fmt.Fprintf(&b, ".page{fill:%s}text{fill:%s}.detail{fill:%s}.edge{stroke:%s}.tip{fill:%s}", page, text, detail, edge, edge)
		for _, k := range kinds {
			p := palettes[k]
			if dark {
				fmt.Fprintf(&b, ".%s{fill:%s;stroke:%s}", k, p.darkFill, p.darkStroke)
			} else {
				fmt.Fprintf(&b, ".%s{fill:%s;stroke:%s}", k, p.fill, p.stroke)
			}
		}
	}
	b.WriteString("text{font-family:Go,'Helvetica Neue',Helvetica,Arial,sans-serif}.bold{font-weight:bold}.edge{fill:none;stroke-width:1.3}.aux{stroke-dasharray:5 3}.frame{stroke-width:1;stroke-dasharray:2 2}.mark{stroke-width:3}")
	write(false)
	b.WriteString("@media (prefers-color-scheme:dark){")
	write(true)
	b.WriteString("}")
	for i, c := range heats {
		fmt.Fprintf(&b, ".h%d{fill:%s}.t%d{fill:%s}", i+1, c, i+1, heatText(i+1))
	}
	return b.String()
}

// num prints a coordinate with at most two decimals.
func num(v float64) string {
	s := strconv.FormatFloat(v, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}

// SVG writes the drawing as a document of its own. Each text is set to the width that the
// layout has for it, so that it fits with every font.
func (d *Drawing) SVG(w io.Writer) error {
	return d.svg(w, "<style>"+Style()+"</style>\n")
}

// InlineSVG writes the drawing for a page that has the style sheet [Style].
func (d *Drawing) InlineSVG(w io.Writer) error { return d.svg(w, "") }

func (d *Drawing) svg(w io.Writer, style string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%s\" height=\"%s\" viewBox=\"0 0 %s %s\" role=\"img\" aria-label=\"%s\">\n",
		num(d.Width), num(d.Height), num(d.Width), num(d.Height), escape(d.Name))
	fmt.Fprintf(&b, "<title>%s</title>\n%s", escape(d.Name), style)
	fmt.Fprintf(&b, "<rect class=\"page\" width=\"%s\" height=\"%s\"/>\n", num(d.Width), num(d.Height))
	for _, r := range d.rects {
		if r.class == "frame" {
			d.svgRect(&b, r)
		}
	}
	for _, l := range d.lines {
		class := "edge"
		if l.head {
			class += " aux"
		}
		fmt.Fprintf(&b, "<path class=\"%s\" d=\"%s\"/>\n", class, pathOf(l))
		if l.arrow {
			t := tip(l)
			fmt.Fprintf(&b, "<path class=\"tip\" d=\"M%s %sL%s %sL%s %sZ\"/>\n", num(t[0].x), num(t[0].y), num(t[1].x), num(t[1].y), num(t[2].x), num(t[2].y))
		}
	}
	for _, r := range d.rects {
		if r.class != "frame" {
			d.svgRect(&b, r)
		}
	}
	for _, t := range d.texts {
		class, anchor := t.class, ""
		if t.heat > 0 {
			class = fmt.Sprintf("t%d", t.heat)
		}
		if t.bold {
			class += " bold"
		}
		if t.middle {
			anchor = " text-anchor=\"middle\""
		}
		fmt.Fprintf(&b, "<text class=\"%s\" x=\"%s\" y=\"%s\" font-size=\"%s\"%s textLength=\"%s\" lengthAdjust=\"spacingAndGlyphs\">%s</text>\n",
			class, num(t.x), num(t.y), num(t.size), anchor, num(t.width), escape(t.text))
	}
	b.WriteString("</svg>\n")
	_, err := w.Write(b.Bytes())
	return err
}

func (d *Drawing) svgRect(b *bytes.Buffer, r rect) {
	class := r.class
	if r.heat > 0 {
		class += fmt.Sprintf(" h%d", r.heat)
	}
	if r.mark {
		class += " mark"
	}
	radius := "3"
	if r.class == "frame" {
		radius = "6"
	}
	fmt.Fprintf(b, "<rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" rx=\"%s\"", class, num(r.x), num(r.y), num(r.w), num(r.h), radius)
	if r.path != "" {
		fmt.Fprintf(b, " data-path=\"%s\"", escape(r.path))
	}
	if r.line > 0 {
		fmt.Fprintf(b, " data-line=\"%d\"", r.line)
	}
	if r.note == "" {
		b.WriteString("/>\n")
		return
	}
	fmt.Fprintf(b, "><title>%s</title></rect>\n", escape(r.note))
}

// pathOf returns the path of an edge, as SVG writes it. Corners are round.
func pathOf(l polyline) string {
	var b strings.Builder
	ps := l.points
	fmt.Fprintf(&b, "M%s %s", num(ps[0].x), num(ps[0].y))
	for _, c := range segments(l, corner) {
		switch {
		case c.cubic:
			fmt.Fprintf(&b, "C%s %s %s %s %s %s", num(c.a.x), num(c.a.y), num(c.b.x), num(c.b.y), num(c.to.x), num(c.to.y))
		default:
			fmt.Fprintf(&b, "L%s %s", num(c.to.x), num(c.to.y))
		}
	}
	return b.String()
}
