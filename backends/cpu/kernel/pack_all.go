package kernel

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Packing is an array of weights that a kernel reads, and what PackInto is to make
// it from.
type Packing struct {
	Name string // for errors, or ""
	Dst  []float32
	How  string
	Arg  float64
	By   Runner
	// From returns the sources. It is called once, on any goroutine; nil if there are
	// none.
	From func() ([]Stream, error)
}

// PackAll makes all arrays, on as many threads as Go may use, and cuts what is large
// into pieces: a thread reads some filters of a convolution and writes what they
// become, so that what it holds fits its cache and no array waits for one thread.
// The bits are those of PackInto.
//
// Sources that fail make their array incomplete; the others are made all the same.
func PackAll(list []Packing) error {
	arrays := make([]packArray, len(list))
	type piece struct{ array, part int }
	var pieces []piece
	for i := range list {
		a := &arrays[i]
		a.Packing = &list[i]
		n := 1
		if a.How == PackWeight {
			if a.parts = packParts(a.By); len(a.parts) > 0 {
				n = len(a.parts)
			}
		}
		a.left.Store(int32(n))
		for j := range n {
			pieces = append(pieces, piece{i, j})
		}
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(len(pieces), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			s := newPackScratch()
			for i := int(next.Add(1)) - 1; i < len(pieces); i = int(next.Add(1)) - 1 {
				arrays[pieces[i].array].pack(pieces[i].part, s)
			}
		})
	}
	wg.Wait()
	var errs []error
	for i := range arrays {
		switch a := &arrays[i]; {
		case a.err != nil && a.Name != "":
			errs = append(errs, fmt.Errorf("weights %s: %w", a.Name, a.err))
		case a.err != nil:
			errs = append(errs, a.err)
		}
	}
	return errors.Join(errs...)
}

// packArray is a Packing under way.
type packArray struct {
	*Packing
	parts []packPart
	open  sync.Once
	src   []Stream
	left  atomic.Int32 // pieces to come

	mu   sync.Mutex // guards the following
	err  error
	from int // the piece that err is of: the first, whichever thread was faster
}

func (a *packArray) pack(part int, s *packScratch) {
	a.open.Do(func() {
		if a.From == nil {
			return
		}
		var err error
		if a.src, err = a.From(); err != nil {
			a.fail(-1, err)
		}
	})
	if !a.failedBefore(part) {
		if err := a.piece(part, s); err != nil {
			a.fail(part, err)
		}
	}
	if a.left.Add(-1) == 0 {
		a.src = nil // they may hold memory
	}
}

// failedBefore reports whether the array is lost and the piece's own error would
// not matter.
func (a *packArray) failedBefore(part int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err != nil && a.from < part
}

func (a *packArray) fail(part int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil || part < a.from {
		a.err, a.from = err, part
	}
}

func (a *packArray) piece(part int, s *packScratch) error {
	if len(a.parts) == 0 {
		var src [][]float32
		for _, x := range a.src {
			v, ok, err := x.view(0, x.Len())
			if !ok {
				v = make([]float32, x.Len())
				err = x.Read(v, 0)
			}
			if err != nil {
				return err
			}
			src = append(src, v)
		}
		return PackInto(a.Dst, a.How, a.Arg, a.By, src...)
	}
	p := a.parts[part]
	v, ok, err := a.src[0].view(p.src, p.filters)
	if !ok {
		v = s.filters(p.filters)
		err = a.src[0].Read(v, p.src)
	}
	if err != nil {
		return err
	}
	p.pack(a.Dst[p.dst:p.dst+p.packed], v, s)
	return nil
}
