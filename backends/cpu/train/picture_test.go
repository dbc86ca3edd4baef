package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir/recipe"
)

// barPictures is the data of bars as a folder of pictures.
func barPictures(t *testing.T, n int) fstest.MapFS {
	t.Helper()
	s, dir := bars(n), fstest.MapFS{}
	for i := range n {
		px, err := s.Image(i)
		if err != nil {
			t.Fatal(err)
		}
		img := image.NewGray(image.Rect(0, 0, 6, 6))
		for k, v := range px {
			img.SetGray(k%6, k/6, color.Gray{v})
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		dir[fmt.Sprintf("%c/%02d.png", 'a'+s.Labels[i], i)] = &fstest.MapFile{Data: b.Bytes()}
	}
	return dir
}

// TestPictureIsGone: a picture that is gone, of those to train on or of those to validate
// with, ends the run with an error that names it. When it is back, the run goes on from
// the checkpoint to the same bits, which are those of a run with all images in memory.
func TestPictureIsGone(t *testing.T) {
	dir := barPictures(t, 60)
	config := func(fs FS, cache int64) Config {
		f, err := data.ListFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		src, _, err := f.Read(data.Reading{C: 1, H: 6, W: 6, Cache: cache})
		if err != nil {
			t.Fatal(err)
		}
		c := testConfig(t, fs)
		c.Every, c.Epochs = 0, 1.5
		c.Train, c.Val = src.Train.Stratify(12, 1)
		if c.Input, err = data.NewTransform(src.Train, &recipe.Input{Lo: 0, Hi: 1}, testRecipe.Augment, 1, 6, 6); err != nil {
			t.Fatal(err)
		}
		return c
	}
	e := testEngine(t)
	whole, err := Run(context.Background(), e, config(newMemFS(), 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	want := fingerprint(t, e)
	for _, part := range []string{"train", "val"} {
		fs, e := newMemFS(), testEngine(t)
		c := config(fs, 36*7)
		set := c.Train
		if part == "val" {
			set = c.Val
		}
		// The set has seven images in memory: no epoch does without some of its pictures.
		taken := fstest.MapFS{}
		for _, name := range set.Files {
			taken[name] = dir[name]
			delete(dir, name)
		}
		_, err := Run(context.Background(), e, c)
		var p *data.PictureError
		if !errors.As(err, &p) || !errors.Is(err, data.ErrGone) || taken[p.File] == nil || !strings.Contains(err.Error(), p.File) {
			t.Fatalf("%s: %v", part, err)
		}
		if names, err := Checkpoints(fs, "run"); len(names) != 1 || err != nil {
			t.Errorf("%s: checkpoints %v, %v", part, names, err)
		}
		for name, f := range taken {
			dir[name] = f
		}
		e, c = testEngine(t), config(fs, 0)
		c.Resume = true
		s, err := Run(context.Background(), e, c)
		if err != nil {
			t.Fatal(err)
		}
		if got := fingerprint(t, e); got != want {
			t.Errorf("%s: the run ends with other weights", part)
		}
		for i, r := range s.Rows {
			if w := whole.Rows[i]; r.TrainLoss != w.TrainLoss || r.ValLoss != w.ValLoss || r.Images < 0 || r.Waited > r.Seconds {
				t.Errorf("%s: epoch %d is %+v, want %+v", part, i+1, r, w)
			}
		}
		if len(s.Rows) != len(whole.Rows) || s.Step != 0 {
			t.Errorf("%s: %d epochs and %d steps, want %d", part, len(s.Rows), s.Step, len(whole.Rows))
		}
	}
}

// TestEndIsNotEvaluated: where a run ends within an epoch and was killed before that part
// of the epoch was evaluated, it is evaluated when the run goes on.
func TestEndIsNotEvaluated(t *testing.T) {
	fs, e := newMemFS(), testEngine(t)
	c := testConfig(t, fs)
	c.Epochs = 1.5
	c.stopHere = func(step int64) bool { return step == 9 }
	if _, err := Run(context.Background(), e, c); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	c.Resume, c.stopHere = true, nil
	s, err := Run(context.Background(), testEngine(t), c)
	if err != nil || len(s.Rows) != 2 || s.Rows[1].Epoch != 2 || s.Step != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
}
