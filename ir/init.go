package ir

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/incc-lang/incc/ir/tensor"
)

// InitKind names a way to draw the first values of a weight.
type InitKind string

const (
	InitHe        InitKind = "he"         // normal, std sqrt(2/fan_in) (He 2015, eq. 10)
	InitHeUniform InitKind = "he_uniform" // uniform of the same variance
	InitGlorot    InitKind = "glorot"     // uniform, variance 2/(fan_in+fan_out) (Glorot 2010, eq. 16)
	InitXavier    InitKind = "xavier"     // Caffe's: uniform, variance 1/fan_in
	InitGaussian  InitKind = "gaussian"   // normal, std A
	InitUniform   InitKind = "uniform"    // in -A..A
	InitConstant  InitKind = "constant"   // A
	InitTrunc     InitKind = "trunc"      // normal, std A, drawn again outside two std
)

// Init says how the elements of a param are drawn: a kind and, for some kinds, a
// number. It prints as gaussian,0.05.
type Init struct {
	Kind InitKind
	A    float64
}

var initTakesNumber = map[InitKind]bool{InitHe: false, InitHeUniform: false, InitGlorot: false, InitXavier: false,
	InitGaussian: true, InitUniform: true, InitConstant: true, InitTrunc: true}

// InitKinds lists the kinds in the order of the documentation, and whether each
// takes a number.
func InitKinds() []struct {
	Kind   InitKind
	Number bool
} {
	var r []struct {
		Kind   InitKind
		Number bool
	}
	for _, k := range []InitKind{InitHe, InitHeUniform, InitGlorot, InitXavier, InitGaussian, InitUniform, InitConstant, InitTrunc} {
		r = append(r, struct {
			Kind   InitKind
			Number bool
		}{k, initTakesNumber[k]})
	}
	return r
}

func (i Init) String() string {
	if initTakesNumber[i.Kind] {
		return string(i.Kind) + "," + FormatFloat(i.A)
	}
	return string(i.Kind)
}

// known reports whether Draw knows the kind.
func (i Init) known() bool { _, ok := initTakesNumber[i.Kind]; return ok }

// ParseInit reads what String prints.
func ParseInit(s string) (Init, error) {
	kind, num, has := strings.Cut(s, ",")
	takes, ok := initTakesNumber[InitKind(kind)]
	switch {
	case !ok:
		return Init{}, fmt.Errorf("unknown initialization %q (want he, he_uniform, glorot, xavier, gaussian,STD, uniform,A, constant,V, trunc,STD)", kind)
	case takes && !has:
		return Init{}, fmt.Errorf("%s wants a number: %s,0.05", kind, kind)
	case !takes && has:
		return Init{}, fmt.Errorf("%s takes no number", kind)
	case !takes:
		return Init{Kind: InitKind(kind)}, nil
	}
	a, err := strconv.ParseFloat(num, 64)
	if err != nil || math.IsNaN(a) || math.IsInf(a, 0) {
		return Init{}, fmt.Errorf("%q is not a number", num)
	}
	if a < 0 && InitKind(kind) != InitConstant {
		return Init{}, fmt.Errorf("the number of %s must not be negative", kind)
	}
	return Init{InitKind(kind), a}, nil
}

// Fans returns the fan in and the fan out of a weight. The shape is OIHW for a
// convolution and OI for a dense layer. I, and so the fan in, is that of one
// group of a grouped convolution.
func Fans(shape Shape) (in, out int) {
	if len(shape) < 2 {
		return shape.Size(), shape.Size()
	}
	field := shape[2:].Size()
	return shape[1] * field, shape[0] * field
}

// Draw returns the initial elements of a param. They depend only on the name, the
// shape, the init and the seed, not on the machine, the number of threads or any
// other weight. Element i depends only on these and i, so parts are drawn in
// parallel. Draw panics if the init has no known kind.
func Draw(name string, shape Shape, init Init, seed int64) *tensor.F32 {
	t := tensor.Make[float32](shape)
	drawInto(t.Data, 0, Drawer(name, shape, init, seed), init)
	return t
}

// DrawPieces draws the same elements as Draw and passes them to a function, in order,
// in pieces of at most 1<<20 elements. So even a large param needs little memory. The
// function must not keep a piece after it returns. DrawPieces stops at the first error
// of the function and returns it.
func DrawPieces(name string, shape Shape, init Init, seed int64, to func(piece []float32) error) error {
	draw := Drawer(name, shape, init, seed)
	size := shape.Size()
	piece := make([]float32, min(size, 1<<20))
	for at := 0; at < size; at += len(piece) {
		piece = piece[:min(len(piece), size-at)]
		drawInto(piece, at, draw, init)
		if err := to(piece); err != nil {
			return err
		}
	}
	return nil
}

// drawInto fills dst with the elements at, at+1 and so on.
func drawInto(dst []float32, at int, draw func([]float32, int), init Init) {
	const chunk = 1 << 15
	if init.Kind == InitConstant || len(dst) <= chunk {
		draw(dst, at)
		return
	}
	var wg sync.WaitGroup
	work := make(chan int)
	for range min(runtime.GOMAXPROCS(0), (len(dst)+chunk-1)/chunk) {
		wg.Go(func() {
			for lo := range work {
				draw(dst[lo:min(lo+chunk, len(dst))], at+lo)
			}
		})
	}
	for lo := 0; lo < len(dst); lo += chunk {
		work <- lo
	}
	close(work)
	wg.Wait()
}

