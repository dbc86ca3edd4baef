package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"path/filepath"
	"strings"
	"testing"
)

// blackPNG makes a black PNG of w x h pixels with one bit for each pixel.
func blackPNG(w, h int) string {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(name string, data []byte) {
		b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data))))
		b.WriteString(name)
		b.Write(data)
		b.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(append([]byte(name), data...))))
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(w))
	chunk("IHDR", append(binary.BigEndian.AppendUint32(head, uint32(h)), 1, 0, 0, 0, 0))
	var z bytes.Buffer
	c := zlib.NewWriter(&z)
	row := make([]byte, 1+(w+7)/8)
	for range h {
		_, _ = c.Write(row)
	}
	_ = c.Close()
	chunk("IDAT", z.Bytes())
	chunk("IEND", nil)
	return b.String()
}

// chunksPNG makes a PNG of one pixel with many empty text chunks.
func chunksPNG(chunks int) string {
	const head = 33 // bytes before the first text chunk
	text := "\x00\x00\x00\x00tEXt" + string(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte("tEXt"))))
	picture := blackPNG(1, 1)
	return picture[:head] + strings.Repeat(text, chunks) + picture[head:]
}

// scansJPEG makes a progressive JPEG of 4096 x 4096 grey pixels with many scans. All scans
// except the first are empty.
func scansJPEG(scans int) string {
	var b strings.Builder
	b.WriteString("\xff\xd8\xff\xdb\x00\x43\x00" + strings.Repeat("\x01", 64))
	b.WriteString("\xff\xc2\x00\x0b\x08\x10\x00\x10\x00\x01\x01\x11\x00")
	b.WriteString("\xff\xc4\x00\x14\x00\x01" + strings.Repeat("\x00", 15) + "\x00")
	b.WriteString("\xff\xc4\x00\x14\x10\x01" + strings.Repeat("\x00", 15) + "\xe0")
	b.WriteString("\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00" + strings.Repeat("\x00", 512*512/8))
	for range scans {
		b.WriteString("\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" + strings.Repeat("\x00", 48))
	}
	b.WriteString("\xff\xd9")
	return b.String()
}

// TestHostilePictures: small picture files that would take much memory or time to decode.
func TestHostilePictures(t *testing.T) {
	train := "\ntrain {\n  sgd lr=0.1\n  run batch=1 epochs=1\n}\n"
	files := map[string]string{
		"tiny.incc":     tinySpec + train,
		"cut.incc":      "net cut\ninput image 3x32x32 range=0..1 resize=36 crop=center\nconv 3x3 4 pad=1 -> gap -> fc 3 -> softmax\n" + train,
		"two.incc":      strings.Replace(tinySpec, "1x8x8", "2x8x8", 1) + train,
		"four.incc":     strings.Replace(tinySpec, "1x8x8", "4x8x8", 1) + train,
		"wide.png":      blackPNG(1<<24, 1),
		"longest.png":   blackPNG(1, 65535),
		"widest.png":    blackPNG(65535, 1),
		"large.png":     blackPNG(4096, 4096),
		"scans.jpg":     scansJPEG(3000),
		"chunks.png":    chunksPNG(1 << 17),
		"set/a/x.png":   blackPNG(1, 65535),
		"set/b/x.png":   blackPNG(65535, 1),
		"wides/a/x.png": blackPNG(1<<24, 1),
		"scans/a/x.jpg": scansJPEG(3000),
	}
	var photo bytes.Buffer
	if err := png.Encode(&photo, image.NewGray(image.Rect(0, 0, 9, 9))); err != nil {
		t.Fatal(err)
	}
	// The networks have three outputs, so the data sets have three classes.
	for _, name := range []string{"photo.png", "photos/a/x.png", "photos/b/x.png", "photos/c/x.png", "set/c/x.png", "wides/b/x.png", "wides/c/x.png", "scans/b/x.png", "scans/c/x.png"} {
		files[name] = photo.String()
	}
	setup := func(t *testing.T, dir string) {
		write(files)(t, dir)
		for _, spec := range []string{"tiny", "cut", "two", "four"} {
			command(t, "weights", filepath.Join(dir, spec+".incc"), "-o", filepath.Join(dir, spec+".st"))
		}
	}
	predict := func(spec, picture string) []string {
		return []string{"predict", spec + ".incc", "--weights", spec + ".st", picture}
	}
	input := func(spec, picture string) []string { return []string{"run", spec + ".incc", "--input", picture} }
	trained := func(spec, set string) []string {
		return []string{"train", spec + ".incc", "--data", set, "--val", "0", "--out", "out"}
	}
	eval := func(spec, set string) []string {
		return []string{"eval", spec + ".incc", "--weights", spec + ".st", "--data", set, "--split", "train"}
	}
	const (
		side     = `16777216 x 1 pixels \(at most 67108864 are read, and 65535 on a side\)`
		scans    = "scans take too long"
		channels = `the network wants [24] channels, a picture has 1 \(grey\) or 3 \(colour\)`
	)
	var cases []hostileCase
	add := func(name string, args []string, wantErr string) {
		cases = append(cases, hostileCase{name: name, setup: setup, args: args, wantErr: wantErr})
	}
	for _, spec := range []string{"tiny", "cut"} {
		add("predict, too wide, "+spec, predict(spec, "wide.png"), side)
		add("predict, longest, "+spec, predict(spec, "longest.png"), "")
		add("predict, widest, "+spec, predict(spec, "widest.png"), "")
		add("run, longest, "+spec, input(spec, "longest.png"), "")
		add("train, long and wide, "+spec, trained(spec, "set"), "")
		add("eval, long and wide, "+spec, eval(spec, "set"), "")
	}
	add("run, too wide", input("cut", "wide.png"), side)
	add("train, too wide", trained("cut", "wides"), "a/x.png: PNG picture of "+side)
	add("eval, too wide", eval("cut", "wides"), "a/x.png: PNG picture of "+side)
	add("inspect, too wide", []string{"data", "inspect", "wides"}, "a/x.png: PNG picture of "+side)
	add("predict, scans", predict("tiny", "scans.jpg"), scans)
	add("predict, chunks", predict("tiny", "chunks.png"), "broken PNG picture: more than 65536 chunks")
	add("run, scans", input("tiny", "scans.jpg"), scans)
	add("train, scans", trained("tiny", "scans"), scans)
	add("eval, scans", eval("tiny", "scans"), scans)
	for _, spec := range []string{"two", "four"} {
		add("predict, channels, "+spec, predict(spec, "photo.png"), channels)
		add("run, channels, "+spec, input(spec, "photo.png"), channels)
		add("train, channels, "+spec, trained(spec, "photos"), channels)
		add("eval, channels, "+spec, eval(spec, "photos"), channels)
	}
	runHostile(t, cases)
	runHostile(t, []hostileCase{{name: "large", setup: setup, args: predict("cut", "large.png"), maxMillis: 3000}})
}
