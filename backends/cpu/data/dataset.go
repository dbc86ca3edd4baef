package data

import (
	"errors"
	"fmt"
	"image"
)

// Set holds labelled images of one size, as bytes in CHW order. A part of a set
// shares the pixels of the whole. Those of a large folder of pictures are not all in
// memory (Reading.Cache): Pixels is then nil, and Image decodes them.
type Set struct {
	C, H, W int
	Pixels  []uint8
	Labels  []int32 // of the images, in their order
	Places  []int32 // image i is the Places[i]-th in Pixels; nil where that is image i itself
	Classes int
	Names   []string // of the classes, empty where the files name none
	Files   []string // of the images, empty where images have no file of their own
	// Originals are the pictures that the images were made of, empty where images have no
	// file of their own.
	Originals []Original
	album     *album // where Pixels is nil
}

// Original is the picture that an image was scaled from.
type Original struct {
	Format string // as in Formats
	Size   image.Point
}

// Len is the number of images.
func (s *Set) Len() int { return len(s.Labels) }

// Image returns the pixels of image i, which the caller must not change. The error of a
// picture that has changed since the set was read is a *PictureError.
func (s *Set) Image(i int) ([]uint8, error) {
	if s.album != nil {
		return s.album.image(s.Place(i))
	}
	return s.pixels(i), nil
}

// pixels is Image for a set that is in memory.
func (s *Set) pixels(i int) []uint8 {
	n := s.C * s.H * s.W
	i = s.Place(i)
	return s.Pixels[i*n : (i+1)*n]
}

// Place is the position of image i in the part of the data set that it was chosen from,
// counted from 0.
func (s *Set) Place(i int) int {
	if s.Places != nil {
		return int(s.Places[i])
	}
	return i
}

// File is the path of image i in its data folder, "" if it has no file of its own.
func (s *Set) File(i int) string {
	if i < len(s.Files) {
		return s.Files[i]
	}
	return ""
}

// Counts returns how many images each class has.
func (s *Set) Counts() []int {
	n := make([]int, s.Classes)
	for _, l := range s.Labels {
		n[l]++
	}
	return n
}

// Source is a data set: its training part, and its validation part and test part,
// which are nil where the files have none.
type Source struct {
	Name             string
	Train, Val, Test *Set
}

// check returns an error if pixels, labels and classes do not agree.
func (s *Set) check() error {
	if s.Len() == 0 {
		return errors.New("no images")
	}
	if want := s.Len() * s.C * s.H * s.W; s.album == nil && len(s.Pixels) != want {
		return fmt.Errorf("%d bytes of pixels for %d images of %dx%dx%d", len(s.Pixels), s.Len(), s.C, s.H, s.W)
	}
	for i, l := range s.Labels {
		if l < 0 || int(l) >= s.Classes {
			return fmt.Errorf("image %d has class %d (want 0 to %d)", i, l, s.Classes-1)
		}
	}
	return nil
}

// Head returns the first n images as a set that shares their memory.
func (s *Set) Head(n int) *Set {
	n = min(n, s.Len())
	c := *s
	c.Labels = s.Labels[:n]
	if s.Files != nil {
		c.Files = s.Files[:n]
	}
	if s.Originals != nil {
		c.Originals = s.Originals[:n]
	}
	switch {
	case s.Places != nil:
		c.Places = s.Places[:n]
	case s.album == nil:
		c.Pixels = s.Pixels[:n*s.C*s.H*s.W]
	}
	return &c
}
