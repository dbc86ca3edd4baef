package server

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/ir/irtest/cputime"
)

func jpegOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pngHead returns the header of a grey PNG, without the rest.
func pngHead(w, h int) []byte { return pngFile(w, h, 8, 0, 0xff)[:33] }

// pngFile returns a PNG of any kind whose pixels are 0.
func pngFile(w, h int, depth, colour, interlace byte) []byte {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(name string, data []byte) {
		_ = binary.Write(&b, binary.BigEndian, uint32(len(data)))
		b.WriteString(name)
		b.Write(data)
		_ = binary.Write(&b, binary.BigEndian, crc32.ChecksumIEEE(append([]byte(name), data...)))
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(w))
	head = binary.BigEndian.AppendUint32(head, uint32(h))
	chunk("IHDR", append(head, depth, colour, 0, 0, interlace&1))
	if colour == 3 {
		chunk("PLTE", make([]byte, 3))
	}
	if colour == 0 || colour == 2 {
		chunk("tRNS", make([]byte, 2+2*colour)) // a tRNS chunk adds transparency
	}
	var z bytes.Buffer
	c := zlib.NewWriter(&z)
	channels := map[byte]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
	rows := make([]byte, 1<<16)
	size := func(w, h int) int {
		if w == 0 {
			return 0
		}
		return h * (1 + (w*channels*int(depth)+7)/8)
	}
	n := size(w, h)
	if interlace == 1 { // Adam7
		n = 0
		for _, p := range [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} {
			n += size((w-p[0]+p[2]-1)/p[2], (h-p[1]+p[3]-1)/p[3])
		}
	}
	if interlace == 0xff {
		n = 0
	}
	for ; n > 0; n -= len(rows) {
		_, _ = c.Write(rows[:min(n, len(rows))])
	}
	_ = c.Close()
	chunk("IDAT", z.Bytes())
	chunk("IEND", nil)
	return b.Bytes()
}

// gifHead returns the header of a GIF, without the rest.
func gifHead(w, h int) []byte {
	return append([]byte("GIF89a"), byte(w), byte(w>>8), byte(h), byte(h>>8), 0, 0, 0)
}

// gifOf returns a GIF with the given frames.
func gifOf(t testing.TB, w, h int, frames ...*image.Paletted) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: frames, Delay: make([]int, len(frames)), Config: image.Config{Width: w, Height: h}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// jpegFile returns a JPEG without coefficients. Its first scan contains all components, the
// other scans only the first one. With adobe its colours are RGB.
func jpegFile(w, h, components, scans int, progressive, adobe bool) []byte {
	var b bytes.Buffer
	b.WriteString("\xff\xd8")
	segment := func(marker byte, data ...byte) {
		b.Write([]byte{0xff, marker})
		_ = binary.Write(&b, binary.BigEndian, uint16(len(data)+2))
		b.Write(data)
	}
	frame := []byte{8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), byte(components)}
	for c := range components {
		frame = append(frame, byte(c+1), 0x11, 0)
	}
	if components > 3 || adobe {
		segment(0xee, []byte("Adobe\x00\x64\x00\x00\x00\x00\x00")...)
	}
	segment(0xdb, make([]byte, 65)...)
	run := byte(0) // end of block
	if progressive {
		segment(0xc2, frame...)
		run = 0xe0 // end of band: 1<<14 blocks or more
	} else {
		segment(0xc0, frame...)
	}
	for class, value := range []byte{0, run} {
		// A table with a single code of one bit.
		segment(0xc4, append(append([]byte{byte(class << 4), 1}, make([]byte, 15)...), value)...)
	}
	blocks := ((w + 7) / 8) * ((h + 7) / 8)
	for s := range scans {
		selectors := []byte{byte(components)}
		for c := range components {
			selectors = append(selectors, byte(c+1), 0)
		}
		switch {
		case !progressive:
			if s > 0 {
				selectors = []byte{1, 1, 0}
			}
			segment(0xda, append(selectors, 0, 63, 0)...)
			b.Write(make([]byte, components*blocks/4+1))
		case s == 0:
			segment(0xda, append(selectors, 0, 0, 0)...)
			b.Write(make([]byte, components*blocks/8+1))
		default:
			segment(0xda, 1, 1, 0, 1, 63, 0)
			b.Write(make([]byte, 2*blocks/(1<<14)+16))
		}
	}
	b.WriteString("\xff\xd9")
	return b.Bytes()
}

