package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"
)

// barClasses are the classes of the pictures that the script command pictures makes:
// where a bright bar lies in a dark picture of 16 x 16 pixels.
var barClasses = map[string]func(x, y int) bool{
	"bottom": func(x, y int) bool { return y >= 11 },
	"centre": func(x, y int) bool { return x >= 5 && x < 11 && y >= 5 && y < 11 },
	"cross":  func(x, y int) bool { return x >= 6 && x < 10 || y >= 6 && y < 10 },
	"left":   func(x, y int) bool { return x < 5 },
	"right":  func(x, y int) bool { return x >= 11 },
	"top":    func(x, y int) bool { return y < 5 },
}

// makePictures makes N pictures of each class in one folder a class: pictures DIR N.
// Some are of kinds that a careless reader gets wrong, one is broken, and there is
// what else lies around in folders.
func makePictures(ts *testscript.TestScript, neg bool, args []string) {
	var n int
	if neg || len(args) != 2 {
		ts.Fatalf("usage: pictures DIR N")
	}
	_, err := fmt.Sscan(args[1], &n)
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	put := func(name string, text []byte) {
		name = filepath.Join(dir, name)
		ts.Check(os.MkdirAll(filepath.Dir(name), 0o755))
		ts.Check(os.WriteFile(name, text, 0o644))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, class := range slices.Sorted(maps.Keys(barClasses)) {
		for i := range n {
			put(filepath.Join(class, fmt.Sprintf("%03d.png", i)), pngOf(bar(r, class)))
		}
	}
	grey := image.NewGray(image.Rect(0, 0, 16, 16))
	alpha, deep := image.NewNRGBA(grey.Rect), image.NewNRGBA64(grey.Rect)
	from := map[string]*image.NRGBA{}
	for _, class := range []string{"top", "bottom", "right", "left"} {
		from[class] = bar(r, class)
	}
	for y := range 16 {
		for x := range 16 {
			grey.Set(x, y, from["top"].At(x, y))
			c := from["bottom"].NRGBAAt(x, y)
			c.A = uint8(100 + 9*x)
			alpha.SetNRGBA(x, y, c)
			deep.Set(x, y, from["right"].At(x, y))
		}
	}
	put("top/grey.png", pngOf(grey))
	put("bottom/alpha.png", pngOf(alpha))
	put("right/sixteen.png", pngOf(deep))
	cmyk, err := os.ReadFile(filepath.Join(scriptsFrom, "testdata", "pictures", "cmyk.jpg"))
	ts.Check(err)
	put("left/cmyk.jpg", cmyk)
	put("top/camera/rotated.JPG", rotated(from["left"]))
	put("cross/broken.png", pngOf(from["top"])[:100])
	put("cross/notes.txt", []byte("no picture"))
	put(".DS_Store", nil)
	put("left/.DS_Store", nil)
	ts.Check(os.MkdirAll(filepath.Join(dir, "diagonal"), 0o755))
}

// bar makes a picture of a class: two random colours, dark and bright, with noise.
func bar(r *rand.Rand, class string) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	dark, bright := r.IntN(60), 140+r.IntN(90)
	tint := [3]int{r.IntN(25), r.IntN(25), r.IntN(25)}
	for y := range 16 {
		for x := range 16 {
			v := dark
			if barClasses[class](x, y) {
				v = bright
			}
			v = max(0, v+r.IntN(30)-15)
			img.SetNRGBA(x, y, color.NRGBA{uint8(min(255, v+tint[0])), uint8(min(255, v+tint[1])), uint8(min(255, v+tint[2])), 255})
		}
	}
	return img
}

func pngOf(img image.Image) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, img) // a buffer takes everything
	return b.Bytes()
}

// rotated makes a JPEG whose EXIF data says that it is shown turned clockwise by 90
// degrees: what is at its left is seen at the top.
func rotated(img image.Image) []byte {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, img, nil)
	exif := "Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
	segment := append([]byte{0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)
	return append(append(b.Bytes()[:2:2], segment...), b.Bytes()[2:]...)
}
