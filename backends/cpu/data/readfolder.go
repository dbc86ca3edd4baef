package data

import (
	"crypto/sha256"
	"fmt"
	"image"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
)

// MaxPictureFile bounds the bytes of one picture's file.
const MaxPictureFile = 64 << 20

// Reading says how the pictures of a folder are read.
type Reading struct {
	Input   *recipe.Input // how they are scaled; nil for the default
	C, H, W int           // of the images that they become
	// Cache is how many bytes of images are held in memory. The other images are decoded
	// again each time they are needed.
	Cache  int64
	Strict bool // a picture that cannot be read is an error
	// Progress, if not nil, is called after each picture, by one goroutine at a time.
	Progress func(done, total int)
}

// size is the bytes of an image.
func (r *Reading) size() int { return r.C * r.H * r.W }

// Unreadable is a picture that cannot be read.
type Unreadable struct {
	File string // its path in the data set
	Err  error
}

// UnreadableError says that too many pictures of a data set cannot be read.
type UnreadableError struct {
	Files []Unreadable
	Total int // number of pictures
}

// maxListed bounds how many files an error lists.
const maxListed = 20

func (e *UnreadableError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %s cannot be read:", len(e.Files), diag.Count(e.Total, "picture"))
	for _, f := range e.Files[:min(len(e.Files), maxListed)] {
		b.WriteString("\n   " + f.String())
	}
	if n := len(e.Files) - maxListed; n > 0 {
		fmt.Fprintf(&b, "\n   and %d more", n)
	}
	return b.String()
}

func (u Unreadable) String() string {
	return diag.Printable(u.File) + ": " + diag.Printable(u.Err.Error())
}

// Read reads the pictures of a folder and scales each to c x h x w, as Fit does it.
// Pictures that cannot be read are left out and returned; where they are more than
// a tenth, or r.Strict is set, the error is an *UnreadableError. All pictures are decoded
// once, whether r.Cache has room for their images or not.
func (f *Folder) Read(r Reading) (*Source, []Unreadable, error) {
	if err := CheckChannels(r.C); err != nil {
		return nil, nil, err
	}
	if r.Input == nil {
		r.Input = &recipe.Input{}
	}
	parts, total := []*Pictures{f.Train, f.Val, f.Test}, f.Len()
	hold := f.share(int(min(min(r.Cache, math.MaxInt)/int64(r.size()), int64(total))))
	room := newGate(decodingMemory)
	if progress, done := r.Progress, 0; progress != nil {
		var mu sync.Mutex
		r.Progress = func(int, int) {
			mu.Lock()
			defer mu.Unlock()
			done++
			progress(done, total)
		}
	}
	s := &Source{}
	var bad []Unreadable
	for i, p := range parts {
		if p == nil {
			continue
		}
		set, failed := p.read(r, hold[i], room)
		set.Classes, set.Names = len(f.Classes), f.Classes
		*[]**Set{&s.Train, &s.Val, &s.Test}[i] = set
		bad = append(bad, failed...)
	}
	if len(bad) > 0 && (r.Strict || 10*len(bad) > total) {
		return nil, bad, &UnreadableError{bad, total}
	}
	listed := make([]int, len(f.Classes))
	for _, p := range f.Train.list {
		listed[p.class]++
	}
	for k, n := range s.Train.Counts() {
		if n == 0 && listed[k] > 0 {
			return nil, bad, fmt.Errorf("no picture of class %s can be read: %w", diag.Quote(f.Classes[k]), &UnreadableError{bad, total})
		}
	}
	for _, set := range []*Set{s.Train, s.Val, s.Test} {
		if set != nil {
			if err := set.check(); err != nil {
				return nil, bad, err
			}
		}
	}
	return s, bad, nil
}

// Len is the number of pictures of all parts.
func (f *Folder) Len() int {
	n := 0
	for _, p := range []*Pictures{f.Train, f.Val, f.Test} {
		if p != nil {
			n += p.Len()
		}
	}
	return n
}

// share divides a number of images to hold in memory among the parts: the same share of
// the images for training and of those for validation, which every epoch reads, and what
// is left of the images for the test.
func (f *Folder) share(hold int) (held [3]int) {
	train, val := f.Train.Len(), 0
	if f.Val != nil {
		val = f.Val.Len()
	}
	n := min(hold, train+val)
	held[0] = int(int64(n) * int64(train) / int64(train+val))
	held[1], held[2] = n-held[0], hold-n
	return held
}

// decodingMemory bounds the memory in bytes that pictures take while they are being
// decoded at the same time. One that takes more is decoded with no other.
const decodingMemory = 512 << 20

// read reads the pictures on all processors, and holds some of the images in memory. The
// order of the images, and of those that cannot be read, is that of the list.
func (p *Pictures) read(r Reading, hold int, room *gate) (*Set, []Unreadable) {
	size, n := r.size(), len(p.list)
	a := &album{dir: p.dir, reading: r, slots: make([]int32, n), held: make([]uint8, hold*size), room: room}
	if hold < n {
		a.sums = make([][sha256.Size]byte, n)
	}
	// Those that are held are spread evenly, so that each class, and each part that is
	// drawn from the images, has its share of them.
	slot := func(i int) int { return int(int64(i) * int64(hold) / int64(n)) }
	originals, errs := make([]Original, n), make([]error, n)
	scratch := sync.Pool{New: func() any { b := make([]uint8, size); return &b }}
	parallel(n, runtime.GOMAXPROCS(0), func(i int) {
		var px []uint8
		if at := slot(i); at < slot(i+1) {
			a.slots[i], px = int32(at), a.held[at*size:(at+1)*size]
		} else {
			b := scratch.Get().(*[]uint8)
			defer scratch.Put(b)
			a.slots[i], px = -1, *b
		}
		originals[i], errs[i] = readOne(p.dir, p.list[i].path, px, r, room)
		if a.sums != nil && errs[i] == nil {
			a.sums[i] = sha256.Sum256(px)
		}
		if r.Progress != nil {
			r.Progress(0, 0)
		}
	})
	return p.gather(a, originals, errs)
}

// gather makes the set of the images that were read.
func (p *Pictures) gather(a *album, originals []Original, errs []error) (*Set, []Unreadable) {
	size := a.reading.size()
	s := &Set{C: a.reading.C, H: a.reading.H, W: a.reading.W}
	var bad []Unreadable
	for i, f := range p.list {
		if errs[i] != nil {
			bad = append(bad, Unreadable{f.path, errs[i]})
			continue
		}
		n := s.Len()
		s.Labels, s.Files = append(s.Labels, int32(f.class)), append(s.Files, f.path)
		s.Originals = append(s.Originals, originals[i])
		switch {
		case a.sums != nil:
			a.slots[n], a.sums[n] = a.slots[i], a.sums[i]
		case n < i:
			copy(a.held[n*size:(n+1)*size], a.held[i*size:(i+1)*size])
		}
	}
	if a.sums == nil { // all are held
		s.Pixels = slices.Clip(a.held[:s.Len()*size])
		return s, bad
	}
	a.paths, a.slots, a.sums = s.Files, a.slots[:s.Len()], a.sums[:s.Len()]
	s.album = a
	return s, bad
}

// planeBytes writes a picture as CHW bytes: red, green and blue, or grey. Transform
// makes the order of channels that the network wants.
func planeBytes(dst []uint8, img *image.NRGBA, channels int) error {
	return planes(dst, img, channels, [3]int{0, 1, 2}, func(_ int, v uint8) uint8 { return v })
}
