package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/safetensors"
)

// randomStream is a stream and what it holds, computed as a whole: from memory, a
// function, files in memory and behind a reader, joined, cut and multiplied.
func randomStream(t *testing.T, r *rand.Rand, depth int) (Stream, []float64) {
	n := r.IntN(200)
	x := make([]float32, n)
	wide := make([]float64, n)
	for i := range x {
		wide[i] = r.Float64() - 0.5
		x[i] = float32(wide[i])
	}
	widened := func() []float64 {
		w := make([]float64, n)
		for i, v := range x {
			w[i] = float64(v)
		}
		return w
	}
	kind := r.IntN(7)
	if depth == 0 {
		kind = r.IntN(4)
	}
	switch kind {
	case 0:
		return StreamOf(x), widened()
	case 1:
		return StreamWide(wide), wide
	case 2:
		return StreamFunc(n, func(dst []float32, at int) error {
			if copy(dst, x[at:]) < len(dst) {
				return errors.New("past the end")
			}
			return nil
		}), widened()
	case 3:
		var file bytes.Buffer
		w, err := safetensors.NewTensorWriter(&file, nil, []safetensors.TensorInfo{{Name: "x", Shape: []int{n}}})
		if err == nil {
			err = w.Float32s("x", x)
		}
		if err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.ParseTensors(file.Bytes())
		if r.IntN(2) == 0 {
			f, err = safetensors.OpenTensors(bytes.NewReader(file.Bytes()), int64(file.Len()))
		}
		if err != nil {
			t.Fatal(err)
		}
		s, err := TensorStream(f, "x")
		if err != nil {
			t.Fatal(err)
		}
		return s, widened()
	case 4:
		var parts []Stream
		var all []float64
		for range r.IntN(4) {
			s, x := randomStream(t, r, depth-1)
			parts, all = append(parts, s), append(all, x...)
		}
		return StreamJoin(parts...), all
	case 5:
		s, x := randomStream(t, r, depth-1)
		lo := r.IntN(len(x) + 1)
		hi := lo + r.IntN(len(x)-lo+1)
		return s.Slice(lo, hi), x[lo:hi]
	default:
		s, x := randomStream(t, r, depth-1)
		rows := 1
		for _, n := range []int{2, 3, 5, 7} {
			if len(x)%n == 0 && r.IntN(2) == 0 {
				rows = n
			}
		}
		by := make([]float64, rows)
		for i := range by {
			by[i] = 3 * r.Float64()
		}
		y := slices.Clone(x)
		for i := range y {
			y[i] *= by[i/max(1, len(x)/rows)]
		}
		return s.Times(by), y
	}
}

// TestStream reads random ranges: the same bits as of the array as a whole, on
// every tier.
func TestStream(t *testing.T) {
	r := newRand(3, 5)
	for range 2000 {
		s, want := randomStream(t, r, 4)
		if s.Len() != len(want) {
			t.Fatalf("%d elements, want %d", s.Len(), len(want))
		}
		at := r.IntN(len(want) + 1)
		got := make([]float32, r.IntN(len(want)-at+1))
		if err := s.Read(got, at); err != nil {
			t.Fatal(err)
		}
		v, ok, err := s.view(at, len(got))
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range got {
			if w := float32(want[at+i]); math.Float32bits(x) != math.Float32bits(w) || ok && math.Float32bits(v[i]) != math.Float32bits(w) {
				t.Fatalf("element %d is %v, want %v", at+i, x, w)
			}
		}
		if err := s.Read(make([]float32, len(want)+1), 0); err == nil {
			t.Fatal("reads more than there is")
		}
	}
	for range 200 {
		src, by := make([]float32, r.IntN(100)), []float64{r.Float64(), r.NormFloat64(), 1 / 3.}[:1+r.IntN(3)]
		for i := range src {
			src[i] = float32(r.NormFloat64())
		}
		var want []float32
		for isa := range tiers(r) {
			got := make([]float32, len(src)+1)
			got[len(src)] = poison
			packScale(isa, got[:len(src)], src, by)
			if !isPoison(got[len(src)]) {
				t.Fatalf("%v writes past the end", isa)
			}
			if want == nil {
				want = got
			} else if hashOf(got) != hashOf(want) {
				t.Fatalf("%v: %v times %v is %v, want %v", isa, src, by, got, want)
			}
		}
	}
}

func hashOf(x []float32) string {
	var b strings.Builder
	for _, v := range x {
		fmt.Fprintf(&b, "%08x", math.Float32bits(v))
	}
	return b.String()
}