// TestExamine checks that decoding allocates at most what examine returns, and for pictures
// that need the most memory, not much less.
func TestExamine(t *testing.T) {
	noise := func(img *image.RGBA) *image.RGBA {
		r := rand.New(rand.NewPCG(1, 2))
		for i := range img.Pix {
			img.Pix[i] = uint8(r.Uint32())
		}
		return img
	}
	files := map[string][]byte{
		"jpeg":             jpegOf(t, noise(image.NewRGBA(image.Rect(0, 0, 700, 500)))),
		"jpeg grey":        jpegOf(t, image.NewGray(image.Rect(0, 0, 700, 500))),
		"jpeg 1 x 1":       jpegOf(t, image.NewGray(image.Rect(0, 0, 1, 1))),
		"jpeg line":        jpegOf(t, image.NewRGBA(image.Rect(0, 0, 1, 60000))),
		"jpeg rgb":         jpegFile(1000, 700, 3, 1, false, true),
		"jpeg cmyk":        jpegFile(1000, 700, 4, 1, false, false),
		"progressive":      jpegFile(1000, 700, 3, 4, true, false),
		"progressive rgb":  jpegFile(1000, 700, 3, 4, true, true),
		"progressive grey": jpegFile(1000, 700, 1, 4, true, false),
		"progressive cmyk": jpegFile(1000, 700, 4, 4, true, false),
		"progressive line": jpegFile(65000, 1, 3, 4, true, false),
		"png":              pngOf(t, noise(image.NewRGBA(image.Rect(0, 0, 700, 500)))),
		"png palette":      pngOf(t, image.NewPaletted(image.Rect(0, 0, 700, 500), color.Palette{color.Black, color.White})),
	}
	two := color.Palette{color.Black, color.White, color.Transparent}
	frame := image.NewPaletted(image.Rect(0, 0, 700, 500), two)
	for i := range frame.Pix {
		frame.Pix[i] = byte(i % 3)
	}
	files["gif"] = gifOf(t, 700, 500, frame)
	files["gif of many frames"] = gifOf(t, 700, 500, slices.Repeat([]*image.Paletted{frame}, 20)...)
	files["gif, interlaced"] = slices.Clone(files["gif"])
	at := bytes.Index(files["gif"], []byte("\x2c\x00\x00\x00\x00\xbc\x02\xf4\x01"))
	files["gif, interlaced"][at+9] |= 0x40
	for _, k := range [][2]byte{{8, 0}, {16, 0}, {8, 2}, {16, 2}, {8, 3}, {8, 4}, {16, 4}, {8, 6}, {16, 6}} {
		for interlace := range byte(2) {
			name := fmt.Sprintf("png %d bits, colour %d, interlace %d", k[0], k[1], interlace)
			files[name] = pngFile(1000, 700, k[0], k[1], interlace)
			files[name+", one row"] = pngFile(maxSide, 1, k[0], k[1], interlace)
			files[name+", one column"] = pngFile(1, maxSide, k[0], k[1], interlace)
		}
	}
	for name, file := range files {
		cost, err := examine(file, standard...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := decode(file, standard...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if got := int64(after.TotalAlloc - before.TotalAlloc); got > cost {
			t.Errorf("%s: decoding allocates %d bytes, examine says %d", name, got, cost)
		} else if strings.Contains(name, "progressive") && got < cost/2 {
			t.Errorf("%s: decoding allocates only %d bytes, examine says %d", name, got, cost)
		}
	}
}

// TestDecodeRefuses checks that broken pictures are errors, and that pictures that need too
// much memory or work are refused before they are decoded.
func TestDecodeRefuses(t *testing.T) {
	photo := jpegOf(t, image.NewRGBA(image.Rect(0, 0, 64, 48)))
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":                {nil, "the file is empty"},
		"text":                 {[]byte("no picture"), "not a PNG, JPEG or GIF picture"},
		"webp":                 {[]byte("RIFF\x1a\x00\x00\x00WEBPVP8 "), "WebP pictures are not read (want PNG, JPEG or GIF)"},
		"bmp":                  {[]byte("BM\x00\x00"), "BMP pictures are not read (want PNG, JPEG or GIF)"},
		"tiff":                 {[]byte("MM\x00*\x00\x00"), "TIFF pictures are not read (want PNG, JPEG or GIF)"},
		"heic":                 {[]byte("\x00\x00\x00\x1cftypheic\x00\x00"), "HEIC pictures are not read"},
		"gif without frames":   {gifHead(1, 1), "broken GIF picture"},
		"gif, too many pixels": {gifHead(1<<14, 1<<13), "16384 x 8192 pixels (at most 67108864"},
		"gif, frame outside":   {append(gifHead(1, 1), "\x2c\x00\x00\x00\x00\xff\xff\xff\xff\x00\x08\x00"...), "frame bounds larger than image bounds"},
		"too many pixels":      {pngHead(1<<14, 1<<13), "16384 x 8192 pixels (at most 67108864"},
		"a wide line":          {pngHead(1<<16, 1), "65536 x 1 pixels"},
		"a long line":          {pngHead(1, 1<<24), "1 x 16777216 pixels"},
		"16 bits, interlaced":  {pngFile(1<<12, 1<<12, 16, 6, 1), "takes 256 MiB of memory (at most 2"},
		"large progressive":    {jpegFile(1<<12, 1<<12, 4, 1, true, false), "takes 384 MiB of memory"},
		"101 scans":            {jpegFile(8, 8, 1, 101, true, false), "101 or more (want at most 100"},
		"3000 large scans":     {jpegFile(4096, 4096, 1, 3000, true, false), "33 or more"},
		"2 sequential scans":   {jpegFile(8, 8, 1, 2, false, false), "several scans"},
		"scans of a component": {jpegFile(8, 8, 3, 3, false, false), "several scans"},
		"cut off":              {photo[:len(photo)/2], "unexpected EOF"},
		"head only":            {photo[:20], "unexpected EOF"},
	} {
		since := cputime.Start()
		_, err := decode(c.file, standard...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if d := since(); d > time.Second {
			t.Errorf("%s takes %v", name, d)
		}
	}
	for name, file := range map[string][]byte{
		"100 scans":             jpegFile(8, 8, 1, 100, true, false),
		"32 scans of 65,536 px": jpegFile(256, 256, 3, 30, true, false),
	} {
		if _, err := decode(file, standard...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Bytes that look like scans, in a segment of metadata or after the end, do not count.
	noise := bytes.Repeat([]byte("\xff\xda\x00\x02"), 1000)
	inside := append([]byte("\xff\xd8\xff\xe1\x0f\xa2"), append(noise, photo[2:]...)...)
	for name, file := range map[string][]byte{"metadata": inside, "behind the end": append(photo[:len(photo):len(photo)], noise...)} {
		if _, err := decode(file, standard...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBombs checks that the largest allowed pictures, made such that the file is small and
// decoding takes long, are decoded in a few seconds at most.
func TestBombs(t *testing.T) {
	if os.Getenv("INCC_LONG") == "" {
		t.Skip("decodes tens of millions of pixels several times; INCC_LONG=1 does")
	}
	for name, file := range map[string][]byte{
		"png":              pngFile(1<<12, 1<<12, 8, 6, 0),
		"png, interlaced":  pngFile(1<<12, 1<<12, 8, 0, 1),
		"png, rows":        pngFile(1<<8, maxSide, 1, 0, 0),
		"png, columns":     pngFile(maxSide, 1<<8, 16, 6, 0),
		"jpeg":             jpegFile(1<<12, 1<<12, 3, 1, false, false),
		"jpeg, 64 million": jpegFile(1<<13, 1<<13, 3, 1, false, false),
		"progressive grey": jpegFile(1<<12, 1<<12, 1, 32, true, false),
	} {
		since := cputime.Start()
		img, err := decode(file, standard...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		d := since()
		t.Logf("%s, %d bytes: %v decoded in %v", name, len(file), img.Bounds(), d)
		if d > 30*time.Second {
			t.Errorf("%s takes %v", name, d)
		}
	}
}

func TestReadPicture(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	f, err := os.Create(large)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(maxFile + 1); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for path, want := range map[string]string{dir: "not a regular file", large: "at most", os.DevNull: "not a regular file", filepath.Join(dir, "none"): "none"} {
		if _, err := readPicture(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

// FuzzDecode checks that no file makes the decoder panic, need more memory than examine
// returns, or take long.
func FuzzDecode(f *testing.F) {
	small := image.NewRGBA(image.Rect(0, 0, 9, 5))
	f.Add(jpegOf(f, small))
	f.Add(pngOf(f, small))
	f.Add(jpegFile(20, 10, 3, 3, true, false))
	f.Add(pngFile(5, 7, 16, 2, 1))
	f.Add(gifOf(f, 9, 5, image.NewPaletted(image.Rect(1, 1, 4, 5), color.Palette{color.Black, color.White})))
	f.Fuzz(func(t *testing.T, file []byte) {
		cost, err := examine(file, standard...)
		if err != nil || cost > 64<<20 {
			return
		}
		begin := time.Now()
		_, _ = decode(file, standard...)
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("%d bytes take %v", len(file), d)
		}
	})
}

// TestChunks checks that a picture with too many empty chunks or segments is refused, wherever
// they are, and that one with thousands is decoded.
func TestChunks(t *testing.T) {
	picture := pngOf(t, image.NewGray(image.Rect(0, 0, 3, 3)))
	photo := jpegOf(t, image.NewGray(image.Rect(0, 0, 3, 3)))
	text := binary.BigEndian.AppendUint32([]byte("\x00\x00\x00\x00tEXt"), crc32.ChecksumIEEE([]byte("tEXt")))
	insert := func(file []byte, at, n int, what []byte) []byte {
		return slices.Concat(file[:at], bytes.Repeat(what, n), file[at:])
	}
	comment := []byte("\xff\xfe\x00\x02")
	for name, make := range map[string]func(n int) []byte{
		"PNG, before the data":  func(n int) []byte { return insert(picture, 33, n, text) },
		"PNG, behind the data":  func(n int) []byte { return insert(picture, len(picture)-12, n, text) },
		"JPEG, before the scan": func(n int) []byte { return insert(photo, 2, n, comment) },
		"JPEG, behind the scan": func(n int) []byte { return insert(photo, len(photo)-2, n, comment) },
	} {
		if _, err := decode(make(16000), standard...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := decode(make(maxChunks+1), standard...); err == nil || !strings.Contains(err.Error(), "more than 65536") {
			t.Errorf("%s: error %v, want one about the number of chunks", name, err)
		}
	}
}
