// How the file of a picture is decoded: what decoding takes is known before it
// begins, whatever the file holds.

package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
)

// Limits of a picture.
const (
	maxPixels = 16 << 20
	maxSide   = 1<<16 - 1 // JPEG knows no longer one
	maxMemory = 224 << 20 // bytes that decoding takes, beside 8 for each of the file
	// Every scan of a progressive JPEG goes through all pixels again, even where it
	// is only a few bytes. Usual files have some 10 scans, and pass each component
	// four to six times.
	maxScans   = 100
	maxSamples = 32 * maxPixels
	// Chunks of a PNG and segments of a JPEG take time even where they are empty. A
	// file of 64 MiB has some 8,000 to 16,000 of usual size.
	maxChunks = 1 << 16
)

// decode reads a PNG or JPEG picture, if examine has no objection.
func decode(file []byte) (img image.Image, err error) {
	if _, err := examine(file); err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil { // a fault of the decoder
			img, err = nil, fmt.Errorf("the picture cannot be decoded: %v", r)
		}
	}()
	read, format := png.Decode, "PNG"
	if isJPEG(file) {
		read, format = jpeg.Decode, "JPEG"
	}
	if img, err = read(bytes.NewReader(file)); err != nil {
		return nil, fmt.Errorf("broken %s picture: %w", format, err)
	}
	return img, nil
}

func isJPEG(file []byte) bool { return bytes.HasPrefix(file, []byte("\xff\xd8")) }

// examine returns at most how many bytes of memory decoding a picture allocates, from
// its headers. A picture that would take too much memory or work is an error.
func examine(file []byte) (int64, error) {
	format, header := "PNG", png.DecodeConfig
	if isJPEG(file) {
		format, header = "JPEG", jpeg.DecodeConfig
	} else if !bytes.HasPrefix(file, []byte("\x89PNG\r\n\x1a\n")) {
		return 0, errors.New("not a PNG or JPEG picture")
	}
	if !fewChunks(file) {
		return 0, fmt.Errorf("%s picture of more than %d chunks", format, maxChunks)
	}
	// image/png reports a size that overflows an int of 32 bits as an unsupported feature.
	if format == "PNG" && len(file) >= 24 && string(file[12:16]) == "IHDR" {
		if err := checkSize(format, int64(binary.BigEndian.Uint32(file[16:])), int64(binary.BigEndian.Uint32(file[20:]))); err != nil {
			return 0, err
		}
	}
	c, err := header(bytes.NewReader(file))
	if err != nil {
		return 0, fmt.Errorf("broken %s picture: %w", format, err)
	}
	w, h := int64(c.Width), int64(c.Height)
	if err := checkSize(format, w, h); err != nil {
		return 0, err
	}
	var memory int64
	if isJPEG(file) {
		memory, err = jpegMemory(file, w*h)
		if err != nil {
			return 0, fmt.Errorf("JPEG picture of %d x %d pixels: %w", w, h, err)
		}
	} else {
		memory = pngMemory(file, w, h)
	}
	memory += 1 << 17 // tables and buffers
	if most := maxMemory + 8*int64(len(file)); memory > most {
		return 0, fmt.Errorf("%s picture of %d x %d pixels: decoding its %d bytes takes %d MiB of memory (at most %d)", format, w, h, len(file), memory>>20, most>>20)
	}
	return memory, nil
}

// checkSize returns an error for a picture of no pixels, or of too many.
func checkSize(format string, w, h int64) error {
	if w < 1 || h < 1 || w > maxPixels/h || max(w, h) > maxSide {
		return fmt.Errorf("%s picture of %d x %d pixels (at most %d are read, and %d on a side)", format, w, h, maxPixels, maxSide)
	}
	return nil
}

// fewChunks reports whether a file has no more than maxChunks chunks. Of a JPEG it
// counts the segments before the first scan, and jpegMemory all of them.
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
	at := int64(8) // behind the signature
	for range maxChunks + 1 {
		if at+8 > int64(len(file)) || string(file[at+4:at+8]) == "IEND" {
			return true
		}
		at += 12 + int64(binary.BigEndian.Uint32(file[at:])) // length, name, checksum
	}
	return false
}

// pngMemory is examine for a PNG whose header has been read.
func pngMemory(file []byte, w, h int64) int64 {
	const depth, interlace = 24, 28 // where they are: IHDR comes first
	pixel := int64(4)
	if file[depth] == 16 {
		pixel = 8
	}
	memory := pixel*w*h + 2*pixel*w // and two rows
	if file[interlace] != 0 {
		memory = 2*memory + 32*w // its passes are pictures of their own, with rows
	}
	return memory
}

// jpegComponent is a component of a JPEG, such as brightness.
type jpegComponent struct {
	id      byte
	samples int64 // with those that fill up blocks
	scanned bool
}

// jpegMemory is examine for a JPEG. It finds segments as image/jpeg does, which is
// left to tell what is broken.
func jpegMemory(file []byte, pixels int64) (int64, error) {
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
		case marker == 0xee: // APP14, by Adobe: the colours
			rgb = rgb || len(segment) >= 12 && string(segment[:5]) == "Adobe" && segment[11] == 0
		case marker >= 0xc0 && marker <= 0xc2: // SOF: the frame
			if components != nil {
				return memory() // a second one is an error of the decoder
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
				return 0, fmt.Errorf("its scans take too long: there are %d or more (at most %d are read, fewer of a large picture)", scans, maxScans)
			}
		}
	}
}

// jpegSegment finds the next marker from a position on, its segment without the
// length, and where to go on. At the end of the picture the segment is nil.
func jpegSegment(file []byte, at int) (marker byte, segment []byte, next int) {
	for at+1 < len(file) {
		if file[at] != 0xff { // compressed data, or what does not belong here
			at++
			continue
		}
		marker = file[at+1]
		at += 2
		if marker == 0 {
			continue // a 0xff of compressed data
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

// jpegFrame reads the components of a frame, nil where the decoder reports an error.
func jpegFrame(segment []byte) []jpegComponent {
	if len(segment) < 6 || len(segment) != 6+3*int(segment[5]) || segment[5] == 0 {
		return nil
	}
	height, width := int64(binary.BigEndian.Uint16(segment[1:])), int64(binary.BigEndian.Uint16(segment[3:]))
	var l []jpegComponent
	var across, down int64 // blocks of the first component are counted in these
	for c := segment[6:]; len(c) > 0; c = c[3:] {
		h, v := int64(c[1]>>4), int64(c[1]&15)
		if h < 1 || h > 4 || v < 1 || v > 4 {
			return nil
		}
		if segment[5] == 1 {
			h, v = 1, 1 // a single component is not subsampled, whatever it says
		}
		if l == nil {
			across, down = (width+8*h-1)/(8*h), (height+8*v-1)/(8*v)
		}
		l = append(l, jpegComponent{id: c[0], samples: across * down * 64 * h * v})
	}
	return l
}
