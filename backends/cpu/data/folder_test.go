package data

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/incc-lang/incc/ir/recipe"
)

func readFolder(dir fs.FS, r Reading) (*Source, error) {
	f, err := ListFolder(dir)
	if err != nil {
		return nil, err
	}
	s, _, err := f.Read(r)
	return s, err
}

func picture(t *testing.T, c color.Color) *fstest.MapFile {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		img.Set(i%8, i/8, c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: b.Bytes()}
}

var red, green, blue = color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}, color.NRGBA{0, 0, 255, 255}

// TestReadFolder: each part is what its folder says; no more images are held in memory
// than there is room for.
func TestReadFolder(t *testing.T) {
	dir := fstest.MapFS{
		"train/red/1.png":           picture(t, red),
		"train/blue/1.png":          picture(t, blue),
		"train/blue/x.txt":          {Data: []byte("no picture")},
		"Valid/red/1.png":           picture(t, red),
		"test/blue/deep/er/2.PNG":   picture(t, blue),
		"test/red/.hidden.png":      picture(t, blue),
		"models/big/weights.tensor": {},
	}
	rgb := Reading{Input: &recipe.Input{Order: "rgb"}, C: 3, H: 4, W: 4, Cache: 192}
	s, err := readFolder(dir, rgb)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(s.Train.Names, " ") != "blue red" || s.Train.Len() != 2 || s.Train.pixels(0)[2*16] != 255 || s.Train.Files[1] != "train/red/1.png" {
		t.Errorf("train is read as %v: %+v", s.Train.Names, s.Train)
	}
	if s.Val.Len() != 1 || s.Val.Labels[0] != 1 || s.Val.Classes != 2 || s.Test.Len() != 1 || s.Test.Labels[0] != 0 || s.Test.Files[0] != "test/blue/deep/er/2.PNG" {
		t.Errorf("val is read as %+v, test as %+v", s.Val, s.Test)
	}
	f, err := ListFolder(dir)
	if err != nil || !slices.Equal(f.Beside, []string{"models"}) || !slices.Equal(f.Empty, []string{"test/red"}) || fmt.Sprint(f.Skipped) != "[{.txt 1} {hidden files 1}]" {
		t.Errorf("listed as %+v, %v", f, err)
	}
	// The four images take 192 bytes: two for training, one to validate, one to test.
	for cache, want := range map[int64][3]int{math.MaxInt64: {2, 1, 1}, 192: {2, 1, 1}, 191: {2, 1, 0}, 96: {1, 1, 0}, 48: {0, 1, 0}, 47: {}, 0: {}} {
		r := rgb
		r.Cache = cache
		s, err := readFolder(dir, r)
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]int{s.Train.InMemory(), s.Val.InMemory(), s.Test.InMemory()}; got != want {
			t.Errorf("%d bytes hold %v images, want %v", cache, got, want)
		}
	}
	for _, channels := range []int{0, 2, 4} {
		if _, err := readFolder(dir, Reading{C: channels, H: 4, W: 4}); err == nil || !strings.Contains(err.Error(), "channels") {
			t.Errorf("%d channels: %v", channels, err)
		}
	}
}

