package classify

import (
	"errors"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

const model, picture = "../onnx/testdata/classifier.onnx", "../cpu/data/testdata/colour.jpg"

// The scores are those of the reference interpreter for the prepared picture.
func TestClassify(t *testing.T) {
	const keys = "range=-1..1 resize=9 crop=center"
	c, err := Load(model, Options{Image: keys})
	if err != nil {
		t.Fatal(err)
	}
	top, err := c.ClassifyFile(picture, 99)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	in, err := Input(ir.Shape{3, 6, 6}, keys)
	if err != nil {
		t.Fatal(err)
	}
	x, err := data.Load(file, in, 3, 6, 6)
	if err != nil {
		t.Fatal(err)
	}
	g, err := onnx.Load(model, onnx.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := ref.Run(g, []*tensor.Tensor{tensor.Widen(tensor.Of(x, 1, 3, 6, 6))}, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := res[g.Outputs[0]].Data
	if len(top) != len(want) {
		t.Fatalf("%d classes, want %d", len(top), len(want))
	}
	for i, p := range top {
		if d := math.Abs(float64(p.Score) - want[p.Class]); !(d < 1e-6) {
			t.Errorf("class %d has score %g, want %g", p.Class, p.Score, want[p.Class])
		}
		if p.Label != "" || i > 0 && p.Score > top[i-1].Score {
			t.Errorf("prediction %d is %+v after %+v", i, p, top[max(0, i-1)])
		}
	}
}

func TestClassifyConcurrent(t *testing.T) {
	c, err := Load(model, Options{Labels: "testdata/labels.txt", CPU: cpu.Options{Threads: 2}})
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewNRGBA(image.Rect(0, 0, 11, 7))
	for i := range img.Pix {
		img.Pix[i] = byte(i * 7)
	}
	want, err := c.ClassifyImage(img, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(want) != 3 || want[0].Label != c.Labels()[want[0].Class] || want[0].Label == "" {
		t.Fatalf("predictions: %+v", want)
	}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for range 30 {
				got, err := c.ClassifyImage(img, 3)
				if err != nil || len(got) != 3 || got[0] != want[0] || got[2] != want[2] {
					t.Errorf("%+v, %v, want %+v", got, err, want)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestLoadErrors(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short.txt")
	if err := os.WriteFile(short, []byte("one\ntwo\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Image: "3x6"}, `Options.Image begins with "3x6" (want channels x height x width`},
		{Options{Image: "a\nb"}, "Options.Image must be one line"},
		{Options{Image: "3x7x7"}, "the model has a fixed size"},
		{Options{Image: "range=1"}, "image: "},
		{Options{Labels: short}, "labels: "},
		{Options{Labels: "absent.txt"}, "labels: "},
	} {
		if _, err := Load(model, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.o, err, c.want)
		}
	}
	if _, err := Load("absent.onnx", Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent.onnx: %v", err)
	}
	c, err := Load(model, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ClassifyImage(image.NewGray(image.Rect(0, 0, 0, 3)), 1); err == nil || !strings.Contains(err.Error(), "no pixels") {
		t.Errorf("an empty picture: %v", err)
	}
	if top, err := c.ClassifyFile(picture, 0); err != nil || len(top) != 0 {
		t.Errorf("no class asked for: %v, %v", top, err)
	}
}
