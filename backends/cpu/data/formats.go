package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"path"
	"slices"
	"strings"

	"golang.org/x/image/bmp"
)

// Formats names the formats of pictures that DecodePicture reads, for messages and
// help texts.
const Formats = "PNG, JPEG, GIF, BMP, TIFF and WebP"

// extensions are the endings of the names of files that hold pictures.
var extensions = []string{".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp"}

// IsPicture reports whether the name of a file ends as those of pictures do that
// DecodePicture reads. Capital letters are no other ending.
func IsPicture(name string) bool {
	return slices.Contains(extensions, strings.ToLower(path.Ext(name)))
}

// allFormats are those that the standard library decodes, and three more.
var allFormats = append(slices.Clone(standard), &bmpFormat, &tiffFormat, &webpFormat)

var errShort = errors.New("the file is cut short")

var (
	bmpFormat = format{
		name:   "BMP",
		is:     func(file []byte) bool { return bytes.HasPrefix(file, []byte("BM")) },
		size:   bmpSize,
		memory: bmpMemory,
		read:   func(file []byte) (image.Image, error) { return bmp.Decode(bytes.NewReader(file)) },
		exif:   func([]byte) []byte { return nil },
	}
	webpFormat = format{
		name: "WebP",
		is: func(file []byte) bool {
			return len(file) >= 12 && string(file[:4]) == "RIFF" && string(file[8:12]) == "WEBP"
		},
		size:   webpSize,
		memory: webpMemory,
		read:   readWebP,
		exif:   webpEXIF,
	}
)

func bmpSize(file []byte) (w, h int64, err error) {
	c, err := bmp.DecodeConfig(bytes.NewReader(file))
	if errors.Is(err, bmp.ErrUnsupported) {
		err = errors.New("a kind of BMP that is not read (want 1, 2, 4, 8, 24 or 32 bits per pixel without compression)")
	}
	return int64(c.Width), int64(c.Height), err
}

// bmpMemory is examine for a BMP. A file that is too short is an error before the
// pixels have memory.
func bmpMemory(file []byte, w, h int64) (int64, error) {
	bits := int64(binary.LittleEndian.Uint16(file[28:]))
	row := (w*bits + 31) / 32 * 4
	if row*h > int64(len(file)) {
		return 0, errShort
	}
	if bits <= 8 {
		return w*h + row, nil
	}
	return 4*w*h + row, nil
}
