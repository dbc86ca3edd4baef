package lsp

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// pictured is the text of the picture: that of the example with a mistake.
const pictured = `net digits
input image 1x28x28 range=0..1
labels mnist
default pad=same
default conv act=relu

block double k n = conv k n -> conv k n

stem: conv 5x5 16 -> maxpool 2x2/2
3a: inception 16  8 16 4  8  8
3b: double 3x3 32 -> maxpool 2x2/2
top: gap -> dropuot 0.4 -> fc 10 -> softmax
`

// Sizes of the picture, in pixels.
const (
	letterWidth = 8.4
	lineHeight  = 21.0
	leftEdge    = 52.0
	topEdge     = 16.0
	pictureWide = 760.0
)

// tokenColours are the colours of the types of tokens, in their order.
var tokenColours = []string{"#8250df", "#0550ae", "#953800", "#116329", "#0a3069", "#24292f", "#0a3069", "#6e7781", "#57606a", "#953800"}

// picture collects the elements of an SVG.
type picture struct{ strings.Builder }

func (p *picture) text(x, y float64, colour, s string) {
	width := letterWidth * float64(len([]rune(s)))
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
	fmt.Fprintf(p, "<text x=\"%.1f\" y=\"%.1f\" fill=\"%s\" xml:space=\"preserve\" textLength=\"%.1f\" lengthAdjust=\"spacingAndGlyphs\">%s</text>\n", x, y, colour, width, s)
}

// baseline is where the letters of a line stand.
func baseline(line int) float64 { return topEdge + lineHeight*(float64(line)+0.7) }

func column(c int) float64 { return leftEdge + letterWidth*float64(c) }

// tokens writes the text in the colours of the semantic tokens.
func (p *picture) tokens(text string, data []int) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := range lines {
		p.text(leftEdge-10-letterWidth*float64(len(fmt.Sprint(i+1))), baseline(i), "#8c959f", fmt.Sprint(i+1))
	}
	line, at := 0, 0
	for i := 0; i+4 < len(data); i += 5 {
		if line += data[i]; data[i] > 0 {
			at = 0
		}
		at += data[i+1]
		p.text(column(at), baseline(line), tokenColours[data[i+3]], lines[line][at:at+data[i+2]])
	}
}

// wave underlines a range.
func (p *picture) wave(r textRange) {
	y := baseline(r.Start.Line) + 4
	fmt.Fprintf(p, "<path fill=\"none\" stroke=\"#cf222e\" stroke-width=\"1.3\" d=\"M%.1f %.1f", column(r.Start.Character), y)
	for x := column(r.Start.Character); x < column(r.End.Character); x += 4 {
		fmt.Fprintf(p, "q1 -3 2 0t2 0")
	}
	p.WriteString("\"/>\n")
}

// panel writes lines of text in a frame.
func (p *picture) panel(x, y float64, colour string, lines []string) {
	width := 0
	for _, l := range lines {
		width = max(width, len([]rune(l)))
	}
	fmt.Fprintf(p, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"5\" fill=\"#f6f8fa\" stroke=\"%s\"/>\n", x, y, letterWidth*float64(width)+20, lineHeight*float64(len(lines))+10, colour)
	for i, l := range lines {
		p.text(x+10, y+lineHeight*(float64(i)+0.7)+5, "#24292f", l)
	}
}

// TestPicture draws what an editor shows of a session: the colours, the shapes at the ends of
// lines, a mistake with its message, and what a call of a block costs. The README has the
// picture. To draw it anew: go test ./dsl/lsp -run TestPicture -update
func TestPicture(t *testing.T) {
	c := start(t)
	c.hello("{}")
	whole := map[string]any{"textDocument": map[string]any{"uri": uri}, "range": textRange{End: position{Line: 100}}}
	problems := c.open(pictured)
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "dropout") {
		t.Fatalf("problems %+v", problems)
	}
	var tokens semanticTokens
	c.read("textDocument/semanticTokens/full", whole, &tokens)
	// A text with errors has no shapes: these are of the text with the mistake mended.
	c.open(strings.Replace(pictured, "dropuot", "dropout", 1))
	var hints []inlayHint
	c.read("textDocument/inlayHint", whole, &hints)
	_, at := marked(t, strings.Replace(pictured, "3b: double", "3b: dou‸ble", 1))
	var h hover
	c.read("textDocument/hover", where(at), &h)
	if err := c.bye(); err != nil {
		t.Error(err)
	}

	var p picture
	lines := strings.Count(pictured, "\n")
	height := topEdge + lineHeight*float64(lines+4)
	fmt.Fprintf(&p, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" font-family=\"Go Mono,ui-monospace,monospace\" font-size=\"14\" role=\"img\" aria-label=\"an editor with a network\">\n", pictureWide, height, pictureWide, height)
	fmt.Fprintf(&p, "<title>What an editor shows with incc lsp</title>\n<rect width=\"%.0f\" height=\"%.0f\" rx=\"8\" fill=\"#ffffff\" stroke=\"#d0d7de\"/>\n", pictureWide, height)
	word := h.Range
	fmt.Fprintf(&p, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#ddf4ff\"/>\n", column(word.Start.Character)-1, baseline(word.Start.Line)-15, letterWidth*float64(word.End.Character-word.Start.Character)+2, lineHeight)
	p.tokens(pictured, tokens.Data)
	for _, x := range hints {
		p.text(column(x.Position.Character)+10, baseline(x.Position.Line), "#8c959f", x.Label)
	}
	p.wave(problems[0].Range)
	p.panel(leftEdge, baseline(lines-1)+14, "#cf222e", strings.Split(problems[0].Code+": "+problems[0].Message, "\n"))
	var facts []string
	for _, l := range strings.Split(h.Contents.Value, "\n") {
		if l != "" && l != "---" && !strings.HasPrefix(l, "```") {
			facts = append(facts, l)
		}
	}
	p.panel(pictureWide-300, topEdge+lineHeight*5.3, "#8c959f", facts)
	p.WriteString("</svg>\n")
	golden(t, "editor.svg", p.String())
}

// read asks and reads the answer into a value.
func (c *client) read(method string, params, to any) {
	c.t.Helper()
	r, fault := c.ask(method, params)
	if fault != nil {
		c.t.Fatalf("%s: %+v", method, fault)
	}
	if err := json.Unmarshal(r, to); err != nil {
		c.t.Fatal(err)
	}
}