// TestFolderLayouts: what each layout is read as, or why it is refused.
func TestFolderLayouts(t *testing.T) {
	pic := picture(t, green)
	list := func(names ...string) fstest.MapFS {
		m := fstest.MapFS{}
		for _, n := range names {
			if strings.HasSuffix(n, "/") {
				m[strings.TrimSuffix(n, "/")] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
			} else {
				m[n] = pic
			}
		}
		return m
	}
	size := func(p *Pictures) int {
		if p == nil {
			return -1
		}
		return p.Len()
	}
	for _, c := range []struct {
		dir  fstest.MapFS
		want string
	}{
		{list("a/1.png", "b/1.jpg", "b/2.JPEG"), "[a b] 3 -1 -1"},
		{list("a/1.png", "b/"), "[a] 1 -1 -1 empty [b]"},
		{list("a/x/1.png", "a/1.png", "a/x/y/1.png"), "[a] 3 -1 -1"},
		{list("train/a/1.png", "val/a/1.png"), "[a] 1 1 -1"},
		{list("training/a/1.png", "validation/a/1.png", "Testing/a/2.png"), "[a] 1 1 1"},
		{list("train/a/1.png", "test/a/1.png"), "[a] 1 -1 1"},
		{list("car/1.png", "train/1.png", "test/1.png"), "[car test train] 3 -1 -1"}, // vehicles: these hold no folders
		{list("val/a/1.png"), "there is a folder val with class folders, but no folder train"},
		{list("test/a/1.png", "a/1.png"), "there is a folder test with class folders, but no folder train"},
		{list("train/a/1.png", "val/a/1.png", "valid/a/1.png"), "both val and valid"},
		{list("train/cat/1.png", "train/dog/1.png", "val/cats/1.png"), `val: class "cats" is not among those trained on, did you mean "cat"?`},
		{list("train/a/1.png", "val/a/"), `val: there are no pictures in "a"`},
		{list("1.png"), "there are no folders"},
		{list("a/", "b/"), `there are no pictures in "a", "b" (want files of the formats PNG`},
		{list("a/" + strings.Repeat("x/", 70) + "1.png"), "more than 64 folders"},
	} {
		f, err := ListFolder(c.dir)
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			continue
		}
		got := fmt.Sprint(f.Classes, size(f.Train), size(f.Val), size(f.Test))
		if len(f.Empty) > 0 {
			got += fmt.Sprint(" empty ", f.Empty)
		}
		if got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// TestUnreadable: broken pictures are left out, all of them named; the rest keeps
// its order. More than a tenth is an error, and so is any with Strict.
func TestUnreadable(t *testing.T) {
	dir := fstest.MapFS{}
	for i := range 20 {
		dir[fmt.Sprintf("a/%02d.png", i)] = picture(t, color.NRGBA{uint8(10 * i), 0, 0, 255})
	}
	dir["b/1.png"] = picture(t, blue)
	broken := &fstest.MapFile{Data: []byte("not a picture")}
	dir["a/07.png"], dir["a/13.png"] = broken, &fstest.MapFile{Data: dir["a/13.png"].Data[:60]}
	f, err := ListFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	s, bad, err := f.Read(Reading{C: 3, H: 8, W: 8, Cache: 1 << 20, Progress: func(done, total int) {
		if seen++; done != seen || total != 21 {
			t.Errorf("picture %d is number %d of %d", seen, done, total)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(bad) != 2 || bad[0].File != "a/07.png" || bad[1].File != "a/13.png" || seen != 21 {
		t.Errorf("cannot be read: %v", bad)
	}
	for i := range s.Train.Len() {
		var k int
		if _, err := fmt.Sscanf(s.Train.Files[i], "a/%d.png", &k); err == nil && int(s.Train.pixels(i)[0]) != 10*k {
			t.Errorf("image %d of %s begins with %d", i, s.Train.Files[i], s.Train.pixels(i)[0])
		}
	}
	if s.Train.Len() != 19 || s.Train.Labels[18] != 1 {
		t.Errorf("%d images are left", s.Train.Len())
	}
	var u *UnreadableError
	if _, _, err := f.Read(Reading{C: 3, H: 8, W: 8, Strict: true}); !errors.As(err, &u) || len(u.Files) != 2 || !strings.Contains(err.Error(), "2 of 21 pictures cannot be read:\n   a/07.png: ") {
		t.Errorf("strict: %v", err)
	}
	dir["a/02.png"] = broken
	if _, _, err := f.Read(Reading{C: 3, H: 8, W: 8}); !errors.As(err, &u) || u.Total != 21 {
		t.Errorf("3 of 21 are broken: %v", err)
	}
	dir["a/02.png"], dir["a/07.png"], dir["b/1.png"] = dir["a/01.png"], dir["a/01.png"], broken
	if _, _, err := f.Read(Reading{C: 3, H: 8, W: 8}); err == nil || !strings.Contains(err.Error(), `no picture of class "b" can be read`) {
		t.Errorf("a class is lost: %v", err)
	}
}

// TestGate: work that is too large enters last or by itself, but enters.
func TestGate(t *testing.T) {
	g := newGate(10)
	a := g.enter(4)
	entered := make(chan int64)
	go func() { entered <- g.enter(100) }()
	g.leave(a)
	if n := <-entered; n != 10 || g.free != 0 {
		t.Errorf("took %d", n)
	}
	g.leave(10)
	if g.free != 10 {
		t.Errorf("%d are free", g.free)
	}
}
