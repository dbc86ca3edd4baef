package data

import (
	"errors"
	"fmt"
	"image"
	"io/fs"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
)

// MaxPictureFile bounds the bytes of one picture's file.
const MaxPictureFile = 64 << 20

// ErrMemory is wrapped by errors about a data set that does not fit in memory.
var ErrMemory = errors.New("not enough memory")

// Reading says how the pictures of a folder are read.
type Reading struct {
	Input   *recipe.Input // how they are scaled; nil for the default
	C, H, W int           // of the images that they become
	Memory  int64         // bytes that all images may take; 0 for no limit
	Strict  bool          // a picture that cannot be read is an error
	// Progress, if not nil, is called after each picture, by one goroutine at a time.
	Progress func(done, total int)
}

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
// a tenth, or r.Strict is set, the error is an *UnreadableError. Where the images
// would take more than r.Memory bytes it reads none.
func (f *Folder) Read(r Reading) (*Source, []Unreadable, error) {
	if err := CheckChannels(r.C); err != nil {
		return nil, nil, err
	}
	if r.Input == nil {
		r.Input = &recipe.Input{}
	}
	parts := []*Pictures{f.Train, f.Val, f.Test}
	total := 0
	for _, p := range parts {
		if p != nil {
			total += p.Len()
		}
	}
	limit := int64(math.MaxInt)
	if r.Memory > 0 {
		limit = min(r.Memory, limit)
	}
	size := int64(r.C) * int64(r.H) * int64(r.W)
	if int64(total) > limit/size {
		return nil, nil, fmt.Errorf("%w: %d pictures scaled to %dx%dx%d take %d MiB, %d MiB are free", ErrMemory, total, r.C, r.H, r.W, int64(total)*size>>20, limit>>20)
	}
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
		set, failed := p.read(r)
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

// decodingMemory bounds the memory in bytes that pictures take while they are being
// decoded at the same time. One that takes more is decoded with no other.
const decodingMemory = 512 << 20

// read reads the pictures on all processors. The order of the images, and of those
// that cannot be read, is that of the list.
func (p *Pictures) read(r Reading) (*Set, []Unreadable) {
	size := r.C * r.H * r.W
	s := &Set{C: r.C, H: r.H, W: r.W, Pixels: make([]uint8, len(p.list)*size)}
	errs := make([]error, len(p.list))
	room := newGate(decodingMemory)
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), len(p.list)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				errs[i] = p.readOne(p.list[i].path, s.Pixels[i*size:(i+1)*size], r, room)
				if r.Progress != nil {
					r.Progress(0, 0)
				}
			}
		}()
	}
	for i := range p.list {
		next <- i
	}
	close(next)
	wg.Wait()
	var bad []Unreadable
	n := 0
	for i, f := range p.list {
		if errs[i] != nil {
			bad = append(bad, Unreadable{f.path, errs[i]})
			continue
		}
		if n < i {
			copy(s.Pixels[n*size:(n+1)*size], s.Pixels[i*size:(i+1)*size])
		}
		s.Labels, s.Files = append(s.Labels, int32(f.class)), append(s.Files, f.path)
		n++
	}
	s.Pixels = slices.Clip(s.Pixels[:n*size])
	return s, bad
}

func (p *Pictures) readOne(name string, dst []uint8, r Reading, room *gate) error {
	b, err := files.ReadFS(p.dir, name, MaxPictureFile)
	if err != nil {
		if e := (*fs.PathError)(nil); errors.As(err, &e) {
			err = e.Err // the list names the file
		}
		return err
	}
	memory, err := examine(b, allFormats...)
	if err != nil {
		return err
	}
	memory = room.enter(memory)
	defer room.leave(memory)
	img, err := DecodePicture(b)
	if err != nil {
		return err
	}
	return planeBytes(dst, Fit(img, r.Input, r.H, r.W), r.C)
}

// planeBytes writes a picture as CHW bytes: red, green and blue, or grey. Transform
// makes the order of channels that the network wants.
func planeBytes(dst []uint8, img *image.NRGBA, channels int) error {
	x := make([]float32, len(dst))
	raw := recipe.Input{Lo: 0, Hi: 255}
	if err := Planes(x, img, &raw, channels); err != nil {
		return err
	}
	for i, v := range x {
		dst[i] = uint8(v)
	}
	return nil
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
