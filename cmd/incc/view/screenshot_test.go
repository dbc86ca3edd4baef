package view

import (
	"bytes"
	"flag"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the screenshots in testdata")

// Screenshots of another version of the browser differ in a few pixels: of the mean grey of
// blocks of pixels, most must be as they were.
const (
	blockSide  = 16
	blockMost  = 20   // levels of 255 by which a block may differ
	blocksMost = 0.02 // the part of the blocks that may differ by more
)

// blocks returns the mean grey of each block of a picture.
func blocks(img image.Image) []float64 {
	b := img.Bounds()
	var list []float64
	for y := b.Min.Y; y < b.Max.Y; y += blockSide {
		for x := b.Min.X; x < b.Max.X; x += blockSide {
			sum, n := 0.0, 0
			for v := y; v < min(y+blockSide, b.Max.Y); v++ {
				for u := x; u < min(x+blockSide, b.Max.X); u++ {
					r, g, b, _ := img.At(u, v).RGBA()
					sum, n = sum+float64(r+g+b)/3/257, n+1
				}
			}
			list = append(list, sum/float64(n))
		}
	}
	return list
}

// differing is the part of the blocks that differ between two pictures, 1 if their sizes do.
func differing(a, b image.Image) float64 {
	if a.Bounds() != b.Bounds() {
		return 1
	}
	x, y := blocks(a), blocks(b)
	n := 0
	for i := range x {
		if d := x[i] - y[i]; d > blockMost || d < -blockMost {
			n++
		}
	}
	return float64(n) / float64(len(x))
}

// TestScreenshots compares the page with screenshots. To write them anew, and look at them:
//
//	go test ./cmd/incc/view -run TestScreenshots -update
func TestScreenshots(t *testing.T) {
	b := chromium(t)
	googlenet := Source{Title: "googlenet.incc", Text: func() ([]byte, error) { return []byte(builtin(t, "googlenet")), nil }, Load: load, Engine: engine()}
	runs := Source{Runs: func() ([]Run, error) {
		first := Run{Name: "plain", State: "finished", Best: 3, Facts: [][2]string{{"seed", "1"}}, Rows: []map[string]Value{row(1, 2.2, 0.3), row(2, 1.1, 0.6), row(3, 0.6, 0.8)}}
		second := Run{Name: "inception", State: "running", Resumed: []int{1}, Best: 2, Facts: [][2]string{{"seed", "2"}}, Rows: []map[string]Value{row(1, 1.6, 0.5), row(2, 0.4, 0.9)}}
		return []Run{first, second}, nil
	}, Details: noDetails}
	shots := map[string]image.Image{}
	for _, s := range []struct {
		name, scheme string
		src          Source
		tab, act     string
		ready        string
	}{
		{"network", "light", googlenet, "network", `document.querySelectorAll(".row")[16].click()`, `document.querySelectorAll("#drawing rect.hit").length > 5`},
		{"plan", "dark", googlenet, "plan", `document.querySelectorAll("#steps tbody tr")[8].click()`, `document.querySelectorAll("#plan-drawing rect.hit").length === 3`},
		{"runs", "light", runs, "runs", "", `document.querySelectorAll("#charts canvas").length === 4 && document.querySelectorAll("#details section").length === 2`},
	} {
		b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 1200, "height": 720, "deviceScaleFactor": 1, "mobile": false}, nil)
		b.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": s.scheme}}}, nil)
		b.open(serve(t, s.src))
		b.wait(`document.getElementById("tab-` + s.tab + `") && document.querySelector("nav button[aria-selected=true]")`)
		b.eval(`Promise.all(["12px Go", "bold 12px Go", "12px 'Go Mono'"].map(f => document.fonts.load(f)))`)
		b.wait(`document.getElementById("live").textContent === "live"`)
		b.eval(`document.getElementById("tab-` + s.tab + `").click()`)
		if s.act != "" {
			b.wait(`(() => { try { ` + s.act + `; } catch (e) { return false; } return ` + s.ready + `; })()`)
		}
		b.wait(s.ready)
		b.eval(`new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))`)
		raw := b.screenshot("reference-" + s.name)
		img, err := png.Decode(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		shots[s.name] = img
		file := filepath.Join("testdata", s.name+".png")
		if *update {
			if err := os.WriteFile(file, raw, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		old, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := png.Decode(bytes.NewReader(old))
		if err != nil {
			t.Fatal(err)
		}
		if d := differing(img, want); d > blocksMost {
			t.Errorf("%.1f %% of the blocks differ from %s: go test ./cmd/incc/view -run TestScreenshots -update, then look at it", 100*d, file)
		}
	}
	for a, x := range shots {
		for c, y := range shots {
			if d := differing(x, y); a != c && d <= blocksMost {
				t.Errorf("the comparison takes %s for %s: %.3f", a, c, d)
			}
		}
	}
}
