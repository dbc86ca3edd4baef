// This file turns and mirrors a picture according to its EXIF orientation. It does not copy
// pixels: the result is a view of the picture that maps positions.

package server

import (
	"encoding/binary"
	"image"
	"image/color"
)

// orientation returns the EXIF orientation, 1 to 8. It returns 1, for a picture that needs no
// change, if the data contains no valid orientation.
func orientation(exif []byte) int {
	if o, ok := tiffTag(exif, 0x112); ok && o >= 1 && o <= 8 {
		return int(o)
	}
	return 1
}

// tiffTag returns the first number of a tag in the first directory of a TIFF file. ok is false
// if there is no such tag or the file is broken.
func tiffTag(file []byte, tag uint16) (uint32, bool) {
	if len(file) < 8 {
		return 0, false
	}
	var order binary.ByteOrder
	switch string(file[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0, false
	}
	at, size := int64(order.Uint32(file[4:])), int64(len(file))
	if at+2 > size {
		return 0, false
	}
	entries := int64(order.Uint16(file[at:]))
	for at += 2; entries > 0 && at+12 <= size; at, entries = at+12, entries-1 {
		entry := file[at : at+12]
		if order.Uint16(entry) != tag {
			continue
		}
		width := map[uint16]int64{1: 1, 3: 2, 4: 4}[order.Uint16(entry[2:])] // bytes of a number
		count := int64(order.Uint32(entry[4:]))
		if width == 0 || count == 0 {
			return 0, false
		}
		number := entry[8:]
		if width*count > 4 { // the entry holds the offset of the numbers
			place := int64(order.Uint32(number))
			if place+width > size {
				return 0, false
			}
			number = file[place:]
		}
		switch width {
		case 1:
			return uint32(number[0]), true
		case 2:
			return uint32(order.Uint16(number)), true
		}
		return order.Uint32(number), true
	}
	return 0, false
}

// turned is a view of a picture, turned and mirrored according to an EXIF orientation, 2 to 8.
type turned struct {
	img         image.RGBA64Image
	orientation int
	min, size   image.Point // of img
}

// turn returns a picture, turned and mirrored according to an EXIF orientation.
func turn(img image.Image, orientation int) image.Image {
	m, ok := img.(image.RGBA64Image)
	if !ok || orientation == 1 {
		return img
	}
	return &turned{m, orientation, m.Bounds().Min, m.Bounds().Size()}
}

// Source returns the original picture.
func (t *turned) Source() image.Image { return t.img }

func (t *turned) ColorModel() color.Model { return t.img.ColorModel() }

func (t *turned) Bounds() image.Rectangle {
	if t.orientation >= 5 { // rows and columns are exchanged
		return image.Rect(0, 0, t.size.Y, t.size.X)
	}
	return image.Rectangle{Max: t.size}
}

// place returns the position in img of the pixel x, y of the view.
func (t *turned) place(x, y int) (int, int) {
	if t.orientation >= 5 {
		x, y = y, x
	}
	// Then columns, rows or both are mirrored.
	switch t.orientation {
	case 2, 3, 7, 8:
		x = t.size.X - 1 - x
	}
	switch t.orientation {
	case 3, 4, 6, 7:
		y = t.size.Y - 1 - y
	}
	return t.min.X + x, t.min.Y + y
}

func (t *turned) At(x, y int) color.Color { return t.img.At(t.place(x, y)) }

func (t *turned) RGBA64At(x, y int) color.RGBA64 { return t.img.RGBA64At(t.place(x, y)) }

// placed is a picture on a larger transparent canvas.
type placed struct {
	image.RGBA64Image
	canvas image.Rectangle
}

// place returns a picture on a canvas. It returns img itself if that fills the canvas.
func place(img image.Image, canvas image.Rectangle) image.Image {
	m, ok := img.(image.RGBA64Image)
	if !ok || img.Bounds() == canvas {
		return img
	}
	return &placed{m, canvas}
}

func (p *placed) Bounds() image.Rectangle { return p.canvas }

func (p *placed) At(x, y int) color.Color { return p.RGBA64At(x, y) }

func (p *placed) RGBA64At(x, y int) color.RGBA64 {
	if !(image.Point{X: x, Y: y}).In(p.RGBA64Image.Bounds()) {
		return color.RGBA64{}
	}
	return p.RGBA64Image.RGBA64At(x, y)
}