// Drawer returns a function that writes some elements of Draw's result: it fills dst
// with the elements at, at+1 and so on. The function is safe for concurrent use.
// Drawer panics if the init has no known kind.
func Drawer(name string, shape Shape, init Init, seed int64) func(dst []float32, at int) {
	in, out := Fans(shape)
	var draw func(r *stream) float64
	switch init.Kind {
	case InitConstant:
		return func(dst []float32, _ int) {
			for i := range dst {
				dst[i] = float32(init.A)
			}
		}
	case InitHe:
		std := math.Sqrt(2 / float64(in))
		draw = func(r *stream) float64 { return std * r.normal() }
	case InitHeUniform:
		a := math.Sqrt(6 / float64(in))
		draw = func(r *stream) float64 { return a * (2*r.uniform() - 1) }
	case InitGlorot:
		a := math.Sqrt(6 / float64(in+out))
		draw = func(r *stream) float64 { return a * (2*r.uniform() - 1) }
	case InitXavier:
		a := math.Sqrt(3 / float64(in))
		draw = func(r *stream) float64 { return a * (2*r.uniform() - 1) }
	case InitUniform:
		draw = func(r *stream) float64 { return init.A * (2*r.uniform() - 1) }
	case InitGaussian:
		draw = func(r *stream) float64 { return init.A * r.normal() }
	case InitTrunc:
		draw = func(r *stream) float64 {
			for {
				if z := r.normal(); z >= -2 && z <= 2 {
					return init.A * z
				}
			}
		}
	default:
		panic(fmt.Sprintf("ir: param %s has no initialization", name))
	}
	key := sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, uint64(seed)), name...))
	k0, k1 := binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:16])
	return func(dst []float32, at int) {
		r := new(stream) // allocated once, because the argument of draw escapes to the heap
		for i := range dst {
			*r = stream{k0: k0, ctr: mix(k1, uint64(at+i))}
			dst[i] = float32(draw(r))
		}
	}
}

// Materialize draws the elements of every param that has no data yet.
func Materialize(g *Graph, seed int64) {
	for _, v := range g.Params {
		if g.Data[v.Name] == nil {
			g.Data[v.Name] = Draw(v.Name, v.Type.Shape, v.Param.Init, seed)
		}
	}
}

// stream is a counter-based random number generator: output n is a hash of the key,
// the element's index and n.
type stream struct{ k0, ctr, n uint64 }

// mix multiplies to 128 bits and folds the product to 64 (the mixer of wyhash, Wang
// Yi 2019).
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x2d358dccaa6c78a5, b^0x8bb84b93962eacc9)
	return hi ^ lo
}

func (r *stream) next() uint64 {
	r.n++
	return mix(mix(r.k0, r.ctr+r.n*0x9e3779b97f4a7c15), 0x4b33a62ed433d4a3)
}

// uniform returns a uniform random number in (0, 1) with 53 random bits.
func (r *stream) uniform() float64 { return (float64(r.next()>>11) + 0.5) / (1 << 53) }

// normal returns a standard normal random number, by the inverse of the distribution
// function (Wichura 1988, AS 241). The conversions float64(a*b) round products before
// they are added: they keep the compiler from fusing multiply and add, so every
// machine draws the same bits.
func (r *stream) normal() float64 { return normalQuantile(r.uniform()) }

func normalQuantile(p float64) float64 {
	q := p - 0.5
	if math.Abs(q) <= 0.425 {
		r := 0.180625 - float64(q*q)
		return q * (poly(r, 2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
			13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608) /
			poly(r, 5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
				5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1))
	}
	r := p
	if q > 0 {
		r = 1 - p
	}
	r = math.Sqrt(-Log(r))
	var z float64
	if r <= 5 {
		r -= 1.6
		z = poly(r, 7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
			3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734) /
			poly(r, 1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
				0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1)
	} else {
		r -= 5
		z = poly(r, 2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
			0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772) /
			poly(r, 2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
				0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1)
	}
	if q < 0 {
		return -z
	}
	return z
}

// poly evaluates a polynomial, highest power first.
func poly(x float64, c ...float64) float64 {
	s := 0.0
	for _, a := range c {
		s = float64(s*x) + a
	}
	return s
}

// Log is the natural logarithm with the same bits on every machine; those of math.Log
// may differ. Its relative error is below 1e-14 for the arguments used here.
func Log(x float64) float64 {
	f, e := math.Frexp(x) // x = f * 2^e, 0.5 <= f < 1
	if f < math.Sqrt2/2 {
		f *= 2
		e--
	}
	s := (f - 1) / (f + 1) // log f = 2 atanh s
	s2 := float64(s * s)
	t := 0.0
	for k := 21; k >= 1; k -= 2 {
		t = float64(t*s2) + 1/float64(k)
	}
	return float64(2*float64(s*t)) + float64(float64(e)*math.Ln2)
}
