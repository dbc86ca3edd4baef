package unifont

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestLookup compares pictures with those of the font.
func TestLookup(t *testing.T) {
	text, err := os.ReadFile("testdata/some.hex")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		code, want, ok := strings.Cut(strings.TrimSpace(line), ":")
		var r rune
		if _, err := fmt.Sscanf(code, "%X", &r); !ok || err != nil || strings.HasPrefix(code, "#") {
			continue
		}
		n++
		g, ok := Lookup(r)
		if !ok {
			t.Errorf("there is no %c", r)
			continue
		}
		rows := make([]byte, len(want)/2)
		for y := range Height {
			for x := range g.Width {
				if i := y*g.Width + x; g.At(x, y) {
					rows[i/8] |= 0x80 >> (i % 8)
				}
			}
		}
		if got := strings.ToUpper(hex.EncodeToString(rows)); got != want {
			t.Errorf("%c is %s, want %s", r, got, want)
		}
	}
	if n != 5 {
		t.Errorf("%d characters were compared", n)
	}
	for _, r := range "a🐈ไ\x00\uffff" {
		if _, ok := Lookup(r); ok {
			t.Errorf("there is a picture of %U", r)
		}
	}
}

func TestUnpackDamaged(t *testing.T) {
	for n := range min(len(packed), 200) {
		if _, err := unpack(packed[:n]); err == nil {
			t.Errorf("%d bytes of the table are taken for all", n)
		}
	}
}
