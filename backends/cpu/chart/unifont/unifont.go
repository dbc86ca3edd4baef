// Package unifont has small pictures of the characters that the font of the charts lacks:
// Chinese, Japanese and Korean ones above all. They are from GNU Unifont, which may be used
// under the SIL Open Font License 1.1; see OFL.txt.
package unifont

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/binary"
	"fmt"
	"io"
	"sort"
	"sync"
)

//go:generate go run generate.go /usr/share/unifont/unifont_jp.hex

//go:embed glyphs.gz
var packed []byte

// Height is the height of a glyph in pixels, and Base the row below its base line.
const (
	Height = 16
	Base   = 14
)

// Glyph is the picture of a character: a bit for each pixel, row by row, the leftmost
// pixel in the highest bit.
type Glyph struct {
	Width int // 8 or 16 pixels
	bits  []byte
}

// At reports whether a pixel is dark.
func (g Glyph) At(x, y int) bool {
	i := y*g.Width + x
	return g.bits[i/8]>>(7-i%8)&1 == 1
}

// table is the content of glyphs.gz: characters in rising order and their pictures.
type table struct {
	runes []uint16
	start []int // where the picture of a character is in bits; one more for the end
	bits  []byte
}

var load = sync.OnceValue(func() table {
	t, err := unpack(packed)
	if err != nil {
		panic("unifont: glyphs.gz is damaged: " + err.Error()) // it is part of the program
	}
	return t
})

// unpack reads what generate.go writes: the number of characters, their codes, a byte with
// the width of each, and the pictures.
func unpack(b []byte) (t table, err error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return t, err
	}
	if b, err = io.ReadAll(z); err != nil {
		return t, err
	}
	if len(b) < 4 {
		return t, io.ErrUnexpectedEOF
	}
	n := int(binary.LittleEndian.Uint32(b))
	if b = b[4:]; n < 0 || n > len(b)/3 {
		return t, io.ErrUnexpectedEOF
	}
	t.runes, t.start = make([]uint16, n), make([]int, n+1)
	widths := b[2*n : 3*n]
	t.bits = b[3*n:]
	for i := range n {
		t.runes[i] = binary.LittleEndian.Uint16(b[2*i:])
		t.start[i+1] = t.start[i] + Height*int(widths[i])/8
	}
	if t.start[n] != len(t.bits) {
		return t, fmt.Errorf("%d bytes of pictures, want %d", len(t.bits), t.start[n])
	}
	return t, nil
}

// Lookup returns the picture of a character. ok is false if there is none.
func Lookup(r rune) (g Glyph, ok bool) {
	t := load()
	i := sort.Search(len(t.runes), func(i int) bool { return rune(t.runes[i]) >= r })
	if i == len(t.runes) || rune(t.runes[i]) != r {
		return g, false
	}
	g.bits = t.bits[t.start[i]:t.start[i+1]]
	g.Width = 8 * len(g.bits) / Height
	return g, true
}
