package server

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"slices"
	"testing"
)

// exif returns EXIF data with an orientation.
func exif(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("MM\x00*")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		b = []byte("II*\x00")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 1)     // entry
	b = order.AppendUint16(b, 0x112) // the orientation
	b = order.AppendUint16(b, 3)     // a short
	b = order.AppendUint32(b, 1)     // one
	b = order.AppendUint16(b, orientation)
	return append(b, make([]byte, 6)...)
}

// TestOrientation compares the positions of all pixels with the EXIF standard, which says at
// which sides of the picture row 0 and column 0 of the file are.
func TestOrientation(t *testing.T) {
	//   0 1 2
	//   3 4 5
	img := image.NewGray(image.Rect(0, 0, 3, 2))
	for i := range img.Pix {
		img.Pix[i] = byte(40 * i)
	}
	for o, want := range map[uint16][][]int{
		0: {{0, 1, 2}, {3, 4, 5}},
		1: {{0, 1, 2}, {3, 4, 5}},   // row 0 is the top, column 0 the left side
		2: {{2, 1, 0}, {5, 4, 3}},   // top, right
		3: {{5, 4, 3}, {2, 1, 0}},   // bottom, right
		4: {{3, 4, 5}, {0, 1, 2}},   // bottom, left
		5: {{0, 3}, {1, 4}, {2, 5}}, // left, top
		6: {{3, 0}, {4, 1}, {5, 2}}, // right, top
		7: {{5, 2}, {4, 1}, {3, 0}}, // right, bottom
		8: {{2, 5}, {1, 4}, {0, 3}}, // left, bottom
		9: {{0, 1, 2}, {3, 4, 5}},
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			data := exif(order, o)
			file := pngOf(t, img)
			chunk := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
			named := append([]byte("eXIf"), data...)
			chunk = binary.BigEndian.AppendUint32(append(chunk, named...), crc32.ChecksumIEEE(named))
			got, err := decode(slices.Concat(file[:33], chunk, file[33:]), standard...)
			if err != nil {
				t.Fatal(err)
			}
			if size := got.Bounds().Size(); size != image.Pt(len(want[0]), len(want)) {
				t.Fatalf("orientation %d: %v pixels", o, size)
			}
			for y, row := range want {
				for x, v := range row {
					r, _, _, _ := got.At(x, y).RGBA()
					if c := got.(image.RGBA64Image).RGBA64At(x, y); int(r>>8) != 40*v || c.R != uint16(r) {
						t.Errorf("orientation %d: the pixel at %d, %d is %d and %v, want %d", o, x, y, r>>8, c, 40*v)
					}
				}
			}
		}
	}
}

// TestOrientationOfBrokenData checks that broken EXIF data does not make orientation panic, and
// that data that is cut off gives orientation 1.
func TestOrientationOfBrokenData(t *testing.T) {
	whole := exif(binary.LittleEndian, 6)
	if got := orientation(whole); got != 6 {
		t.Fatalf("orientation %d", got)
	}
	for n := range 20 {
		if got := orientation(whole[:n]); got != 1 {
			t.Errorf("%d bytes: orientation %d", n, got)
		}
	}
	for i := range whole {
		for _, v := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			broken := bytes.Clone(whole)
			broken[i] = v
			if got := orientation(broken); got < 1 || got > 8 {
				t.Errorf("byte %d is %d: orientation %d", i, v, got)
			}
		}
	}
}

// TestGIFCanvas checks that a frame is at its place on the canvas, that the rest of the canvas
// is transparent, and that the first of several frames is read.
func TestGIFCanvas(t *testing.T) {
	colours := color.Palette{color.Black, color.White}
	white := image.NewPaletted(image.Rect(2, 1, 4, 2), colours)
	white.Pix[0], white.Pix[1] = 1, 1
	black := image.NewPaletted(image.Rect(0, 0, 5, 3), colours)
	img, err := decode(gifOf(t, 5, 3, white, black), standard...)
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds() != image.Rect(0, 0, 5, 3) {
		t.Fatalf("bounds %v", img.Bounds())
	}
	for y := range 3 {
		for x := range 5 {
			want := color.RGBA64{}
			if (image.Point{X: x, Y: y}).In(white.Rect) {
				want = color.RGBA64{R: 0xffff, G: 0xffff, B: 0xffff, A: 0xffff}
			}
			if got := color.RGBA64Model.Convert(img.At(x, y)); got != want {
				t.Errorf("pixel %d, %d is %v, want %v", x, y, got, want)
			}
		}
	}
}
