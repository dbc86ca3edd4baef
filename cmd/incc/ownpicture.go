package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strings"

	"github.com/incc-lang/incc/backends/files"
)

// Pictures that incc writes have a mark, so that a command replaces such a picture but never
// another one, for example one of a data set: in PNG a text chunk behind the header
// (PNG, section 11.3.3), in SVG a comment at the end.
const svgMark = "<!-- drawn by incc -->\n"

// pngHeader is the length of the signature and of the first chunk of PNG, which is IHDR.
const pngHeader = 8 + 4 + 4 + 13 + 4

var pngMark = textChunk("Software\x00incc")

// textChunk is a chunk tEXt of PNG: length, type, text and CRC-32 of the last two.
func textChunk(text string) string {
	body := "tEXt" + text
	b := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	return string(binary.BigEndian.AppendUint32(append(b, body...), crc32.ChecksumIEEE([]byte(body))))
}

// marked returns write with the mark of the kind of picture that path names. It returns write
// itself for other files.
func marked(path string, write func(io.Writer) error) func(io.Writer) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".png":
		return func(w io.Writer) error { return write(&pngMarker{w: w}) }
	case ".svg":
		return func(w io.Writer) error {
			if err := write(w); err != nil {
				return err
			}
			_, err := io.WriteString(w, svgMark)
			return err
		}
	}
	return write
}

// pngMarker writes the mark behind the header of a PNG file.
type pngMarker struct {
	w io.Writer
	n int // bytes of the header that are written
}

func (m *pngMarker) Write(b []byte) (n int, err error) {
	if rest := pngHeader - m.n; rest > 0 {
		n, err = m.w.Write(b[:min(rest, len(b))])
		m.n += n
		if err != nil || m.n < pngHeader {
			return n, err
		}
		if _, err := io.WriteString(m.w, pngMark); err != nil {
			return n, err
		}
		b = b[n:]
	}
	k, err := m.w.Write(b)
	return n + k, err
}

// isOwnPicture reports whether a PNG or SVG file has the mark of incc.
func isOwnPicture(path string) (bool, error) {
	f, size, err := files.Open(path)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	mark, at := svgMark, size-int64(len(svgMark))
	if strings.EqualFold(filepath.Ext(path), ".png") {
		mark, at = pngMark, pngHeader
	}
	have := make([]byte, len(mark))
	if at < 0 {
		return false, nil
	}
	if _, err := f.ReadAt(have, at); err != nil && err != io.EOF {
		return false, err
	}
	return string(have) == mark, nil
}
