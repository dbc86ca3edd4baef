// This file decodes pictures from files that may be hostile. It determines how much memory
// and work a picture needs before it decodes it.

package server

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"strings"
)

// Limits of a picture.
const (
	maxPixels = 64 << 20  // as in pictures of a large camera
	maxSide   = 1<<16 - 1 // pixels; the longest side of a JPEG
	maxMemory = 224 << 20 // bytes that decoding may take, in addition to 8 for each byte of the file
	// Every scan of a progressive JPEG visits all pixels again, even if the scan has only a
	// few bytes. Usual files have about 10 scans, four to six for each component.
	maxScans   = 100
	maxSamples = 512 << 20 // of all scans together
	// Chunks of a PNG and segments of a JPEG take time even if they are empty. A file of
	// 64 MiB with chunks of usual sizes has 8,000 to 16,000 of them.
	maxChunks = 1 << 16
)

// format is a file format for pictures.
type format struct {
	name string
	is   func(file []byte) bool // reports whether a file has the format, by its first bytes
	// size reads the width and height in pixels from the headers. It returns errors of
	// the decoder's package unchanged.
	size func(file []byte) (w, h int64, err error)
	// memory returns an upper bound for the bytes of memory that decoding a picture of
	// w x h pixels takes. It reads only headers. It returns an error if decoding would
	// need too much work.
	memory func(file []byte, w, h int64) (int64, error)
	read   func(file []byte) (image.Image, error)
	exif   func(file []byte) []byte // returns the EXIF data, which has the form of a TIFF file; nil for none
}

// standard lists the formats that the standard library decodes.
var standard = []*format{&pngFormat, &jpegFormat, &gifFormat}

// decode decodes a picture that has one of the formats. It returns an error if the picture
// exceeds a limit. It returns the first frame of an animation. It turns the picture according
// to its EXIF orientation.
func decode(file []byte, formats ...*format) (img image.Image, err error) {
	if _, err := examine(file, formats...); err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil { // a bug of the decoder
			img, err = nil, fmt.Errorf("the picture cannot be decoded: %v", r)
		}
	}()
	f := formatOf(file, formats)
	if img, err = f.read(file); errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("broken %s picture: %w: the file is cut short", f.name, err)
	} else if err != nil {
		return nil, fmt.Errorf("broken %s picture: %w", f.name, err)
	}
	return turn(img, orientation(f.exif(file))), nil
}

// examine returns an upper bound for the bytes of memory that decoding a picture takes. It
// reads only headers. It returns an error if the picture would need too much memory or work.
func examine(file []byte, formats ...*format) (int64, error) {
	f := formatOf(file, formats)
	if f == nil {
		return 0, unknownFormat(file, formats)
	}
	w, h, err := f.size(file)
	if err != nil {
		return 0, fmt.Errorf("broken %s picture: %w", f.name, err)
	}
	if w < 1 || h < 1 || w > maxPixels/h || max(w, h) > maxSide {
		return 0, fmt.Errorf("%s picture of %d x %d pixels (at most %d are read, and %d on a side)", f.name, w, h, maxPixels, maxSide)
	}
	memory, err := f.memory(file, w, h)
	if err != nil {
		return 0, fmt.Errorf("%s picture of %d x %d pixels: %w", f.name, w, h, err)
	}
	memory += 1 << 17 // tables and buffers
	if most := maxMemory + 8*int64(len(file)); memory > most {
		return 0, fmt.Errorf("%s picture of %d x %d pixels: decoding its %d bytes takes %d MiB of memory (at most %d MiB are allowed)", f.name, w, h, len(file), memory>>20, most>>20)
	}
	return memory, nil
}

// formatOf returns the format of a file, nil if it is none of the given ones.
func formatOf(file []byte, formats []*format) *format {
	for _, f := range formats {
		if f.is(file) {
			return f
		}
	}
	return nil
}

// unknownFormat returns the error for a file that has none of the formats.
func unknownFormat(file []byte, formats []*format) error {
	if len(file) == 0 {
		return errors.New("the file is empty")
	}
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	last := len(names) - 1
	want := strings.Join(names[:last], ", ") + " or " + names[last]
	for _, other := range []struct {
		name, magic string
		at          int
	}{
		{"BMP", "BM", 0}, {"TIFF", "II*\x00", 0}, {"TIFF", "MM\x00*", 0}, {"WebP", "WEBP", 8}, {"AVIF", "ftypavif", 4},
		{"HEIC", "ftyphei", 4}, {"HEIC", "ftypmif1", 4}, {"JPEG XL", "\xff\x0a", 0}, {"JPEG XL", "JXL \x0d\x0a", 4},
		{"JPEG 2000", "jP  \x0d\x0a", 4}, {"Photoshop", "8BPS", 0},
	} {
		if len(file) >= other.at && bytes.HasPrefix(file[other.at:], []byte(other.magic)) {
			return fmt.Errorf("%s pictures are not read (want %s)", other.name, want)
		}
	}
	return fmt.Errorf("not a %s picture", want)
}
