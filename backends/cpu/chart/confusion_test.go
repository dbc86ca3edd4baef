package chart

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/incc-lang/incc/ir/irtest/cputime"
)

// confused returns cells of n classes with images each, a tenth of them mistaken.
func confused(n, images int) (cells []Cell, names []string) {
	for k := range n {
		cells = append(cells, Cell{k, k, images - images/10})
		if other := (k*7 + 3) % n; images >= 10 && other != k {
			cells = append(cells, Cell{k, other, images / 10})
		}
		names = append(names, fmt.Sprintf("class number %d", k))
	}
	return cells, names
}

// TestConfusionSize draws matrices of 0 to 10,000 classes: the pictures do not grow
// without a bound, and take less than a second and 100 MB.
func TestConfusionSize(t *testing.T) {
	for _, n := range []int{0, 1, 2, 10, 24, 25, 60, 61, 100, 720, 721, 1000, 10_000} {
		cells, names := confused(n, 50)
		if n == 10 {
			names[3] = "a name so long that no picture has room for the whole of it"
		}
		var b bytes.Buffer
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		since := cputime.Start()
		if err := WriteConfusionPNG(&b, n, cells, names); err != nil {
			t.Fatalf("%d classes: %v", n, err)
		}
		took := since()
		runtime.ReadMemStats(&after)
		allocated := after.TotalAlloc - before.TotalAlloc
		if allocated > 100<<20 {
			t.Errorf("%d classes: %d MB allocated", n, allocated>>20)
		}
		if took > 5*time.Second { // far less than a second on a machine that does nothing else
			t.Errorf("%d classes took %v", n, took)
		}
		if dir := os.Getenv("INCC_CHARTS"); dir != "" { // to look at
			_ = os.WriteFile(fmt.Sprintf("%s/confusion%d.png", dir, n), b.Bytes(), 0o644)
		}
		img, err := png.Decode(&b)
		if err != nil {
			t.Fatalf("%d classes: %v", n, err)
		}
		size := img.Bounds().Size()
		t.Logf("%d classes: %v, %v, %.1f MB allocated", n, size, took.Round(time.Millisecond), float64(allocated)/1e6)
		if size.X > 1100 || size.Y > 1100 {
			t.Errorf("%d classes: a picture of %v", n, size)
		}
		blue, red := 0, 0
		for y := range size.Y {
			for x := range size.X {
				switch r, g, b, _ := img.At(x, y).RGBA(); {
				case b > r+0x3000:
					blue++
				case r > g+0x3000:
					red++
				}
			}
		}
		if n > 0 && blue < min(n, 350) || n > 2 && red < min(n, 350)/2 {
			t.Errorf("%d classes: %d blue and %d red pixels", n, blue, red)
		}
	}
}
