package data

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/incc-lang/incc/ir/recipe"
)

// photographs makes a folder of n JPEGs of many colours in three classes, one picture of
// which is broken.
func photographs(t *testing.T, n int) fstest.MapFS {
	t.Helper()
	dir := fstest.MapFS{}
	for i := range n {
		img := image.NewNRGBA(image.Rect(0, 0, 20+i, 24))
		for p := range 24 * (20 + i) {
			img.Set(p%(20+i), p/(20+i), color.NRGBA{uint8(p * i), uint8(p / 3), uint8(11 * i), 255})
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, nil); err != nil {
			t.Fatal(err)
		}
		dir[fmt.Sprintf("%c/%02d.jpg", 'a'+i%3, i)] = &fstest.MapFile{Data: b.Bytes()}
	}
	dir["b/00.jpg"] = &fstest.MapFile{Data: []byte("\xff\xd8broken")}
	return dir
}

// TestCacheChangesNothing: the batches of an epoch, an evaluation, what is computed from
// all images, and the digests are the same for any size of the cache, with or without a
// part drawn from the images, for any number of goroutines.
func TestCacheChangesNothing(t *testing.T) {
	const n, size = 30, 3 * 8 * 8
	dir := photographs(t, n)
	augs := []recipe.Augment{{Flip: .5, Brightness: .3, Lighting: .1}, {MeanStd: true, MeanSubtracted: true, GCN: true, ZCA: true}}
	type result struct {
		train, eval []float32
		labels      []int32
		sums        string
		files       []string
	}
	read := func(cache int64, procs int) (r result, held int) {
		s, err := readFolder(dir, Reading{C: 3, H: 8, W: 8, Cache: cache})
		if err != nil {
			t.Fatal(err)
		}
		tr, err := NewTransform(s.Train, nil, augs, 3, 8, 8)
		if err != nil {
			t.Fatal(err)
		}
		rest, drawn := s.Train.Stratify(7, 3)
		r.files = append(slices.Clone(rest.Files), drawn.Files...)
		r.train, r.labels = collect(t, tr, rest, 0, procs)
		for i := range drawn.Len() {
			r.sums += fmt.Sprintf("%x ", drawn.Sum(i))
		}
		b := NewEvaluation(tr, drawn, 3)
		defer b.Close()
		for {
			x, err := b.Next()
			if err != nil {
				t.Fatal(err)
			}
			if x == nil {
				break
			}
			r.eval, r.labels = append(r.eval, x.Images...), append(r.labels, x.Labels...)
			b.Done(x)
		}
		return r, s.Train.InMemory()
	}
	want, held := read((n+1)*size, 1) // the broken one may have a place
	if held != n || len(want.eval) != 7*size {
		t.Fatalf("%d of %d images are held; %d floats of 7 images to evaluate", held, n, len(want.eval))
	}
	for _, cache := range []int64{0, size, 13 * size, (n - 1) * size} {
		for _, procs := range []int{1, 3} {
			got, held := read(cache, procs)
			if int64(held) > cache/size || int64(held) < cache/size-1 { // one slot may be that of the broken picture
				t.Errorf("a cache for %d images holds %d", cache/size, held)
			}
			if !slices.Equal(got.train, want.train) || !slices.Equal(got.eval, want.eval) || !slices.Equal(got.labels, want.labels) || got.sums != want.sums || !slices.Equal(got.files, want.files) {
				t.Errorf("with a cache for %d images and %d processors the images are others", cache/size, procs)
			}
		}
	}
}

// TestCacheIsEven: of each class, and of a part drawn from the images, the same share is
// held in memory.
func TestCacheIsEven(t *testing.T) {
	dir := fstest.MapFS{}
	for i := range 300 {
		dir[fmt.Sprintf("%c/%03d.png", 'a'+i/100, i)] = picture(t, color.NRGBA{uint8(i), 0, 0, 255})
	}
	s, err := readFolder(dir, Reading{C: 1, H: 2, W: 2, Cache: 4 * 150})
	if err != nil {
		t.Fatal(err)
	}
	for class := range int32(3) {
		var images []int32
		for i, l := range s.Train.Labels {
			if l == class {
				images = append(images, int32(i))
			}
		}
		if n := s.Train.Subset(images).InMemory(); n != 50 {
			t.Errorf("%d of 100 images of class %d are held, want 50", n, class)
		}
	}
	rest, drawn := s.Train.Stratify(100, 1)
	if n := drawn.InMemory(); n < 35 || n > 65 || n+rest.InMemory() != 150 {
		t.Errorf("%d of 100 drawn images and %d of the others are held", n, rest.InMemory())
	}
}

