package data

import (
	"errors"
	"fmt"
)

// Set holds labelled images of one size, as bytes: image i is
// Pixels[i*C*H*W : (i+1)*C*H*W] in CHW order.
type Set struct {
	C, H, W int
	Pixels  []uint8
	Labels  []int32
	Classes int
	Names   []string // of the classes, empty where the files name none
}

// Len is the number of images.
func (s *Set) Len() int { return len(s.Labels) }

// Image returns the pixels of image i.
func (s *Set) Image(i int) []uint8 {
	n := s.C * s.H * s.W
	return s.Pixels[i*n : (i+1)*n]
}

// Source is a data set: its training part and its test part. Test is nil if the files
// have no test part.
type Source struct {
	Name        string
	Train, Test *Set
}

// check returns an error if pixels, labels and classes do not agree.
func (s *Set) check() error {
	if s.Len() == 0 {
		return errors.New("no images")
	}
	if want := s.Len() * s.C * s.H * s.W; len(s.Pixels) != want {
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
	c.Pixels, c.Labels = s.Pixels[:n*s.C*s.H*s.W], s.Labels[:n]
	return &c
}

// Split divides a set at image n without copying it. The images kept for validation
// come from the end.
func (s *Set) Split(n int) (first, rest *Set) {
	r := *s
	r.Pixels, r.Labels = s.Pixels[n*s.C*s.H*s.W:], s.Labels[n:]
	return s.Head(n), &r
}
