// This file reads from the headers of PNG, JPEG and GIF files how much memory and work their
// decoding needs.

package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
)

var (
	pngFormat = format{
		name:   "PNG",
		is:     func(file []byte) bool { return bytes.HasPrefix(file, []byte("\x89PNG\r\n\x1a\n")) },
		size:   pngSize,
		memory: pngMemory,
		read:   func(file []byte) (image.Image, error) { return png.Decode(bytes.NewReader(file)) },
		exif:   func(file []byte) []byte { return pngChunk(file, "eXIf") },
	}
	jpegFormat = format{
		name:   "JPEG",
		is:     isJPEG,
		size:   jpegSize,
		memory: jpegMemory,
		read:   readJPEG,
		exif:   jpegEXIF,
	}
	gifFormat = format{
		name:   "GIF",
		is:     func(file []byte) bool { return bytes.HasPrefix(file, []byte("GIF8")) },
		size:   gifSize,
		memory: gifMemory,
		read:   readGIF,
		exif:   func([]byte) []byte { return nil },
	}
)

func isJPEG(file []byte) bool { return bytes.HasPrefix(file, []byte("\xff\xd8")) }

var errChunks = fmt.Errorf("more than %d chunks", maxChunks)

func pngSize(file []byte) (w, h int64, err error) {
	if !fewChunks(file) {
		return 0, 0, errChunks
	}
	c, err := png.DecodeConfig(bytes.NewReader(file))
	// image/png reports a size that overflows a 32-bit int as an unsupported feature. Return
	// the size instead, so that the error names it.
	if err != nil && len(file) >= 24 && string(file[12:16]) == "IHDR" {
		w, h := int64(binary.BigEndian.Uint32(file[16:])), int64(binary.BigEndian.Uint32(file[20:]))
		if w > 0 && h > 0 && (w > maxPixels/h || max(w, h) > maxSide) {
			return w, h, nil
		}
	}
	return int64(c.Width), int64(c.Height), err
}

func jpegSize(file []byte) (w, h int64, err error) {
	if !fewChunks(file) {
		return 0, 0, errChunks
	}
	c, err := jpeg.DecodeConfig(bytes.NewReader(file))
	return int64(c.Width), int64(c.Height), err
}

// readJPEG reads a JPEG. CMYK is stored inverted. image/jpeg refuses it without Adobe's
// marker, which says so and which some programs leave out.
func readJPEG(file []byte) (image.Image, error) {
	const start, adobe = 2, "\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
	for at := start; ; {
		marker, segment, next := jpegSegment(file, at)
		switch {
		case segment == nil, marker == 0xda, marker == 0xee && bytes.HasPrefix(segment, []byte("Adobe")):
			return jpeg.Decode(bytes.NewReader(file))
		case marker >= 0xc0 && marker <= 0xc2 && len(jpegFrame(segment)) == 4:
			return jpeg.Decode(io.MultiReader(strings.NewReader(adobe), bytes.NewReader(file[start:])))
		}
		at = next
	}
}

// gifSize returns the size of the canvas. image/gif refuses frames that are larger.
func gifSize(file []byte) (w, h int64, err error) {
	c, err := gif.DecodeConfig(bytes.NewReader(file))
	return int64(c.Width), int64(c.Height), err
}

// gifMemory returns the memory that decoding a GIF takes: for the first frame, and for a copy
// of it with its rows in order.
func gifMemory(_ []byte, w, h int64) (int64, error) { return 2 * w * h, nil }

// readGIF returns the first frame of a GIF at its place on the canvas.
func readGIF(file []byte) (image.Image, error) {
	c, err := gif.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	img, err := gif.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	return place(img, image.Rect(0, 0, c.Width, c.Height)), nil
}

// fewChunks reports whether a file has at most maxChunks chunks. For a JPEG it counts only the
// segments before the first scan; jpegMemory counts all of them.
func fewChunks(file []byte) bool {
	if isJPEG(file) {
		at := 2
		for range maxChunks + 1 {
			marker, segment, next := jpegSegment(file, at)
			if segment == nil || marker == 0xda {
				return true
			}
			at = next
		}
		return false
	}
	at := int64(8) // after the signature
	for range maxChunks + 1 {
		if at+8 > int64(len(file)) || string(file[at+4:at+8]) == "IEND" {
			return true
		}
		at += 12 + int64(binary.BigEndian.Uint32(file[at:])) // length, name, checksum
	}
	return false
}

// pngChunk returns the data of the first chunk with a name, nil if there is none. The caller
// must have checked the number of chunks with fewChunks.
func pngChunk(file []byte, name string) []byte {
	for at := int64(8); at+8 <= int64(len(file)); {
		end := at + 8 + int64(binary.BigEndian.Uint32(file[at:]))
		if end > int64(len(file)) {
			return nil
		}
		switch string(file[at+4 : at+8]) {
		case name:
			return file[at+8 : end]
		case "IEND":
			return nil
		}
		at = end + 4 // after the checksum
	}
	return nil
}