// TestPictureChanges: a picture that is gone, cannot be read any more or has other pixels
// is an error that names it; one that is held in memory is not missed.
func TestPictureChanges(t *testing.T) {
	dir := photographs(t, 30)
	other := dir["c/02.jpg"]
	for _, c := range []struct {
		change func()
		want   error
		text   string
	}{
		{func() { delete(dir, "a/03.jpg") }, ErrGone, "a/03.jpg: the picture is gone"},
		{func() { dir["a/03.jpg"] = other }, ErrChanged, "a/03.jpg: the picture has changed"},
		{func() { dir["a/03.jpg"] = &fstest.MapFile{Data: []byte("<html>")} }, ErrChanged, "a/03.jpg: the picture has changed since its data set was read: not a PNG"},
		{func() { dir["a/03.jpg"] = &fstest.MapFile{Mode: fs.ModeDir} }, ErrChanged, "a/03.jpg: the picture has changed"},
	} {
		was := dir["a/03.jpg"]
		for cache, held := range map[int64]bool{0: false, 1 << 20: true} {
			dir["a/03.jpg"] = was
			s, err := readFolder(dir, Reading{C: 3, H: 16, W: 16, Cache: cache})
			if err != nil {
				t.Fatal(err)
			}
			tr, err := NewTransform(s.Train, nil, nil, 3, 16, 16)
			if err != nil {
				t.Fatal(err)
			}
			c.change()
			b := NewBatches(tr, s.Train, 4, 1, 0, 0)
			for err == nil {
				var x *Batch
				if x, err = b.Next(); x == nil {
					break
				}
				b.Done(x)
			}
			b.Close()
			var p *PictureError
			switch {
			case held && err != nil:
				t.Errorf("held in memory: %v", err)
			case !held && (!errors.As(err, &p) || p.File != "a/03.jpg" || !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), c.text)):
				t.Errorf("%v, want %s", err, c.text)
			}
			if err := s.Train.Each(func(int, []uint8) error { return nil }); (err == nil) != held {
				t.Errorf("Each: %v", err)
			}
			if _, err := NewTransform(s.Train, nil, []recipe.Augment{{MeanStd: true}}, 3, 16, 16); (err == nil) != held {
				t.Errorf("NewTransform: %v", err)
			}
		}
		dir["a/03.jpg"] = was
	}
}

// slow is a file system that counts the pictures that are opened, and can make them wait.
type slow struct {
	fstest.MapFS
	opened atomic.Int32
	wait   atomic.Bool
	let    chan struct{} // closed when they need not wait any more
}

func (s *slow) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, ".jpg") {
		s.opened.Add(1)
		if s.wait.Load() {
			<-s.let
		}
	}
	return s.MapFS.Open(name)
}

// TestCloseWhileDecoding: Close ends the goroutines of an epoch, those that wait for room
// and those that are decoding, without decoding the rest of the epoch.
func TestCloseWhileDecoding(t *testing.T) {
	dir := &slow{MapFS: photographs(t, 60), let: make(chan struct{})}
	s, err := readFolder(dir, Reading{C: 3, H: 16, W: 16})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := NewTransform(s.Train, nil, nil, 3, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	const batch, buffers = 2, 5
	dir.opened.Store(0)
	b := NewBatches(tr, s.Train, batch, 1, 0, 0)
	x, err := b.Next()
	if err != nil || x == nil || len(x.Labels) != batch {
		t.Fatal(x, err)
	}
	dir.wait.Store(true)
	b.Done(x) // there is room for another batch
	closed := make(chan struct{})
	go func() { b.Close(); close(closed) }()
	<-b.stop
	close(dir.let)
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Fatal("Close does not return")
	}
	if n := dir.opened.Load(); n > (buffers+1)*batch {
		t.Errorf("%d of %d pictures were opened", n, s.Train.Len())
	}
}
