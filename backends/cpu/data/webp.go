package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"

	"golang.org/x/image/vp8l"
	"golang.org/x/image/webp"
)

// webpChunks returns the chunks of a WebP file, or of a frame in it, with their names.
// One that is cut short is an error: golang.org/x/image takes memory for what it says.
func webpChunks(data []byte) (chunks []webpChunk, err error) {
	for len(data) > 0 {
		if len(chunks) == maxChunks {
			return nil, errChunks
		}
		if len(data) < 8 {
			return chunks, nil // left to the decoder
		}
		n := int64(binary.LittleEndian.Uint32(data[4:]))
		if n > int64(len(data)-8) {
			return nil, errShort
		}
		chunks = append(chunks, webpChunk{string(data[:4]), data[8 : 8+n]})
		data = data[min(8+n+n&1, int64(len(data))):]
	}
	return chunks, nil
}

type webpChunk struct {
	name string
	data []byte
}

// webpFile is the first picture of a WebP file as a file of its own, and where it
// lies on the canvas. The frames of an animation are not read by golang.org/x/image.
func webpFile(file []byte) (still []byte, at image.Point, canvas image.Rectangle, err error) {
	chunks, err := webpChunks(file[12:])
	if err != nil {
		return nil, at, canvas, err
	}
	int24 := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
	const animated, alpha = 1 << 1, 1 << 4
	if len(chunks) == 0 || chunks[0].name != "VP8X" || len(chunks[0].data) != 10 || chunks[0].data[0]&animated == 0 {
		return file, at, canvas, nil
	}
	canvas = image.Rect(0, 0, 1+int24(chunks[0].data[4:]), 1+int24(chunks[0].data[7:]))
	for _, c := range chunks[1:] {
		if c.name != "ANMF" {
			continue
		}
		if len(c.data) < 16 {
			return nil, at, canvas, errShort
		}
		head, frame := c.data[:16], c.data[16:]
		parts, err := webpChunks(frame)
		if err != nil {
			return nil, at, canvas, err
		}
		at = image.Pt(2*int24(head), 2*int24(head[3:]))
		var flags byte
		for _, p := range parts {
			if p.name == "ALPH" {
				flags = alpha
			}
		}
		still = append([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00"), flags, 0, 0, 0)
		still = append(append(still, head[6:12]...), frame...)
		binary.LittleEndian.PutUint32(still[4:], uint32(len(still)-8))
		return still, at, canvas, nil
	}
	return nil, at, canvas, errors.New("an animation without frames")
}

// webpSize is the size of the canvas. A frame that does not fit into it is an error.
func webpSize(file []byte) (w, h int64, err error) {
	still, at, canvas, err := webpFile(file)
	if err != nil {
		return 0, 0, err
	}
	c, err := webp.DecodeConfig(bytes.NewReader(still))
	if err != nil {
		return 0, 0, err
	}
	if canvas.Empty() {
		return int64(c.Width), int64(c.Height), nil
	}
	if !image.Rect(0, 0, c.Width, c.Height).Add(at).In(canvas) {
		return 0, 0, errors.New("the first frame is not within the picture")
	}
	return int64(canvas.Dx()), int64(canvas.Dy()), nil
}

// webpMemory is examine for a WebP.
func webpMemory(file []byte, w, h int64) (int64, error) {
	still, _, canvas, err := webpFile(file)
	if err != nil {
		return 0, err
	}
	var memory int64
	if !canvas.Empty() {
		memory += int64(len(still))
	}
	chunks, err := webpChunks(still[12:])
	if err != nil {
		return 0, err
	}
	for _, c := range chunks {
		switch c.name {
		case "ALPH":
			memory += w * h
			if len(c.data) > 0 && c.data[0]&3 == 1 {
				memory += losslessMemory(c.data, w, h)
			}
		case "VP8 ":
			blocks := ((w + 15) / 16) * ((h + 15) / 16)
			return memory + blocks*(16*16*3/2+64) + 256*w + int64(len(c.data)), nil
		case "VP8L":
			// Its own header has the size that golang.org/x/image decodes.
			config, err := vp8l.DecodeConfig(bytes.NewReader(c.data))
			if err != nil {
				return 0, err
			}
			if int64(config.Width) > w || int64(config.Height) > h {
				return 0, errors.New("its parts are of different sizes")
			}
			return memory + losslessMemory(c.data, w, h), nil
		}
	}
	return memory, nil // the decoder reports an error
}

// losslessMemory is what golang.org/x/image/vp8l takes for a picture: its pixels
// twice, those of the transforms, and its Huffman trees.
func losslessMemory(data []byte, w, h int64) int64 {
	tiles := ((w + 3) / 4) * ((h + 3) / 4)
	// Five trees are a group, and each tile may have its own. A tree takes 4 bits at
	// the least, one of many symbols some 20.
	const most, group, symbols = 2600, 3 << 10, 80 << 10
	groups := min(most, tiles)
	return 8*w*h + 12*tiles + group*groups + symbols*min(groups+3, int64(len(data)/10)+1)
}

// readWebP reads the first picture of a WebP file, on its canvas.
func readWebP(file []byte) (image.Image, error) {
	still, at, canvas, err := webpFile(file)
	if err != nil {
		return nil, err
	}
	img, err := webp.Decode(bytes.NewReader(still))
	if err != nil {
		return nil, err
	}
	img = fromVideo(img)
	if canvas.Empty() {
		return img, nil
	}
	return place(img, canvas.Sub(at)), nil
}

func webpEXIF(file []byte) []byte {
	chunks, _ := webpChunks(file[12:])
	for _, c := range chunks {
		if c.name == "EXIF" {
			return bytes.TrimPrefix(c.data, []byte("Exif\x00\x00")) // some programs put this in front
		}
	}
	return nil
}

// videoRange is a lossy WebP picture. Its brightness is 16 to 235, as in video, and not
// 0 to 255 as golang.org/x/image and image.YCbCr take it.
type videoRange struct {
	*image.NYCbCrA
	opaque bool
}

// fromVideo returns the picture that golang.org/x/image/webp has read with the right
// colours.
func fromVideo(img image.Image) image.Image {
	switch m := img.(type) {
	case *image.YCbCr:
		return &videoRange{&image.NYCbCrA{YCbCr: *m}, true}
	case *image.NYCbCrA:
		return &videoRange{m, false}
	}
	return img // a lossless one
}

func (*videoRange) ColorModel() color.Model { return color.NRGBAModel }

func (v *videoRange) At(x, y int) color.Color { return v.at(x, y) }

func (v *videoRange) RGBA64At(x, y int) color.RGBA64 {
	r, g, b, a := v.at(x, y).RGBA()
	return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
}

// at is the colour of a pixel. Its numbers are those of libwebp.
func (v *videoRange) at(x, y int) color.NRGBA {
	if !(image.Point{X: x, Y: y}).In(v.Rect) {
		return color.NRGBA{}
	}
	c := v.COffset(x, y)
	luma, cb, cr := int32(v.Y[v.YOffset(x, y)]), int32(v.Cb[c]), int32(v.Cr[c])
	luma = luma * 19077 >> 8
	clip := func(x int32) uint8 { return uint8(min(max(x>>6, 0), 255)) }
	p := color.NRGBA{
		R: clip(luma + cr*26149>>8 - 14234),
		G: clip(luma - cb*6419>>8 - cr*13320>>8 + 8708),
		B: clip(luma + cb*33050>>8 - 17685),
		A: 255,
	}
	if !v.opaque {
		p.A = v.A[v.AOffset(x, y)]
	}
	return p
}
