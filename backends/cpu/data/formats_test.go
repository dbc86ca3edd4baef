package data

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/recipe"
)

// TestPillow: the pixels of a picture of every kind are those that Pillow reads
// (testdata/make.py), turned as the orientation says.
func TestPillow(t *testing.T) {
	f, err := os.Open("testdata/pillow.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := 0
	for s := bufio.NewScanner(f); s.Scan(); files++ {
		var name, text string
		var w, h int
		if _, err := fmt.Sscan(s.Text(), &name, &w, &h, &text); err != nil {
			t.Fatal(err)
		}
		want, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		img, err := DecodePicture(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if size := img.Bounds().Size(); size.X != w || size.Y != h {
			t.Errorf("%s has %v pixels, want %d x %d", name, size, w, h)
			continue
		}
		got := Fit(img, &recipe.Input{}, h, w).Pix
		worst, sum := 0, 0
		for i, v := range want {
			d := int(got[i/3*4+i%3]) - int(v)
			worst, sum = max(worst, d, -d), sum+max(d, -d)
		}
		most := 0
		switch {
		case slices.Contains([]string{"colour.jpg", "progressive.jpg", "restarts.jpg", "lossy.webp", "lossy_alpha.webp"}, name):
			// Four pixels share a colour, which Pillow blends with those beside it.
			if most = 20; sum > 7*len(want) {
				t.Errorf("%s: bytes differ by %.1f on average", name, float64(sum)/float64(len(want)))
			}
		case strings.HasSuffix(name, ".jpg"):
			most = 1 // decoders round as they like
		}
		if worst > most {
			t.Errorf("%s: a byte differs by %d, want at most %d", name, worst, most)
		}
	}
	if files < 60 {
		t.Errorf("%d pictures", files)
	}
}
