// How pictures are decoded: what a picture takes, in memory and work, is known
// before it is.

package server

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // the formats that are read
	_ "image/png"
	"os"
)

const (
	maxPixels = 16 << 20 // of a picture
	maxFile   = 64 << 20 // bytes of a picture's file
	maxScans  = 100      // of a progressive JPEG; cameras and editors write about ten
)

// readPicture reads a picture's file.
func readPicture(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("the file has %d bytes; at most %d are read", info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

// decode reads a picture, if examine takes it.
func decode(file []byte) (img image.Image, err error) {
	if _, err := examine(file); err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil { // a fault of the decoder
			img, err = nil, fmt.Errorf("the picture cannot be decoded: %v", r)
		}
	}()
	img, _, err = image.Decode(bytes.NewReader(file))
	return img, err
}

// examine reads the header of a picture and returns how many bytes of memory decoding
// allocates at most. Pictures that are too large, or take too much work, are errors.
func examine(file []byte) (int64, error) {
	c, format, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return 0, err
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height {
		return 0, fmt.Errorf("the picture has %d x %d pixels; at most %d in all are read", c.Width, c.Height, maxPixels)
	}
	w, h := int64(c.Width), int64(c.Height)
	if format == "jpeg" {
		if n := scans(file); n > maxScans {
			return 0, fmt.Errorf("the picture has more than %d scans", maxScans)
		}
		// Every component may have all pixels, in whole blocks. A progressive one has
		// four bytes of coefficients for each byte.
		components, converted := int64(3), int64(0)
		switch c.ColorModel {
		case color.GrayModel:
			components = 1
		case color.RGBAModel:
			converted = 4
		case color.CMYKModel:
			components, converted = 4, 4
		}
		w, h = (w+31)&^31, (h+31)&^31
		return 1<<16 + w*h*(5*components+converted), nil
	}
	// A picture, the passes of an interlaced one, and two rows.
	pixel := int64(4)
	switch c.ColorModel {
	case color.Gray16Model, color.RGBA64Model, color.NRGBA64Model:
		pixel = 8
	}
	return 1<<17 + 2*pixel*w*h + 2*8*w, nil
}

// scans counts the scans of a JPEG as far as maxScans+1, by the steps in which
// image/jpeg reads it.
func scans(file []byte) int {
	n := 0
	for i := 2; n <= maxScans; {
		// To the next marker: 0xff and a byte that is neither 0 nor 0xff.
		for i+1 < len(file) && (file[i] != 0xff || file[i+1] == 0 || file[i+1] == 0xff) {
			i++
		}
		if i+3 >= len(file) {
			break
		}
		marker := file[i+1]
		i += 2
		if marker >= 0xd0 && marker <= 0xd7 { // a restart, without a length
			continue
		}
		if marker == 0xd9 { // the end
			break
		}
		if marker == 0xda {
			n++
		}
		i += max(2, int(file[i])<<8|int(file[i+1]))
	}
	return n
}
