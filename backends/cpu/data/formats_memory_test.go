package data

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/ir/irtest/cputime"
)

// tiffFile makes a TIFF of little-endian order with long tags, in ascending order, and
// data behind them. Offsets of the data are counted from its begin.
func tiffFile(data []byte, tags ...[2]uint32) []byte {
	const (
		stripOffsets = 273
		tileOffsets  = 324
	)
	begin := uint32(8 + 2 + 12*len(tags) + 4)
	b := binary.LittleEndian.AppendUint32([]byte("II*\x00"), 8)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(tags)))
	for _, t := range tags {
		b = binary.LittleEndian.AppendUint16(b, uint16(t[0]))
		b = binary.LittleEndian.AppendUint16(b, 4)
		b = binary.LittleEndian.AppendUint32(b, 1)
		if t[0] == stripOffsets || t[0] == tileOffsets {
			t[1] += begin
		}
		b = binary.LittleEndian.AppendUint32(b, t[1])
	}
	return append(append(b, 0, 0, 0, 0), data...)
}

// zeros is n zeros as zlib writes them.
func zeros(n int) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	block := make([]byte, 1<<16)
	for ; n > 0; n -= len(block) {
		_, _ = w.Write(block[:min(n, len(block))])
	}
	_ = w.Close()
	return b.Bytes()
}

// deflated makes a grey TIFF of one strip, or of one tile of tw x th pixels.
func deflated(w, h, tw, th uint32, data []byte) []byte {
	tags := [][2]uint32{{256, w}, {257, h}, {258, 8}, {259, 8}, {262, 1}}
	if tw > 0 {
		tags = append(tags, [2]uint32{322, tw}, [2]uint32{323, th}, [2]uint32{324, 0}, [2]uint32{325, uint32(len(data))})
	} else {
		tags = append(tags, [2]uint32{273, 0}, [2]uint32{278, h}, [2]uint32{279, uint32(len(data))})
	}
	return tiffFile(data, tags...)
}

// bmpHead makes the header of a BMP.
func bmpHead(w, h, bits uint32) []byte {
	b := []byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00")
	b = binary.LittleEndian.AppendUint32(b, w)
	b = binary.LittleEndian.AppendUint32(b, h)
	b = binary.LittleEndian.AppendUint32(b, 1|bits<<16)
	return append(b, make([]byte, 24)...)
}

// riff makes a WebP file of chunks: a name, and what is in it.
func riff(chunks ...string) []byte {
	b := []byte("RIFF\x00\x00\x00\x00WEBP")
	for i := 0; i < len(chunks); i += 2 {
		b = append(b, chunks[i]...)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(chunks[i+1])))
		b = append(b, chunks[i+1]...)
		b = append(b, make([]byte, len(chunks[i+1])&1)...)
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

// extended is the chunk VP8X of a picture of w x h pixels.
func extended(flags byte, w, h int) string {
	w, h = w-1, h-1
	return string([]byte{flags, 0, 0, 0, byte(w), byte(w >> 8), byte(w >> 16), byte(h), byte(h >> 8), byte(h >> 16)})
}

// lossless is the header of the chunk VP8L of a picture of w x h pixels.
func lossless(w, h uint32) string {
	return "\x2f" + string(binary.LittleEndian.AppendUint32(nil, (w-1)|(h-1)<<14))
}

