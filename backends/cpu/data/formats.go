package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"

	"path"
	"slices"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
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
	tiffFormat = format{
		name: "TIFF",
		is: func(file []byte) bool {
			return bytes.HasPrefix(file, []byte("II*\x00")) || bytes.HasPrefix(file, []byte("MM\x00*"))
		},
		size:   tiffSize,
		memory: tiffMemory,
		read:   readTIFF,
		exif:   func(file []byte) []byte { return file }, // the orientation is a tag of the file
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

func tiffSize(file []byte) (w, h int64, err error) {
	c, err := tiff.DecodeConfig(bytes.NewReader(file))
	return int64(c.Width), int64(c.Height), err
}

// Tags of a TIFF, and values of them.
const (
	tiffBits        = 258 // of a sample
	tiffCompression = 259
	tiffPhotometric = 262 // what the numbers of a pixel mean
	tiffStripRows   = 278
	tiffPlanes      = 284
	tiffTileWidth   = 322
	tiffTileHeight  = 323

	tiffBlackIsZero = 1
	tiffRGB         = 2
	tiffGroup3      = 3 // compression of facsimiles, as is
	tiffGroup4      = 4
)

func readTIFF(file []byte) (image.Image, error) {
	img, err := tiff.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	compression, _ := tiffTag(file, tiffCompression)
	meaning, _ := tiffTag(file, tiffPhotometric)
	if m, ok := img.(*image.Gray); ok && (compression == tiffGroup3 || compression == tiffGroup4) && meaning == tiffBlackIsZero {
		// golang.org/x/image has these inverted: the white of a facsimile is a zero
		// whatever a zero means.
		for i := range m.Pix {
			m.Pix[i] = 255 - m.Pix[i]
		}
	}
	return img, nil
}

// tiffMemory is examine for a TIFF. Its pixels are in strips of rows or in tiles,
// which are decompressed one after the other.
func tiffMemory(file []byte, w, h int64) (int64, error) {
	tag := func(t uint16) int64 { v, _ := tiffTag(file, t); return int64(v) }
	pixel := int64(1) // bytes, decoded
	if tag(tiffPhotometric) == tiffRGB {
		pixel = 4
		if tag(tiffPlanes) == 2 {
			return 0, errors.New("each colour is stored by itself (planar configuration 2), which is not read")
		}
	}
	if tag(tiffBits) == 16 {
		pixel *= 2
	}
	bw, bh := w, h
	if across := tag(tiffTileWidth); across > 0 {
		bw, bh = across, tag(tiffTileHeight)
		if bw > 2*maxSide || bh < 1 || bh > 2*maxSide {
			return 0, fmt.Errorf("tiles of %d x %d pixels", bw, bh)
		}
	} else if rows := tag(tiffStripRows); rows > 0 {
		bh = min(rows, h)
	}
	blocks := ((w + bw - 1) / bw) * ((h + bh - 1) / bh)
	// As many bytes of a block are decompressed as its pixels could take at most.
	block := 8 * bw * bh
	switch tag(tiffCompression) {
	case 0, 1: // none
		block = min(block, int64(len(file)))
	case tiffGroup3, tiffGroup4: // exact: one bit a pixel
		block = (bw + 7) / 8 * bh
	}
	if blocks > maxChunks || blocks*block > 256<<20 {
		return 0, fmt.Errorf("its strips or tiles, %d of %d x %d pixels, are too many or too large for this compression: save it with strips of fewer rows, or as PNG", blocks, bw, bh)
	}
	return pixel*w*h + 3*block + 64*blocks, nil
}
