package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/chart"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir/recipe"
)

// TestAugmentedSheet: the columns of epochs are the pictures that a run gets in its
// first epochs, mixed in the batches of the run where its recipe mixes.
func TestAugmentedSheet(t *testing.T) {
	t.Run("alone", func(t *testing.T) { augmentedSheetOf(t, 1, recipe.Augment{Flip: .5, Rotate: 20, Brightness: .3}) })
	t.Run("mixed", func(t *testing.T) { augmentedSheetOf(t, 4, recipe.Augment{Flip: .5, Mixup: 1, CutMix: 1, MixProb: .8}) })
}

func augmentedSheetOf(t *testing.T, size int, a recipe.Augment) {
	const side, classes, images, seed = 48, 3, 9, 5 // not enlarged
	s := &data.Set{C: 3, H: side, W: side, Classes: classes, Names: []string{"ä", "b", "c"}, Pixels: make([]uint8, images*3*side*side)}
	for i := range s.Pixels {
		s.Pixels[i] = uint8(i * 31 / 7)
	}
	for i := range images {
		s.Labels = append(s.Labels, int32(i%classes))
	}
	in := &recipe.Input{Lo: 0, Hi: 1, Mean: []float64{.5, .4, .3}, Std: []float64{.2, .3, .4}, Order: "bgr"}
	tr, err := data.NewTransform(s, in, []recipe.Augment{a}, 3, side, side)
	if err != nil {
		t.Fatal(err)
	}
	img, err := augmentedSheet(tr, s, 3, side, side, size, seed)
	if err != nil {
		t.Fatal(err)
	}
	// Names are on the left and heads above, so pictures are counted from the right and
	// from below. A column is as wide as its head where that is wider.
	text := chart.NewWriter(sheetText)
	wide, high := max(side, text.Width("evaluation")), side
	if tr.Mixes() {
		high += text.Height
	}
	rows, columns := images, 1+8
	b := img.Bounds()
	if tr.Mixes() { // a line below a picture may be wider than that; the name of a row is short
		wide = (b.Dx()-4-text.Width("ä")-8)/columns - 4
	}
	if b.Dy() < rows*side || b.Dx() < columns*side {
		t.Fatalf("%v", b)
	}
	at := func(row, column, x, y int) color.Color {
		return img.At(b.Dx()-(columns-column)*(wide+4)+x, b.Dy()-(rows-row)*(high+4)+y)
	}
	mixed := 0
	for epoch := range 2 {
		batches := data.NewBatches(tr, s, size, seed, epoch, 0)
		order := data.Order(images, seed, epoch)
		for {
			batch, err := batches.Next()
			if err != nil {
				t.Fatal(err)
			}
			if batch == nil {
				break
			}
			if batch.Others != nil {
				mixed++
			}
			for n := range size {
				want := make([]uint8, tr.Size())
				tr.View(want, batch.Images[n*tr.Size():][:tr.Size()])
				i := int(order[batch.Step*size+n])
				row := i/classes + i%classes*(images/classes)
				for _, p := range []image.Point{{0, 0}, {20, 7}, {47, 47}, {3, 40}} {
					k := p.Y*side + p.X
					w := color.RGBA{want[k], want[side*side+k], want[2*side*side+k], 255}
					if got := at(row, 1+epoch, p.X, p.Y); got != w {
						t.Fatalf("epoch %d, image %d: pixel %v is %v, want %v", epoch, i, p, got, w)
					}
				}
			}
			batches.Done(batch)
		}
		batches.Close()
	}
	if tr.Mixes() != (mixed > 0) {
		t.Errorf("%d batches are mixed", mixed)
	}
}

// TestMixedText: a mixed picture names both of its labels.
func TestMixedText(t *testing.T) {
	names := []string{"cat", "dog"}
	for want, l := range map[string]data.MixedLabels{"": {Label: 1, Other: 1, Share: 1}, "dog 70%, cat": {Label: 1, Other: 0, Share: .7}, "cat 55%, class 2": {Label: 0, Other: 2, Share: .55}} {
		if got := mixedText(names, l); got != want {
			t.Errorf("%+v is %q, want %q", l, got, want)
		}
	}
}

// TestSheets: the flags of incc data inspect that draw, and what they refuse.
func TestSheets(t *testing.T) {
	predictPets(t)
	for _, dir := range []string{"set/one", "set/Zwei ö", "set/three"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a.png", "b.png", "c.png"} {
			b, err := os.ReadFile("pets/red.png")
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	command(t, "data", "inspect", "set", "--sheet", "s.png")
	command(t, "data", "inspect", "set", "--spec", "pets.incc", "--augmented", "a.png", "--seed", "3")
	for _, name := range []string{"s.png", "a.png"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(b))
		if err != nil || img.Bounds().Dx() < 150 {
			t.Fatalf("%s: %v %v", name, img, err)
		}
		ink := 0 // dark pixels: the names of classes
		for y := range img.Bounds().Dy() {
			for x := range 40 {
				if r, g, b, _ := img.At(x, y).RGBA(); max(r, g, b) < 0x6000 {
					ink++
				}
			}
		}
		if ink < 50 {
			t.Errorf("%s shows no names of classes", name)
		}
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--augmented needs --spec SPEC", []string{"--augmented", "a.png"}},
		{"--spec says how large pictures become", []string{"--spec", "pets.incc", "--side", "9"}},
		{"-D needs --spec SPEC", []string{"-D", "x=1"}},
		{"only one of --json, --sheet and --augmented can go to standard output", []string{"--spec", "pets.incc", "--augmented", "-", "--sheet", "-"}},
		{"only one of --json", []string{"--spec", "pets.incc", "--augmented", "-", "--json"}},
	} {
		var out, errs bytes.Buffer
		if code := run(append([]string{"incc", "data", "inspect", "set"}, c.args...), nil, &out, &errs); code != exitUsage || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%q exits %d: %s, want %s", c.args, code, &errs, c.want)
		}
	}
}

// TestCountFormats: the most frequent format is the first, with the sizes of its smallest
// and its largest picture.
func TestCountFormats(t *testing.T) {
	at := func(format string, w, h int) data.Original {
		return data.Original{Format: format, Size: image.Pt(w, h)}
	}
	s := &data.Set{Originals: []data.Original{at("PNG", 5, 7), at("JPEG", 640, 480), at("JPEG", 3000, 4000), at("GIF", 1, 1), at("JPEG", 100, 2000)}}
	want := []string{"3 JPEG of 100 x 2000 to 3000 x 4000 pixels", "1 GIF of 1 x 1 pixels", "1 PNG of 5 x 7 pixels"}
	for i, f := range countFormats(s) {
		if f.String() != want[i] {
			t.Errorf("%v, want %s", f, want[i])
		}
	}
	if l := countFormats(&data.Set{}); len(l) != 0 {
		t.Errorf("%v of images without files", l)
	}
}
