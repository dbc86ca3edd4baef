package torch

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/specs/spectest"
)

// TestInputs: data.py makes the inputs of the network of images as incc does for evaluation,
// and its random changes keep pixels in their range.
func TestInputs(t *testing.T) {
	py := python(t)
	args := []string{filepath.Join("testdata", "steps.py")}
	var wants [][]float32
	cases := []struct {
		input, augment string
		h, w           int
	}{
		{"3x8x8 range=0..255 mean=104,117,123 order=bgr", "flip=0.5 pad=2 crop=8", 8, 8},
		{"3x8x8 range=-1..1 mean=0.1,0.2,0.3 std=0.5,0.6,0.7", "mean_std=1 brightness=0.5 contrast=0.5 saturation=0.5", 8, 8},
		{"3x8x8 range=0..1 order=bgr", "mean_std=1 lighting=0.1", 8, 8},
		{"3x8x8 range=0..1", "gcn=1 zca=1", 8, 8},
		{"1x8x8 range=0..1", "mean_image=1 rotate=20 shift=0.2 erase=1", 8, 8},
		{"3x8x8 range=0..1", "crop=8 area=0.1..1 aspect=0.5..2", 17, 13},
		{"1x8x8 range=0..1 resize=10 crop=center", "flip=1", 13, 19},
		{"3x8x8 range=0..1", "flip=1", 5, 6},
	}
	for _, c := range cases {
		g := spectest.Build(t, "a.incc", fmt.Sprintf("net a\ninput image %s\nfc 3 -> softmax\ntrain { sgd lr=0.1; augment %s; run batch=4 epochs=1 }\n", c.input, c.augment))
		dir := writePackage(t, g, g.Recipe.Train)
		const n = 30
		channels := g.Inputs[0].Type.Shape[1]
		set := &data.Set{C: channels, H: c.h, W: c.w, Classes: 1, Labels: make([]int32, n), Pixels: make([]uint8, n*channels*c.h*c.w)}
		pixels := tensor.Of(make([]float32, len(set.Pixels)), n, channels, c.h, c.w)
		r := rand.New(rand.NewPCG(1, 9))
		for i := range set.Pixels {
			set.Pixels[i] = uint8(r.IntN(256))
			pixels.Data[i] = float32(set.Pixels[i])
		}
		writeValues(t, filepath.Join(dir, "pixels.safetensors"), values{"pixels": pixels})
		tr, err := data.NewTransform(set, g.Recipe.Input, g.Recipe.Train.Augment, channels, 8, 8)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float32, n*tr.Size())
		for i := range n {
			if err := tr.Eval(want[i*tr.Size():(i+1)*tr.Size()], set, i); err != nil {
				t.Fatal(err)
			}
		}
		args, wants = append(args, dir), append(wants, want)
	}
	runPython(t, py, args...)
	for i, c := range cases {
		got := readValues(t, filepath.Join(args[1+i], "output.safetensors"))["inputs"]
		if len(got.Data) != len(wants[i]) {
			t.Errorf("%s, %s: %v", c.input, c.augment, got.Shape)
		} else if d := distance(got.Data, wants[i]); !(d <= 1e-3) {
			t.Errorf("%s, %s: the inputs differ by %.2g of the largest number", c.input, c.augment, d)
		} else {
			t.Logf("%s, %s: the largest difference is %.2g", c.input, c.augment, d)
		}
	}
}
