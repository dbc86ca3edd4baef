package kernel

import (
	"fmt"

	"github.com/incc-lang/incc/backends/safetensors"
)

// Stream is an array of weights that is read a range at a time, where packing
// needs it, from where it comes: a file, memory, or a function. Rows of it may be
// multiplied by factors on the way, as where a batch norm has been folded into
// a convolution; products are taken in float64, in the order in which Times was
// called, and rounded once. So a network's weights never lie as a whole beside
// their packed ones.
//
// The zero value is empty. Streams are values; methods return new ones. They are
// safe for concurrent use if what they come from is.
type Stream struct {
	parts []streamPart
	n     int
}

// streamPart is a range of a stream that comes from one place. What it comes from
// is one of read, data and wide.
type streamPart struct {
	n      int                                // elements
	at     int                                // of the first in what it comes from
	read   func(dst []float32, at int) error  // may be called from several goroutines
	data   []float32                          // in memory
	check  func(data []float32, at int) error // of data, when it is used
	wide   []float64                          // in memory, not rounded yet
	scales []streamScale
}

// streamScale is a factor for every row of a range that begins skip elements before
// the part.
type streamScale struct {
	by        []float64
	row, skip int
}

func (s streamScale) of(i int) (factor float64, run int) {
	i += s.skip
	return s.by[i/s.row], s.row - i%s.row
}

// StreamFunc is a stream of n elements that a function writes: those from number at
// on, as many as dst has room for. It is called from several goroutines.
func StreamFunc(n int, read func(dst []float32, at int) error) Stream {
	return Stream{[]streamPart{{n: n, read: read}}, n}
}

// StreamOf is a stream of elements in memory, which it keeps.
func StreamOf(x []float32) Stream { return Stream{[]streamPart{{n: len(x), data: x}}, len(x)} }

// StreamWide is a stream of elements in memory that are not rounded yet.
func StreamWide(x []float64) Stream { return Stream{[]streamPart{{n: len(x), wide: x}}, len(x)} }

// Stream is the elements of f, which it keeps.
func (f Fold) Stream() Stream { return StreamWide(f.Data) }

// TensorStream is the elements of a tensor in row-major order, read and checked when they
// are asked for.
func TensorStream(t *safetensors.Tensors, name string) (Stream, error) {
	s, err := t.Source(name)
	if err != nil {
		return Stream{}, err
	}
	return Stream{[]streamPart{{n: s.N, data: s.Data, check: s.Check, read: s.Read}}, s.N}, nil
}

// StreamJoin is streams one behind another.
func StreamJoin(l ...Stream) Stream {
	var s Stream
	for _, x := range l {
		s.parts = append(s.parts, x.parts...)
		s.n += x.n
	}
	return s
}

// Len is the number of elements.
func (s Stream) Len() int { return s.n }

// Slice is the elements lo..hi-1.
func (s Stream) Slice(lo, hi int) Stream {
	r := Stream{n: hi - lo}
	at := 0
	for _, p := range s.parts {
		if a, b := max(lo, at)-at, min(hi, at+p.n)-at; a < b {
			r.parts = append(r.parts, p.slice(a, b))
		}
		at += p.n
	}
	return r
}

func (p streamPart) slice(lo, hi int) streamPart {
	scales := p.scales
	p.scales = nil
	for _, s := range scales {
		p.scales = append(p.scales, streamScale{s.by, s.row, s.skip + lo})
	}
	p.at += lo
	p.n = hi - lo
	return p
}

// Times is the stream with every row multiplied by its factor: it has as many rows
// as by has elements, all of one length.
func (s Stream) Times(by []float64) Stream {
	r := Stream{n: s.n}
	at := 0
	for _, p := range s.parts {
		p.scales = append(append([]streamScale(nil), p.scales...), streamScale{by, max(1, s.n/max(1, len(by))), at})
		r.parts = append(r.parts, p)
		at += p.n
	}
	return r
}

// Read writes the elements from number at on into dst.
func (s Stream) Read(dst []float32, at int) error {
	if at < 0 || len(dst) > s.n-at {
		return fmt.Errorf("%d weights from number %d on are wanted, there are %d", len(dst), at, s.n)
	}
	for _, p := range s.parts {
		if at < p.n && len(dst) > 0 {
			n := min(len(dst), p.n-at)
			if err := p.readAt(dst[:n], at); err != nil {
				return err
			}
			dst, at = dst[n:], at+n
		}
		at -= p.n
	}
	return nil
}

// view is the memory that n elements from number at on lie in; ok is false where
// they do not lie in memory as they are. Do not change it.
func (s Stream) view(at, n int) (v []float32, ok bool, err error) {
	for _, p := range s.parts {
		if at < p.n {
			if at+n > p.n || p.data == nil || len(p.scales) > 0 {
				break
			}
			v = p.data[p.at+at : p.at+at+n]
			if p.check != nil {
				err = p.check(v, p.at+at)
			}
			return v, true, err
		}
		at -= p.n
	}
	return nil, false, nil
}

func (p streamPart) readAt(dst []float32, at int) error {
	src := dst
	switch {
	case p.wide != nil:
		p.widened(dst, at)
		return nil
	case p.read != nil:
		if err := p.read(dst, p.at+at); err != nil {
			return err
		}
	default:
		src = p.data[p.at+at:][:len(dst)]
		if p.check != nil {
			if err := p.check(src, p.at+at); err != nil {
				return err
			}
		}
		if len(p.scales) == 0 {
			copy(dst, src)
		}
	}
	if len(p.scales) == 0 {
		return nil
	}
	isa := available[len(available)-1]
	by := make([]float64, len(p.scales))
	for i := 0; i < len(dst); {
		n := len(dst) - i
		for j, s := range p.scales {
			f, run := s.of(at + i)
			by[j], n = f, min(n, run)
		}
		packScale(isa, dst[i:i+n], src[i:i+n], by)
		i += n
	}
	return nil
}

// widened writes elements that come from float64s.
func (p streamPart) widened(dst []float32, at int) {
	for i, x := range p.wide[p.at+at:][:len(dst)] {
		for _, s := range p.scales {
			f, _ := s.of(at + i)
			x *= f
		}
		dst[i] = float32(x)
	}
}

// packScaleTiers are the microkernels of packScale for n blocks, where a tier has one: files of a
// processor set them.
var packScaleTiers [isas]func(dst, src *float32, n int, by *float64, nby int)

// packScale multiplies src by factors, one after another in float64, into dst, which
// may be src.
func packScale(isa ISA, dst, src []float32, by []float64) {
	if f, n := packScaleTiers[isa], len(dst)/Block*Block; f != nil && n > 0 {
		_ = src[:n] // the assembly checks no bounds
		f(&dst[0], &src[0], n/Block, &by[0], len(by))
		dst, src = dst[n:], src[n:]
	}
	for i := range dst {
		x := float64(src[i])
		for _, f := range by {
			x *= f
		}
		dst[i] = float32(x)
	}
}
