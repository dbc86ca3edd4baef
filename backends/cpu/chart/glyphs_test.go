package chart

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strconv"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/chart/unifont"
)

// shows reports whether a picture has a character, and whether it has it turned to the left.
func shows(img image.Image, r rune) (level, turned bool) {
	g, ok := unifont.Lookup(r)
	if !ok {
		return false, false
	}
	dark := func(x, y int) bool { return color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y < 100 }
	at := func(ox, oy int, turn bool) bool {
		for y := range unifont.Height {
			for x := range g.Width {
				px, py := ox+x, oy+y
				if turn {
					px, py = ox+y, oy+g.Width-1-x
				}
				if dark(px, py) != g.At(x, y) {
					return false
				}
			}
		}
		return true
	}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			level = level || at(x, y, false)
			turned = turned || at(x, y, true)
		}
	}
	return level, turned
}

func confusionOf(t *testing.T, names []string) []byte {
	t.Helper()
	var cells []Cell
	for i := range names {
		cells = append(cells, Cell{i, i, 3})
	}
	var b bytes.Buffer
	if err := WriteConfusionPNG(&b, len(names), cells, names); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestNamesBeyondTheFont draws names in scripts that the font of the charts does not have.
func TestNamesBeyondTheFont(t *testing.T) {
	img, err := png.Decode(bytes.NewReader(confusionOf(t, []string{"猫", "dog 犬", "한", "кот", "か\u3099"})))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range "猫犬한кот" + "が" { // the last is one character in place of two
		if level, turned := shows(img, r); !level || !turned {
			t.Errorf("%c is shown: at the left %v, at the top %v", r, level, turned)
		}
	}
	if level, _ := shows(img, '鳥'); level {
		t.Error("a character that no name has is shown")
	}
	// A name that cannot be drawn is the number of its class.
	if !bytes.Equal(confusionOf(t, []string{"a", "🐈", "ไทย"}), confusionOf(t, []string{"a", "1", "2"})) {
		t.Error("a name that cannot be drawn is not replaced by its number")
	}
	// Rows lower than a character have numbers too.
	many, numbers := make([]string, 50), make([]string, 50)
	for i := range many {
		many[i], numbers[i] = "猫", strconv.Itoa(i)
	}
	if !bytes.Equal(confusionOf(t, many), confusionOf(t, numbers)) {
		t.Error("50 Japanese names are not replaced by numbers")
	}

	panel := Panel{Title: "損失", Curves: []Curve{{Name: "実験", Points: []Point{{0, 1}, {1, 2}}}}}
	var b, svg bytes.Buffer
	if err := WritePNG(&b, panel); err != nil {
		t.Fatal(err)
	}
	if img, err = png.Decode(&b); err != nil {
		t.Fatal(err)
	}
	for _, r := range "損失実験" {
		if level, _ := shows(img, r); !level {
			t.Errorf("the chart does not show %c", r)
		}
	}
	if err := WriteSVG(&svg, panel); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(svg.String(), ">損失<") || !strings.Contains(svg.String(), ">実験<") {
		t.Error("the SVG file has no text of the names")
	}
}

// TestWriterBeyondTheFont writes and cuts such names on pictures.
func TestWriterBeyondTheFont(t *testing.T) {
	w := NewWriter(13)
	img := image.NewGray(image.Rect(0, 0, 200, w.Height))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	w.Write(img, image.Pt(3, 0), "ab 猫と犬")
	for _, r := range "猫と犬" {
		if level, _ := shows(img, r); !level {
			t.Errorf("%c is not written whole", r)
		}
	}
	if got, want := w.Width("猫と犬"), 48; got != want {
		t.Errorf("three characters are %d pixels wide, want %d", got, want)
	}
	if got := w.Fit("とても長い名前", 70); got != "とても…" && got != "とても長…" || w.Width(got) > 70 {
		t.Errorf("Fit returns %q", got)
	}
	if got := w.Fit("xxe\u0301", w.Width("xxe\u0301")-1); got != "xx…" && got != "x…" {
		t.Errorf("Fit returns %q", got)
	}
}
