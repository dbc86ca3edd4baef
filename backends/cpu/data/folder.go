package data

import (
	"errors"
	"fmt"
	"image"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir/recipe"
)

// MaxPictureFile bounds the bytes of one picture's file.
const MaxPictureFile = 64 << 20

// ErrMemory is wrapped by errors about a data set that does not fit in memory.
var ErrMemory = errors.New("not enough memory")

// ReadFolder reads pictures that lie in one folder a class: DIR/cat/1.png, or
// DIR/train/cat/1.png and DIR/test/cat/1.png (val and valid are other names of
// test). Each is scaled to fit c x h x w as Fit does it. Classes are the folders'
// names in order. Where the scaled pictures would take more than limit bytes it
// decodes none; a limit of 0 is none.
func ReadFolder(dir fs.FS, in *recipe.Input, c, h, w int, limit int64) (*Source, error) {
	if err := CheckChannels(c); err != nil {
		return nil, err
	}
	if in == nil {
		in = &recipe.Input{}
	}
	if fi, err := fs.Stat(dir, "train"); err != nil || !fi.IsDir() {
		set, err := readClasses(dir, in, c, h, w, limit, nil)
		if err != nil {
			return nil, err
		}
		return &Source{Train: set}, nil
	}
	part := func(name string, limit int64, classes []string) (*Set, error) {
		sub, err := fs.Sub(dir, name)
		if err != nil {
			return nil, err
		}
		set, err := readClasses(sub, in, c, h, w, limit, classes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return set, nil
	}
	s := &Source{}
	var err error
	if s.Train, err = part("train", limit, nil); err != nil {
		return nil, err
	}
	if limit > 0 {
		limit = max(limit-int64(len(s.Train.Pixels)), 1)
	}
	for _, name := range []string{"test", "val", "valid"} {
		if fi, err := fs.Stat(dir, name); err != nil || !fi.IsDir() {
			continue
		}
		s.Test, err = part(name, limit, s.Train.Names)
		return s, err
	}
	return s, nil
}

// labelled is the file of a picture with its class.
type labelled struct {
	path  string
	class int
}

// listClasses lists the pictures in one folder a class. classes, where given, are
// those of the training part: another one is an error.
func listClasses(dir fs.FS, classes []string) (pictures []labelled, names []string, err error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, nil, errors.New("there are no folders (want one for each class, with pictures in it)")
	}
	slices.Sort(names)
	if classes == nil {
		classes = names
	}
	for _, name := range names {
		class := slices.Index(classes, name)
		if class < 0 {
			return nil, nil, fmt.Errorf("class %q is not among those trained on", name)
		}
		list, err := fs.ReadDir(dir, name)
		if err != nil {
			return nil, nil, err
		}
		for _, f := range list {
			if IsPicture(f.Name()) {
				pictures = append(pictures, labelled{path.Join(name, f.Name()), class})
			}
		}
	}
	return pictures, classes, nil
}

// readClasses reads the pictures that listClasses lists.
func readClasses(dir fs.FS, in *recipe.Input, c, h, w int, limit int64, classes []string) (*Set, error) {
	list, classes, err := listClasses(dir, classes)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = math.MaxInt
	}
	limit = min(limit, math.MaxInt)
	size := int64(c) * int64(h) * int64(w)
	if int64(len(list)) > limit/size {
		return nil, fmt.Errorf("%w: %d pictures scaled to %dx%dx%d take %d MiB, %d MiB are free", ErrMemory, len(list), c, h, w, int64(len(list))*size>>20, limit>>20)
	}
	s := &Set{C: c, H: h, W: w, Classes: len(classes), Names: classes, Pixels: make([]uint8, 0, int64(len(list))*size)}
	for _, p := range list {
		img, err := openPicture(dir, p.path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.path, err)
		}
		if s.Pixels, err = appendPlanes(s.Pixels, Fit(img, in, h, w), in, c); err != nil {
			return nil, err
		}
		s.Labels = append(s.Labels, int32(p.class))
	}
	return s, s.check()
}

func openPicture(dir fs.FS, name string) (image.Image, error) {
	b, err := files.ReadFS(dir, name, MaxPictureFile)
	if err != nil {
		return nil, err
	}
	return DecodePicture(b)
}

// appendPlanes adds a picture as CHW bytes in the channel order of in.
func appendPlanes(dst []uint8, img *image.NRGBA, in *recipe.Input, channels int) ([]uint8, error) {
	x := make([]float32, channels*img.Rect.Dx()*img.Rect.Dy())
	raw := recipe.Input{Lo: 0, Hi: 255, Order: in.Order}
	if err := Planes(x, img, &raw, channels); err != nil {
		return nil, err
	}
	for _, v := range x {
		dst = append(dst, uint8(v))
	}
	return dst, nil
}
