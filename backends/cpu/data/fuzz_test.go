package data

import (
	"bytes"
	"compress/gzip"
	"image"
	"image/png"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/incc-lang/incc/ir/irtest/cputime"
	"github.com/incc-lang/incc/ir/recipe"
)

// bounded runs f, which reads a file of some bytes, and fails the test if it takes
// more than a moment or allocates more than 256 MiB and 32 bytes for each of the
// file.
func bounded(t *testing.T, size int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	since := cputime.Start()
	f()
	took := since()
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 256<<20+32*uint64(size) {
		t.Errorf("a file of %d bytes: %d bytes are allocated", size, taken)
	}
	if took > 20*time.Second {
		t.Errorf("a file of %d bytes takes %v", size, took)
	}
}

// seeds adds the files of testdata that match a pattern.
func seeds(f *testing.F, pattern string, add func([]byte)) {
	names, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(names) == 0 {
		f.Fatal(pattern, names, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		add(b)
	}
}

// FuzzPicture: a picture becomes numbers in the range that its network wants, or an
// error, in bounded time and memory.
func FuzzPicture(f *testing.F) {
	for _, kind := range []string{"*.png", "*.jpg", "*.gif", "*.bmp", "*.tiff", "*.webp"} {
		seeds(f, kind, func(b []byte) { f.Add(b) })
	}
	inputs := []struct {
		in      *recipe.Input
		c, h, w int
	}{
		{nil, 1, 8, 8},
		{&recipe.Input{Lo: 0, Hi: 1, Resize: 36}, 3, 32, 32},
		{&recipe.Input{Lo: 0, Hi: 1, Order: "bgr", Resize: 5}, 3, 7, 3},
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		bounded(t, len(b), func() {
			img, err := DecodePicture(b)
			if err != nil {
				return
			}
			size := img.Bounds().Size()
			if size.X < 1 || size.Y < 1 || size.X > maxPixels/size.Y {
				t.Fatalf("a picture of %v was decoded", size)
			}
			for _, x := range inputs {
				in := x.in
				if in == nil {
					in = &recipe.Input{Lo: 0, Hi: 1}
				}
				dst := make([]float32, x.c*x.h*x.w)
				if err := Planes(dst, Fit(img, in, x.h, x.w), in, x.c); err != nil {
					t.Fatal(err)
				}
				for i, v := range dst {
					if !(v >= 0 && v <= 1) {
						t.Fatalf("number %d of %+v is %v", i, x, v)
					}
				}
			}
		})
	})
}

// FuzzIDX reads an array as it is and as what a compressed file holds.
func FuzzIDX(f *testing.F) {
	for _, b := range [][]byte{nil, idx([]int{3}, []byte{1, 2, 3}), idx([]int{2, 2, 3}, make([]byte, 12)), idx([]int{1 << 14, 1 << 14, 1 << 14}, []byte{1}),
		{0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 9}, {0, 0, 8, 1, 255, 255, 255, 255}, {0, 0, 13, 1}} {
		f.Add(b)
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, _ = w.Write(b) // to memory
		_ = w.Close()
		f.Add(z.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		bounded(t, len(b), func() {
			for name, file := range map[string]string{"x": "x", "x.gz": "x"} {
				shape, data, err := readIDXFile(fstest.MapFS{name: {Data: b}}, file)
				if err != nil {
					continue
				}
				n := 1
				for _, d := range shape {
					n *= d
				}
				if n != len(data) || len(shape) < 1 || name == "x" && n+4+4*len(shape) != len(b) {
					t.Fatalf("%s: shape %v, %d elements of %d bytes", name, shape, len(data), len(b))
				}
			}
			// The same bytes, as images of a set whose other files are right.
			set := mnistFS(t)
			set["train-images-idx3-ubyte"] = &fstest.MapFile{Data: b}
			if s, err := ReadMNIST(set); err == nil && s.Train.Len() != 2 {
				t.Fatalf("%d images, 2 labels", s.Train.Len())
			}
		})
	})
}