// pngMemory returns the memory that decoding a PNG takes. The header must have been checked.
func pngMemory(file []byte, w, h int64) (int64, error) {
	const depth, interlace = 24, 28 // positions in the file: IHDR is the first chunk
	pixel := int64(4)
	if file[depth] == 16 {
		pixel = 8
	}
	memory := pixel*w*h + 2*pixel*w // the picture and two rows
	if file[interlace] != 0 {
		memory = 2*memory + 32*w // each pass is decoded as a picture with two rows
	}
	return memory, nil
}

// jpegComponent is a component of a JPEG, such as brightness.
type jpegComponent struct {
	id      byte
	samples int64 // number of samples, including those that fill up blocks
	scanned bool
}

// jpegMemory returns the memory that decoding a JPEG takes, and checks the number of scans and
// segments. It finds segments in the same way as image/jpeg. It does not report broken files;
// image/jpeg does that.
func jpegMemory(file []byte, w, h int64) (int64, error) {
	pixels := w * h
	var (
		components       []jpegComponent
		progressive, rgb bool
		scans, segments  int
		work             int64
	)
	memory := func() (int64, error) {
		n := int64(0)
		for _, c := range components {
			n += c.samples
			if progressive {
				n += 4 * c.samples // coefficients
			}
		}
		if rgb || len(components) == 4 {
			n += 4 * pixels // converted to RGB or CMYK
		}
		return n, nil
	}
	for at := 2; ; {
		marker, segment, next := jpegSegment(file, at)
		if segment == nil {
			return memory()
		}
		at = next
		if segments++; segments > maxChunks {
			return 0, fmt.Errorf("more than %d segments", maxChunks)
		}
		switch {
		case marker == 0xee: // APP14: Adobe's colour transform
			rgb = rgb || len(segment) >= 12 && string(segment[:5]) == "Adobe" && segment[11] == 0
		case marker >= 0xc0 && marker <= 0xc2: // SOF: the frame
			if components != nil {
				return memory() // the decoder reports a second frame as an error
			}
			progressive = marker == 0xc2
			if components = jpegFrame(segment); components == nil {
				return memory()
			}
			rgb = rgb || len(components) == 3 && components[0].id == 'R' && components[1].id == 'G' && components[2].id == 'B'
		case marker == 0xda: // SOS: a scan
			if len(segment) < 1 || len(segment) < 1+2*int(segment[0]) {
				return memory()
			}
			scans++
			for i := range int(segment[0]) {
				for k := range components {
					c := &components[k]
					if c.id != segment[1+2*i] {
						continue
					}
					if c.scanned && !progressive {
						return 0, errors.New("several scans of one component (want a progressive JPEG)")
					}
					c.scanned = true
					work += c.samples
				}
			}
			if scans > maxScans || work > maxSamples {
				return 0, fmt.Errorf("its scans take too long to decode: it has %d or more (want at most %d, and fewer for a large picture)", scans, maxScans)
			}
		}
	}
}

// jpegSegment finds the next marker at or after a position. It returns the marker, the content
// of its segment, and the position after the segment. The segment is nil at the end of the
// picture.
func jpegSegment(file []byte, at int) (marker byte, segment []byte, next int) {
	for at+1 < len(file) {
		if file[at] != 0xff { // compressed data or garbage
			at++
			continue
		}
		marker = file[at+1]
		at += 2
		if marker == 0 {
			continue // a byte 0xff of compressed data
		}
		for marker == 0xff && at < len(file) {
			marker = file[at]
			at++
		}
		switch {
		case marker == 0xd9: // the end
			return 0, nil, at
		case marker >= 0xd0 && marker <= 0xd7: // a restart, without a length
			continue
		case at+2 > len(file):
			return 0, nil, at
		}
		n := int(binary.BigEndian.Uint16(file[at:]))
		if n < 2 || at+n > len(file) {
			return 0, nil, at
		}
		return marker, file[at+2 : at+n : at+n], at + n
	}
	return 0, nil, at
}

// jpegEXIF returns the EXIF data of a JPEG, nil if there is none before its first scan.
func jpegEXIF(file []byte) []byte {
	for at := 2; ; {
		marker, segment, next := jpegSegment(file, at)
		if segment == nil || marker == 0xda {
			return nil
		}
		if data, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok && marker == 0xe1 {
			return data
		}
		at = next
	}
}

// jpegFrame reads the components of a frame. It returns nil if the frame is broken; the decoder
// reports the error.
func jpegFrame(segment []byte) []jpegComponent {
	if len(segment) < 6 || len(segment) != 6+3*int(segment[5]) || segment[5] == 0 {
		return nil
	}
	height, width := int64(binary.BigEndian.Uint16(segment[1:])), int64(binary.BigEndian.Uint16(segment[3:]))
	var l []jpegComponent
	var across, down int64 // size of the picture in units of the first component's blocks
	for c := segment[6:]; len(c) > 0; c = c[3:] {
		h, v := int64(c[1]>>4), int64(c[1]&15)
		if h < 1 || h > 4 || v < 1 || v > 4 {
			return nil
		}
		if segment[5] == 1 {
			h, v = 1, 1 // a single component is never subsampled; the decoder ignores h and v
		}
		if l == nil {
			across, down = (width+8*h-1)/(8*h), (height+8*v-1)/(8*v)
		}
		l = append(l, jpegComponent{id: c[0], samples: across * down * 64 * h * v})
	}
	return l
}
