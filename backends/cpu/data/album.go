package data

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"

	"github.com/incc-lang/incc/backends/files"
)

// album is the images of a part of a folder of pictures that are not all held in memory.
// Each was decoded once, when the folder was read. Those that are not held are decoded
// again whenever they are needed. It is safe for concurrent use.
type album struct {
	dir     fs.FS
	paths   []string // of the pictures
	reading Reading
	sums    [][sha256.Size]byte // of the images
	slots   []int32             // where an image is in held, -1 if it is not there
	held    []uint8             // CHW bytes, image after image
	room    *gate
}

// PictureError says that a picture is not what it was when the data set was read.
type PictureError struct {
	File string // its path in the data set
	Err  error
}

func (e *PictureError) Error() string { return Unreadable(*e).String() }

// Unwrap returns the reason.
func (e *PictureError) Unwrap() error { return e.Err }

// Reasons of a PictureError.
var (
	ErrGone    = errors.New("the picture is gone since its data set was read")
	ErrChanged = errors.New("the picture has changed since its data set was read")
)

// image returns the bytes of an image, which the caller must not change.
func (a *album) image(i int) ([]uint8, error) {
	size := a.reading.size()
	if at := int(a.slots[i]); at >= 0 {
		return a.held[at*size : (at+1)*size], nil
	}
	px := make([]uint8, size)
	_, err := readOne(a.dir, a.paths[i], px, a.reading, a.room)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = ErrGone
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrChanged, err)
	case sha256.Sum256(px) != a.sums[i]:
		err = ErrChanged
	default:
		return px, nil
	}
	return nil, &PictureError{a.paths[i], err}
}

// InMemory is the number of images that are held in memory. The others are decoded from
// their pictures each time they are needed.
func (s *Set) InMemory() int {
	if s.album == nil {
		return s.Len()
	}
	n := 0
	for i := range s.Len() {
		if s.album.slots[s.Place(i)] >= 0 {
			n++
		}
	}
	return n
}

// Sum is the SHA-256 of the pixels of image i.
func (s *Set) Sum(i int) [sha256.Size]byte {
	if s.album != nil {
		return s.album.sums[s.Place(i)]
	}
	return sha256.Sum256(s.pixels(i))
}

// Each calls visit with every image, in their order. It decodes pictures that are not held
// in memory on all processors. visit must not change the pixels, nor keep them.
func (s *Set) Each(visit func(i int, pixels []uint8) error) error {
	return s.each(s.Len(), func(k int) int { return k }, visit)
}

// each is Each for n images: the k-th is image at(k) of the set.
func (s *Set) each(n int, at func(k int) int, visit func(k int, pixels []uint8) error) error {
	workers := 1
	if s.InMemory() < s.Len() {
		workers = runtime.GOMAXPROCS(0)
	}
	images, errs := make([][]uint8, 4*workers), make([]error, 4*workers)
	for lo := 0; lo < n; lo += len(images) {
		m := min(len(images), n-lo)
		parallel(m, workers, func(k int) { images[k], errs[k] = s.Image(at(lo + k)) })
		for k := range m {
			if errs[k] != nil {
				return errs[k]
			}
			if err := visit(lo+k, images[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// parallel calls f with 0 to n-1 on a number of goroutines, and waits for all.
func parallel(n, workers int, f func(i int)) {
	if workers == 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(workers, n) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// readOne decodes and scales a picture into the bytes of an image.
func readOne(dir fs.FS, name string, dst []uint8, r Reading, room *gate) (o Original, err error) {
	b, err := files.ReadFS(dir, name, MaxPictureFile)
	if err != nil {
		if e := (*fs.PathError)(nil); errors.As(err, &e) {
			err = e.Err // the caller names the file
		}
		return o, err
	}
	memory, err := examine(b, allFormats...)
	if err != nil {
		return o, err
	}
	memory = room.enter(memory)
	defer room.leave(memory)
	img, err := DecodePicture(b)
	if err != nil {
		return o, err
	}
	o = Original{formatOf(b, allFormats).name, img.Bounds().Size()}
	return o, planeBytes(dst, Fit(img, r.Input, r.H, r.W), r.C)
}

// gate bounds the bytes of memory that tasks which run at once take together.
type gate struct {
	mu   sync.Mutex
	cond *sync.Cond
	size int64
	free int64
}

func newGate(size int64) *gate {
	g := &gate{size: size, free: size}
	g.cond = sync.NewCond(&g.mu)
	return g
}

// enter waits until n bytes are free, and takes them. It returns how many to give
// back: work larger than the gate takes all.
func (g *gate) enter(n int64) int64 {
	n = min(n, g.size)
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.free < n {
		g.cond.Wait()
	}
	g.free -= n
	return n
}

func (g *gate) leave(n int64) {
	g.mu.Lock()
	g.free += n
	g.mu.Unlock()
	g.cond.Broadcast()
}
