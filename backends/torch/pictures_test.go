package torch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/specs/spectest"
)

// picture draws a picture of a kind: 0 grey, 1 grey with 16 bits, 2 colours, 3 colours and
// opacity, 4 a palette with a transparent colour.
func picture(r *rand.Rand, kind, w, h int) image.Image {
	rect := image.Rect(0, 0, w, h)
	switch kind {
	case 0:
		m := image.NewGray(rect)
		for i := range m.Pix {
			m.Pix[i] = uint8(r.IntN(256))
		}
		return m
	case 1:
		m := image.NewGray16(rect)
		for i := range m.Pix {
			m.Pix[i] = uint8(r.IntN(256))
		}
		return m
	case 4:
		m := image.NewPaletted(rect, append(color.Palette{color.NRGBA{200, 100, 50, 0}}, palette.WebSafe...))
		for i := range m.Pix {
			m.Pix[i] = uint8(r.IntN(len(m.Palette)) * r.IntN(2))
		}
		return m
	}
	m := image.NewNRGBA(rect)
	for i := range m.Pix {
		m.Pix[i] = uint8(r.IntN(256))
		if i%4 == 3 && kind == 2 {
			m.Pix[i] = 255
		}
	}
	return m
}

// writePictures writes pictures of all kinds and many sizes,
// with files and folders that are to be left out.
func writePictures(t *testing.T, folder string, classes []string, each int) {
	t.Helper()
	r := rand.New(rand.NewPCG(10, 11))
	sizes := [][2]int{{8, 8}, {5, 6}, {40, 17}, {11, 8}, {9, 100}, {64, 64}, {16, 8}}
	put := func(path string, b []byte) {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for k, class := range classes {
		dir := filepath.Join(folder, class)
		for i := range each {
			size := sizes[(i+3*k)%len(sizes)]
			m := picture(r, i%5, size[0], size[1])
			name := filepath.Join(dir, []string{"x", "x/deep", ""}[i%3], fmt.Sprintf("p%d.PNG", i))
			var b bytes.Buffer
			var err error
			if i%10 == 9 {
				name += ".gif"
				err = gif.Encode(&b, m, nil)
			} else {
				err = png.Encode(&b, m)
			}
			if err != nil {
				t.Fatal(err)
			}
			put(name, b.Bytes())
		}
		put(filepath.Join(dir, "notes.txt"), nil)
		put(filepath.Join(dir, ".hidden", "p.png"), nil)
		put(filepath.Join(dir, ".p.png"), nil)
	}
	put(filepath.Join(folder, "without pictures", "notes.txt"), nil)
}

// writeCIFAR writes files with so many records of labels and a picture.
func writeCIFAR(t *testing.T, dir string, labels, classes, records int, names ...string) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(labels), 12))
	for _, name := range names {
		var b []byte
		for range records {
			for range labels {
				b = append(b, byte(r.IntN(classes)))
			}
			for range 3 * 32 * 32 {
				b = append(b, byte(r.IntN(256)))
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// sourceCase is a data set, the input of a network that takes it, and how many images are
// drawn for validation.
type sourceCase struct {
	name, input string
	classes     int
	drawn       int
	most        float64 // largest difference of an input, whose range is 0..255
	write       func(t *testing.T, dir string)
}

func sourceCases() []sourceCase {
	flat := func(t *testing.T, dir string) { writePictures(t, dir, []string{"b", "a", "Z"}, 20) }
	parts := func(t *testing.T, dir string) {
		writePictures(t, filepath.Join(dir, "Training"), []string{"b", "a", "é"}, 12)
		writePictures(t, filepath.Join(dir, "val"), []string{"b", "é"}, 5)
		writePictures(t, filepath.Join(dir, "test"), []string{"a"}, 7)
	}
	return []sourceCase{
		{"colours, both sides scaled", "3x8x8 range=0..255", 3, 5, 1, flat},
		{"grey, both sides scaled", "1x8x8 range=0..255", 3, 5, 1, flat},
		{"colours, the middle", "3x8x8 range=0..255 resize=11 crop=center order=bgr", 3, 0, 1, parts},
		{"grey, the middle", "1x7x9 range=0..255 resize=10 crop=center", 3, 0, 1, parts},
		{"CIFAR-10", "3x32x32 range=0..255", 10, 10, 0, func(t *testing.T, dir string) {
			writeCIFAR(t, dir, 1, 10, 25, "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin")
		}},
		{"CIFAR-100", "3x32x32 range=0..255", 100, 10, 0, func(t *testing.T, dir string) {
			writeCIFAR(t, dir, 2, 100, 130, "train.bin", "test.bin")
		}},
	}
}

// readSource reads a data set with incc, and draws images for validation.
func readSource(t *testing.T, c sourceCase, g *ir.Graph, dir string) map[string]*data.Set {
	t.Helper()
	shape := g.Inputs[0].Type.Shape
	var src *data.Source
	var err error
	if c.most == 0 {
		src, err = data.ReadCIFAR(os.DirFS(dir))
	} else {
		var f *data.Folder
		if f, err = data.ListFolder(os.DirFS(dir)); err == nil {
			src, _, err = f.Read(data.Reading{Input: g.Recipe.Input, C: shape[1], H: shape[2], W: shape[3], Cache: 1 << 30, Strict: true})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if c.drawn > 0 {
		src.Train, src.Val = src.Train.Stratify(c.drawn, g.Recipe.Train.Run.Seed)
	}
	return map[string]*data.Set{"train": src.Train, "val": src.Val, "test": src.Test}
}

// TestSources: data.py reads folders of pictures and the files of CIFAR as incc does: the
// inputs of the network, the labels, the images for validation, and the order.
func TestSources(t *testing.T) {
	py := python(t)
	args := []string{filepath.Join("testdata", "steps.py")}
	var graphs []*ir.Graph
	var dirs []string
	for _, c := range sourceCases() {
		g := spectest.Build(t, "a.incc", fmt.Sprintf("net a\ninput image %s\nfc %d -> softmax\ntrain { sgd lr=0.1; run batch=4 epochs=1 seed=7 }\n", c.input, c.classes))
		dir, set := writePackage(t, g, g.Recipe.Train), t.TempDir()
		c.write(t, set)
		b, err := json.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "source.json"), b, 0o666); err != nil {
			t.Fatal(err)
		}
		args, graphs, dirs = append(args, dir), append(graphs, g), append(dirs, set)
	}
	runPython(t, py, args...)
	for i, c := range sourceCases() {
		t.Run(c.name, func(t *testing.T) { sameSource(t, c, graphs[i], args[1+i], readSource(t, c, graphs[i], dirs[i])) })
	}
}

// sameSource compares the images of a data set with those that PyTorch got.
func sameSource(t *testing.T, c sourceCase, g *ir.Graph, dir string, want map[string]*data.Set) {
	b, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]struct {
		Files []string
		Order []int32
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	shape := g.Inputs[0].Type.Shape
	tr, err := data.NewTransform(want["train"], g.Recipe.Input, nil, shape[1], shape[2], shape[3])
	if err != nil {
		t.Fatal(err)
	}
	tensors := readValues(t, filepath.Join(dir, "output.safetensors"))
	for part, set := range want {
		x := tensors[part]
		if set == nil && x == nil {
			continue
		}
		if set == nil || x == nil || x.Shape[0] != set.Len() {
			t.Errorf("%s: PyTorch has %v, incc %v", part, x, set)
			continue
		}
		worst, differ := 0.0, 0
		input := make([]float32, tr.Size())
		for i, label := range set.Labels {
			if got := tensors[part+".labels"].Data[i]; got != float32(label) {
				t.Errorf("%s, image %d: label %g, want %d", part, i, got, label)
			}
			if f := set.File(i); f != "" && got[part].Files[i] != f {
				t.Errorf("%s, image %d is %s, want %s", part, i, got[part].Files[i], f)
			}
			if err := tr.Eval(input, set, i); err != nil {
				t.Fatal(err)
			}
			for j, v := range input {
				d := math.Abs(float64(x.Data[i*tr.Size()+j] - v))
				worst = max(worst, d)
				if d > 1e-4 {
					differ++
				}
			}
		}
		t.Logf("%s: %d of %d numbers differ, by %.4g at most", part, differ, len(x.Data), worst)
		if !(worst <= c.most+1e-3) {
			t.Errorf("%s: the inputs differ by %g (want %g of 255 at most)", part, worst, c.most)
		}
	}
	n := want["train"].Len()
	if order := data.Order(n, g.Recipe.Train.Run.Seed, 1)[:n/4*4]; !slices.Equal(got["train"].Order, order) {
		t.Errorf("the order is %v, want %v", got["train"].Order, order)
	}
}