// TestFormatsMemory: decoding allocates at most what examine says.
func TestFormatsMemory(t *testing.T) {
	files := map[string][]byte{
		"tiff, strip":                   deflated(3000, 900, 0, 0, zeros(3000*900)),
		"tiff, strip of too much":       deflated(3000, 900, 0, 0, zeros(16*3000*900)),
		"tiff, tile larger than needed": deflated(20, 20, 1024, 1024, zeros(9<<20)),
		"bmp":                           append(bmpHead(900, 700, 24), make([]byte, 900*700*3)...),
		"bmp, 32 bits":                  append(bmpHead(900, 700, 32), make([]byte, 900*700*4)...),
	}
	// A page of A4 at 600 dots per inch, 4960 x 7016 pixels in one strip, as scanners write it.
	page, err := os.ReadFile("testdata/large/facsimile.tif")
	if err != nil {
		t.Fatal(err)
	}
	files["tiff, facsimile"] = page
	for _, kind := range []string{"*.bmp", "*.gif", "*.tiff", "*.webp"} {
		names, err := filepath.Glob(filepath.Join("testdata", kind))
		if err != nil || len(names) == 0 {
			t.Fatal(kind, names, err)
		}
		for _, name := range names {
			if files[name], err = os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, file := range files {
		cost, err := examine(file, allFormats...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := DecodePicture(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if tiffFormat.is(file) {
			cost *= 2 // the buffer of a block has been smaller ones, which are garbage
		}
		if got := int64(after.TotalAlloc - before.TotalAlloc); got > cost {
			t.Errorf("%s: decoding allocates %d bytes, examine says %d", name, got, cost)
		}
	}
}

// TestFormatsRefuse: pictures that would take too much are refused from their headers,
// and so are those whose headers promise what the file does not hold.
func TestFormatsRefuse(t *testing.T) {
	strips := func(w, h, rows uint32) []byte {
		return tiffFile(nil, [2]uint32{256, w}, [2]uint32{257, h}, [2]uint32{258, 8}, [2]uint32{259, 8}, [2]uint32{262, 1}, [2]uint32{273, 0}, [2]uint32{278, rows}, [2]uint32{279, 0})
	}
	type t2 = [2]uint32
	kind := func(tags ...t2) []byte {
		return tiffFile(nil, append([]t2{{256, 8}, {257, 8}, {258, 8}}, tags...)...)
	}
	frame := extended(0, 9, 9)[4:] // its width and height
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"bmp, cut":                {append(bmpHead(4096, 4096, 24), make([]byte, 1000)...), "the file is cut short"},
		"bmp, too many pixels":    {bmpHead(1<<14, 1<<13, 24), "16384 x 8192 pixels (at most 67108864"},
		"bmp, 16 bits":            {bmpHead(8, 8, 16), "a kind of BMP that is not read"},
		"bmp, head only":          {bmpHead(8, 8, 24)[:30], "broken BMP picture"},
		"tiff, too many pixels":   {strips(1<<14, 1<<13, 1), "16384 x 8192 pixels (at most 67108864"},
		"tiff, many strips":       {strips(1, 65535, 1), "inconsistent header"},
		"tiff, many tiles":        {deflated(4096, 4096, 8, 8, zeros(1)), "are too many or too large"},
		"tiff, wide tiles":        {deflated(17, 65535, 1024, 1024, zeros(1)), "are too many or too large"},
		"tiff, huge tiles":        {deflated(17, 17, 1<<20, 1<<20, zeros(1)), "tiles of 1048576 x 1048576 pixels"},
		"tiff, tiles of nothing":  {deflated(17, 17, 16, 0, zeros(1)), "tiles of 16 x 0 pixels"},
		"tiff, huge strip":        {deflated(4960, 7016, 0, 0, zeros(1)), "save it with strips of fewer rows"},
		"tiff, large strip":       {deflated(4096, 4096, 0, 0, zeros(1)), "MiB of memory (at most 2"},
		"tiff, planes":            {kind(t2{262, 2}, t2{284, 2}), "TIFF picture of 8 x 8 pixels: TIFFs with each colour stored by itself (planar configuration 2) are not read: save it as PNG"},
		"tiff, CMYK":              {kind(t2{262, 5}, t2{277, 4}), "TIFFs of CMYK colours are not read: save it as PNG"},
		"tiff, YCbCr":             {kind(t2{262, 6}, t2{277, 3}), "TIFFs of YCbCr colours are not read"},
		"tiff, JPEG":              {kind(t2{259, 7}, t2{262, 6}, t2{277, 3}), "TIFFs with JPEG compression are not read"},
		"tiff, Zstandard":         {kind(t2{259, 50000}, t2{262, 2}), "TIFFs with Zstandard compression are not read"},
		"tiff, compression":       {kind(t2{259, 9}, t2{262, 1}), "TIFFs with compression 9 are not read"},
		"tiff, floats":            {kind(t2{262, 1}, t2{339, 3}), "TIFFs of floating-point numbers are not read"},
		"tiff, signs":             {kind(t2{262, 1}, t2{339, 2}), "TIFFs of numbers with a sign are not read"},
		"tiff, grey and alpha":    {kind(t2{262, 1}, t2{277, 2}), "grey TIFFs with transparency are not read"},
		"tiff, five numbers":      {kind(t2{262, 2}, t2{277, 5}), "TIFFs of 5 numbers for each pixel are not read"},
		"tiff, bits":              {tiffFile(nil, t2{256, 8}, t2{257, 8}, t2{258, 32}, t2{262, 1}), "TIFFs of 32 bits for each number are not read"},
		"tiff, no size":           {tiffFile(nil, t2{258, 32}, t2{262, 1}), "TIFF picture of 0 x 0 pixels"},
		"tiff, huge and CMYK":     {tiffFile(nil, t2{256, 1 << 31}, t2{257, 1 << 31}, t2{262, 5}), "2147483648 x 2147483648 pixels (at most"},
		"tiff, BigTIFF":           {[]byte("II+\x00\x08\x00\x00\x00"), "a BigTIFF, which is not read: save it as a plain TIFF or as PNG"},
		"tiff, BigTIFF, big":      {[]byte("MM\x00+\x00\x08\x00\x00"), "a BigTIFF, which is not read"},
		"tiff, head only":         {[]byte("II*\x00\x08\x00\x00\x00"), "broken TIFF picture"},
		"webp, head only":         {riff(), "broken WebP picture"},
		"webp, chunk of too much": {append(riff("VP8X", extended(0, 8, 8)), "VP8 \xf0\xff\xff\x7f"...), "the file is cut short"},
		"webp, too many pixels":   {riff("VP8X", extended(0, 1<<14, 1<<13)), "16384 x 8192 pixels (at most 67108864"},
		"webp, many chunks":       {riff(slices.Repeat([]string{"JUNK", ""}, maxChunks+1)...), "more than 65536 chunks"},
		"webp, parts disagree":    {riff("VP8X", extended(0, 8, 8), "VP8L", lossless(1<<14, 1<<14)), "its parts are of different sizes"},
		"webp, large and empty":   {riff("VP8L", lossless(1<<12, 1<<12)), "broken WebP picture: unexpected EOF"},
		"webp, no frames":         {riff("VP8X", extended(2, 8, 8)), "an animation without frames"},
		"webp, frame outside":     {riff("VP8X", extended(2, 8, 8), "ANMF", "\x00\x00\x00\x00\x00\x00"+frame+"\x00\x00\x00\x00"+"VP8L\x05\x00\x00\x00"+lossless(9, 9)+"\x00"), "the first frame is not within the picture"},
	} {
		since := cputime.Start()
		_, err := DecodePicture(c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if d := since(); d > time.Second {
			t.Errorf("%s takes %v", name, d)
		}
	}
}