// FuzzCIFAR reads the files of CIFAR-10 and CIFAR-100.
func FuzzCIFAR(f *testing.F) {
	record := func(labels ...byte) []byte { return append(labels, make([]byte, 3072)...) }
	f.Add(record(3), record(9, 99), "a b c d e f g h i j")
	f.Add(record(10), record(0, 100), "")
	f.Add([]byte{}, []byte{1}, strings.Repeat("x ", 100))
	f.Add(append(record(1), record(2)...), record(0, 0)[:3000], "\x00")
	f.Fuzz(func(t *testing.T, ten, hundred []byte, names string) {
		bounded(t, 6*len(ten)+2*len(hundred), func() {
			dir := fstest.MapFS{"batches.meta.txt": {Data: []byte(names)}, "test_batch.bin": {Data: ten}}
			for _, i := range "12345" {
				dir["data_batch_"+string(i)+".bin"] = &fstest.MapFile{Data: ten}
			}
			if s, err := ReadCIFAR(dir); err == nil && (s.Train.Len() != 5*len(ten)/3073 || s.Test.Len() != len(ten)/3073 || s.Train.check() != nil) {
				t.Fatalf("%d and %d images of %d bytes", s.Train.Len(), s.Test.Len(), len(ten))
			}
			dir = fstest.MapFS{"fine_label_names.txt": {Data: []byte(names)}, "train.bin": {Data: hundred}, "test.bin": {Data: hundred}}
			if s, err := ReadCIFAR(dir); err == nil && (s.Train.Len() != len(hundred)/3074 || s.Train.check() != nil) {
				t.Fatalf("%d images of %d bytes", s.Train.Len(), len(hundred))
			}
		})
	})
}

// tree is a folder whose listings hold any names: those of a disk may, too.
type tree struct {
	dirs  []string
	files []string
	file  []byte
}

func (d tree) list(names []string, dir bool) []fs.DirEntry {
	var l []fs.DirEntry
	for _, n := range names {
		l = append(l, entry{n, dir})
	}
	return l
}

func (d tree) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == "." {
		return d.list(d.dirs, true), nil
	}
	return d.list(d.files, false), nil
}

func (d tree) Open(string) (fs.File, error) {
	return file{bytes.NewReader(d.file), int64(len(d.file))}, nil
}
func (d tree) Stat(string) (fs.FileInfo, error) { return nil, fs.ErrNotExist }

type entry struct {
	name string
	dir  bool
}

func (e entry) Name() string { return e.name }
func (e entry) IsDir() bool  { return e.dir }
func (e entry) Type() fs.FileMode {
	if e.dir {
		return fs.ModeDir
	}
	return 0
}
func (e entry) Info() (fs.FileInfo, error) { return nil, fs.ErrInvalid }

type file struct {
	io.Reader
	size int64
}

func (f file) Stat() (fs.FileInfo, error) { return f, nil }
func (f file) Close() error               { return nil }
func (f file) Name() string               { return "file" }
func (f file) Size() int64                { return f.size }
func (f file) Mode() fs.FileMode          { return 0 }
func (f file) ModTime() time.Time         { return time.Time{} }
func (f file) IsDir() bool                { return false }
func (f file) Sys() any                   { return nil }

// FuzzFolder: whatever the names in a folder are, every picture gets the class of its
// folder.
func FuzzFolder(f *testing.F) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		f.Fatal(err)
	}
	picture := b.Bytes()
	f.Add("cat/dog", "1.png/2.JPG/3.txt")
	f.Add(".hidden/a", ".png/a.png/a")
	f.Add("\n/\x00/\xff/ ", "../x.png")
	f.Fuzz(func(t *testing.T, dirs, files string) {
		d := tree{strings.Split(dirs, "/"), strings.Split(files, "/"), picture}
		s, err := readFolder(d, Reading{C: 1, H: 2, W: 2, Cache: math.MaxInt64})
		if err != nil {
			return
		}
		if s.Train.check() != nil || s.Train.Len() > len(d.dirs)*len(d.files) || len(s.Train.Names) != s.Train.Classes {
			t.Fatalf("%d pictures of %d classes in %q", s.Train.Len(), s.Train.Classes, d.dirs)
		}
	})
}
