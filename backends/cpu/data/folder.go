package data

import (
	"bytes"
	"fmt"
	"image"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir/recipe"
)

// maxPictureFile bounds the bytes of one picture's file.
const maxPictureFile = 64 << 20

// ReadFolder reads pictures that lie in one folder a class: DIR/cat/1.png, or
// DIR/train/cat/1.png and DIR/test/cat/1.png (val and valid are other names of
// test). Each is scaled to fit c x h x w as Fit does it. Classes are the folders'
// names in order.
func ReadFolder(dir fs.FS, in *recipe.Input, c, h, w int) (*Source, error) {
	if fi, err := fs.Stat(dir, "train"); err == nil && fi.IsDir() {
		train, err := fs.Sub(dir, "train")
		if err != nil {
			return nil, err
		}
		s := &Source{}
		if s.Train, err = readClasses(train, in, c, h, w, nil); err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
		for _, name := range []string{"test", "val", "valid"} {
			fi, err := fs.Stat(dir, name)
			if err != nil || !fi.IsDir() {
				continue
			}
			sub, err := fs.Sub(dir, name)
			if err != nil {
				return nil, err
			}
			if s.Test, err = readClasses(sub, in, c, h, w, s.Train.Names); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			break
		}
		return s, nil
	}
	set, err := readClasses(dir, in, c, h, w, nil)
	return &Source{Train: set}, err
}

// readClasses reads one folder a class. classes, where given, are those that a
// training part has: another one is an error.
func readClasses(dir fs.FS, in *recipe.Input, c, h, w int, classes []string) (*Set, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no folders; want one a class, with PNG or JPEG pictures in it")
	}
	slices.Sort(names)
	if classes == nil {
		classes = names
	}
	if in == nil {
		in = &recipe.Input{}
	}
	s := &Set{C: c, H: h, W: w, Classes: len(classes), Names: classes}
	for _, name := range names {
		label := slices.Index(classes, name)
		if label < 0 {
			return nil, fmt.Errorf("class %q is not among those trained on", name)
		}
		files, err := fs.ReadDir(dir, name)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			switch strings.ToLower(path.Ext(f.Name())) {
			case ".png", ".jpg", ".jpeg":
			default:
				continue
			}
			p := path.Join(name, f.Name())
			img, err := openPicture(dir, p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
			s.Pixels = appendPlanes(s.Pixels, Fit(img, in, h, w), in, c)
			s.Labels = append(s.Labels, int32(label))
		}
	}
	return s, s.check()
}

func openPicture(dir fs.FS, name string) (image.Image, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxPictureFile))
	if err != nil {
		return nil, err
	}
	return DecodePicture(bytes.NewReader(b))
}

// appendPlanes adds a picture as CHW bytes in the channel order of in.
func appendPlanes(dst []uint8, img *image.NRGBA, in *recipe.Input, channels int) []uint8 {
	x := make([]float32, channels*img.Rect.Dx()*img.Rect.Dy())
	raw := recipe.Input{Lo: 0, Hi: 255, Order: in.Order}
	if err := Planes(x, img, &raw, channels); err != nil {
		// The shape is the caller's and has been checked with the network.
		panic(err)
	}
	for _, v := range x {
		dst = append(dst, uint8(v))
	}
	return dst
}
