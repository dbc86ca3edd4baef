package data

import (
	"image"
	"image/color"
	"math"
	"testing"
	"testing/fstest"

	"github.com/incc-lang/incc/ir/recipe"
)

// TestFolderOrder: a picture from a folder becomes what incc predict makes of it, in
// either order of channels, and View shows the picture again.
func TestFolderOrder(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	for i, c := range []color.NRGBA{{250, 20, 30, 255}, {1, 2, 3, 255}, {0, 255, 0, 255}, {9, 8, 200, 255}} {
		img.SetNRGBA(i%2, i/2, c)
	}
	file := encode(t, img)
	for _, order := range []string{"", "rgb", "bgr"} {
		in := &recipe.Input{Lo: 0, Hi: 1, Mean: []float64{.1, .2, .3}, Std: []float64{.5, .25, .125}, Order: order}
		src, err := readFolder(fstest.MapFS{"a/1.png": {Data: file}}, Reading{Input: in, C: 3, H: 2, W: 2, Cache: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		// What recipes take from the data: a mean and deviation of one image, without
		// whitening, can be undone.
		for _, augs := range [][]recipe.Augment{nil, {{MeanSubtracted: true}}, {{MeanStd: true}}, {{GCN: true}}} {
			tr, err := NewTransform(src.Train, in, augs, 3, 2, 2)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float32, 12)
			must(t, tr.Eval(got, src.Train, 0))
			if augs == nil {
				want, err := Load(file, in, 3, 2, 2)
				if err != nil {
					t.Fatal(err)
				}
				for i := range want {
					if math.Abs(float64(got[i]-want[i])) > 1e-6 {
						t.Errorf("order %q: number %d is %g, incc predict has %g", order, i, got[i], want[i])
					}
				}
			}
			seen := make([]uint8, 12)
			tr.View(seen, got)
			for c := range 3 {
				for p := range 4 {
					want, v := img.Pix[4*p+c], seen[4*c+p]
					if len(augs) == 1 && augs[0].GCN {
						continue // tested below
					}
					if v != want {
						t.Errorf("order %q, %+v: byte %d of pixel %d is %d, want %d", order, augs, c, p, v, want)
					}
				}
			}
			if len(augs) == 1 && augs[0].GCN {
				lo, hi := uint8(255), uint8(0)
				for _, v := range seen {
					lo, hi = min(lo, v), max(hi, v)
				}
				if hi != 255 && lo != 0 || seen[0] < 150 || seen[4+2] < 150 {
					t.Errorf("order %q: normalized contrast is seen as %v", order, seen)
				}
			}
		}
	}
}
