package data

import (
	"bytes"
	"errors"
	"fmt"
	"image"

	"golang.org/x/image/tiff"
)

var tiffFormat = format{
	name: "TIFF",
	is: func(file []byte) bool {
		return bytes.HasPrefix(file, []byte("II*\x00")) || bytes.HasPrefix(file, []byte("MM\x00*")) ||
			bytes.HasPrefix(file, []byte("II+\x00")) || bytes.HasPrefix(file, []byte("MM\x00+"))
	},
	size:   tiffSize,
	memory: tiffMemory,
	read:   readTIFF,
	exif:   func(file []byte) []byte { return file }, // the orientation is a tag of the file
}

func tiffSize(file []byte) (w, h int64, err error) {
	if bytes.HasPrefix(file[2:], []byte("+\x00")) || bytes.HasPrefix(file[2:], []byte("\x00+")) {
		return 0, 0, errors.New("a BigTIFF, which is not read: save it as a plain TIFF or as PNG")
	}
	if tiffUnread(file) != "" { // tiffMemory says why, and that the file is not broken
		w, _ := tiffTag(file, tiffWidth)
		h, _ := tiffTag(file, tiffHeight)
		return int64(w), int64(h), nil
	}
	c, err := tiff.DecodeConfig(bytes.NewReader(file))
	return int64(c.Width), int64(c.Height), err
}

// Tags of a TIFF, and values of them.
const (
	tiffWidth       = 256
	tiffHeight      = 257
	tiffBits        = 258 // of a sample
	tiffCompression = 259
	tiffPhotometric = 262 // what the numbers of a pixel mean
	tiffSamples     = 277 // of a pixel
	tiffStripRows   = 278
	tiffPlanes      = 284
	tiffTileWidth   = 322
	tiffTileHeight  = 323
	tiffExtra       = 338 // what samples beyond the colours are
	tiffNumbers     = 339 // kind of a sample

	tiffBlackIsZero = 1
	tiffRGB         = 2
	tiffPalette     = 3
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
	if why := tiffUnread(file); why != "" {
		return 0, fmt.Errorf("%s are not read: save it as PNG", why)
	}
	tag := func(t uint16) int64 { v, _ := tiffTag(file, t); return int64(v) }
	pixel := int64(1) // bytes, decoded
	if tag(tiffPhotometric) == tiffRGB {
		pixel = 4
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

// tiffUnread says what in a TIFF golang.org/x/image does not read, as words in the plural, or
// returns "".
func tiffUnread(file []byte) string {
	tag := func(t uint16, otherwise uint32) uint32 {
		if v, ok := tiffTag(file, t); ok {
			return v
		}
		return otherwise
	}
	compressions := map[uint32]string{1: "", 2: "facsimile (CCITT 1D)", tiffGroup3: "", tiffGroup4: "", 5: "", 8: "", 32773: "", 32946: "",
		6: "old JPEG", 7: "JPEG", 34712: "JPEG 2000", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP"}
	compression := tag(tiffCompression, 1)
	if compression == 0 {
		compression = 1 // as the decoder has it
	}
	if name, ok := compressions[compression]; !ok {
		return fmt.Sprintf("TIFFs with compression %d", compression)
	} else if name != "" {
		return fmt.Sprintf("TIFFs with %s compression", name)
	}
	meaning := tag(tiffPhotometric, 0)
	switch meaning {
	case 0, tiffBlackIsZero, tiffRGB, tiffPalette:
	case 5:
		return "TIFFs of CMYK colours"
	case 6:
		return "TIFFs of YCbCr colours"
	case 8, 9, 10:
		return "TIFFs of Lab colours"
	default:
		return fmt.Sprintf("TIFFs of colours of kind %d", meaning)
	}
	samples, extra := tag(tiffSamples, 1), tag(tiffExtra, 0)
	switch {
	case tag(tiffNumbers, 1) == 2:
		return "TIFFs of numbers with a sign"
	case tag(tiffNumbers, 1) != 1:
		return "TIFFs of floating-point numbers"
	case (samples > 1 || meaning == tiffRGB) && tag(tiffPlanes, 1) == 2:
		return "TIFFs with each colour stored by itself (planar configuration 2)"
	case meaning != tiffRGB && samples == 2:
		return "grey TIFFs with transparency"
	case meaning != tiffRGB && samples != 1, meaning == tiffRGB && samples > 4, meaning == tiffRGB && samples == 4 && extra != 1 && extra != 2:
		return fmt.Sprintf("TIFFs of %d numbers for each pixel", samples)
	}
	if bits := tag(tiffBits, 1); bits != 1 && bits != 8 && bits != 16 {
		return fmt.Sprintf("TIFFs of %d bits for each number", bits)
	}
	return ""
}