// TestPackAll packs arrays of every kind of packing: the bits of PackInto, whatever
// the number of threads.
func TestPackAll(t *testing.T) {
	r := newRand(2, 2)
	numbers := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = r.Float32() + 0.5
		}
		return x
	}
	conv := Conv{IC: 40, KH: 3, KW: 3, H: 5, W: 5, Outputs: [4]Output{{C: 70}, {C: 33}}}
	line := Conv{IC: 20, KH: 7, KW: 1, H: 5, W: 5, Outputs: [4]Output{{C: 90}}}
	dense := Dense{C: 40, H: 3, W: 3, Out: Output{C: 100}}
	list := []struct {
		how string
		arg float64
		by  Kernel
		src [][]float32
		n   int
	}{
		{PackWeight, 0, conv, [][]float32{numbers(103 * 40 * 9)}, conv.PackedLen()},
		{PackBias, 0, conv, [][]float32{numbers(103)}, conv.BiasLen()},
		{PackWeight, 0, Winograd{Conv: conv}, [][]float32{numbers(103 * 40 * 9)}, Winograd{Conv: conv}.PackedLen()},
		{PackWeight, 0, Winograd1D{Conv: line}, [][]float32{numbers(90 * 20 * 7)}, Winograd1D{Conv: line}.PackedLen()},
		{PackWeight, 0, dense, [][]float32{numbers(100 * 360)}, dense.PackedLen()},
		{PackWeight, 0, DenseSplitK{dense, 2}, [][]float32{numbers(100 * 360)}, dense.PackedLen()},
		{PackTransposed, 360, Dense{C: 360, H: 1, W: 1, Out: Output{C: 100}}, [][]float32{numbers(100 * 360)}, Dense{C: 360, H: 1, W: 1, Out: Output{C: 100}}.PackedLen()},
		{PackBNScale, 1e-3, Affine{C: 20}, [][]float32{numbers(20), numbers(20), numbers(20), numbers(20)}, 32},
		{PackBNShift, 1e-3, Affine{C: 20}, [][]float32{numbers(20), numbers(20), numbers(20), numbers(20)}, 32},
		{PackFill, 0.25, nil, nil, 16},
		{PackBlocked, 9, nil, [][]float32{numbers(20 * 9)}, 32 * 9},
		{PackReciprocal, 1, nil, [][]float32{numbers(20)}, 32},
	}
	for _, threads := range []int{1, 2, 3, 8} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
		var packings []Packing
		for _, l := range list {
			p := Packing{Name: l.how, Dst: make([]float32, l.n), How: l.how, Arg: l.arg, By: l.by}
			fill(p.Dst, poison)
			if l.src != nil {
				p.From = func() (s []Stream, err error) {
					for _, x := range l.src {
						s = append(s, StreamFunc(len(x), func(dst []float32, at int) error {
							copy(dst, x[at:])
							return nil
						}))
					}
					return s, nil
				}
			}
			packings = append(packings, p)
		}
		if err := PackAll(packings); err != nil {
			t.Fatal(err)
		}
		for i, l := range list {
			want := make([]float32, l.n)
			if err := PackInto(want, l.how, l.arg, l.by, l.src...); err != nil {
				t.Fatal(err)
			}
			if hashOf(packings[i].Dst) != hashOf(want) {
				t.Errorf("%d threads: %s by %T differs", threads, l.how, l.by)
			}
		}
	}
}

// TestPackAllErrors: what a source has to say is told with the array's name, of the
// first piece that failed, and other arrays are packed all the same.
func TestPackAllErrors(t *testing.T) {
	conv := Conv{IC: 16, KH: 1, KW: 1, H: 5, W: 5, Outputs: [4]Output{{C: 320}}}
	good := make([]float32, conv.PackedLen())
	fill(good, poison)
	row := func(at int) error { return fmt.Errorf("no element %d", at) }
	err := PackAll([]Packing{
		{Name: "a", Dst: make([]float32, conv.PackedLen()), How: PackWeight, By: conv, From: func() ([]Stream, error) {
			return []Stream{StreamFunc(320*16, func(dst []float32, at int) error {
				if at >= 64*16 {
					return row(at)
				}
				return nil
			})}, nil
		}},
		{Name: "b", Dst: good, How: PackWeight, By: conv, From: func() ([]Stream, error) {
			return []Stream{StreamOf(make([]float32, 320*16))}, nil
		}},
		{Name: "c", Dst: make([]float32, conv.PackedLen()), How: PackWeight, By: conv, From: func() ([]Stream, error) { return nil, errors.New("gone") }},
		{Name: "d", Dst: make([]float32, conv.PackedLen()), How: PackWeight, By: conv, From: func() ([]Stream, error) {
			return []Stream{StreamOf(make([]float32, 319*16))}, nil
		}},
	})
	want := "weights a: no element 1024\nweights c: gone\nweights d: 512 weights from number 4608 on are wanted, there are 5104"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if slices.ContainsFunc(good, isPoison) {
		t.Error("an array was not packed because of another")
	}
}
