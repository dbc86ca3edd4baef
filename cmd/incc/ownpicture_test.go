package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"strings"
	"testing"
)

// Pictures of incc are replaced, those of others are not.
func TestOwnPictures(t *testing.T) {
	t.Chdir(t.TempDir())
	var foreign bytes.Buffer
	if err := png.Encode(&foreign, image.NewGray(image.Rect(0, 0, 9, 7))); err != nil {
		t.Fatal(err)
	}
	theirs := map[string][]byte{"theirs.png": foreign.Bytes(), "theirs.svg": []byte("<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>\n"), "short.svg": []byte("<a/>")}
	for name, b := range theirs {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := capture(t, "draw", "mnist/nin", "-o", name)
		if have, err := os.ReadFile(name); code != exitUsage || !strings.Contains(stderr, "did not draw") || err != nil || !bytes.Equal(have, b) {
			t.Errorf("draw -o %s exits with %d: %s", name, code, stderr)
		}
	}
	for _, name := range []string{"own.png", "own.svg", "OWN.PNG"} {
		for range 2 {
			if code, _, stderr := capture(t, "draw", "mnist/nin", "-o", name); code != exitOK {
				t.Fatalf("draw -o %s: %s", name, stderr)
			}
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.EqualFold(name, "own.png") {
			if _, err := png.Decode(bytes.NewReader(b)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		d := xml.NewDecoder(bytes.NewReader(b))
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The mark stands behind the header, however the file is written.
func TestPNGMarker(t *testing.T) {
	var whole bytes.Buffer
	if err := png.Encode(&whole, image.NewGray(image.Rect(0, 0, 300, 200))); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 7, 32, 33, 34, 1 << 20} {
		var b bytes.Buffer
		m := &pngMarker{w: &b}
		for rest := whole.Bytes(); len(rest) > 0; {
			k, err := m.Write(rest[:min(n, len(rest))])
			if err != nil || k != min(n, len(rest)) {
				t.Fatalf("%d of %d bytes, %v", k, n, err)
			}
			rest = rest[k:]
		}
		want := whole.String()[:pngHeader] + pngMark + whole.String()[pngHeader:]
		if b.String() != want {
			t.Errorf("in pieces of %d bytes: %d bytes, want %d", n, b.Len(), len(want))
		}
		if _, err := png.Decode(&b); err != nil {
			t.Error(err)
		}
	}
}
