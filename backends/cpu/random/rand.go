// Package random draws random numbers by counter: any number of a stream can be drawn by any
// thread, in any order.
package random

import (
	"math"

	"github.com/incc-lang/incc/backends/cpu/scalar"
)

// Rand is a counter-based random generator, Philox4x32-10 (Salmon et al., Parallel
// random numbers: as easy as 1, 2, 3, 2011). Its numbers depend on the key, the
// stream and their index alone, so any thread may draw any of them in any order.
type Rand struct {
	key    [2]uint32
	stream [3]uint32
}

// NewRand is the generator of a seed for one use: a layer at a step of an epoch,
// or whatever else the three numbers stand for.
func NewRand(seed uint64, epoch, step, layer uint32) Rand {
	return Rand{[2]uint32{uint32(seed), uint32(seed >> 32)}, [3]uint32{layer, step, epoch}}
}

// Four returns the four words of a counter: the numbers 4*i to 4*i+3 of the
// stream.
func (r Rand) Four(i uint32) [4]uint32 {
	return Philox([4]uint32{i, r.stream[0], r.stream[1], r.stream[2]}, r.key)
}

// Philox is ten rounds of Philox4x32.
func Philox(c [4]uint32, k [2]uint32) [4]uint32 {
	for range 10 {
		p, q := 0xd2511f53*uint64(c[0]), 0xcd9e8d57*uint64(c[2])
		c = [4]uint32{uint32(q>>32) ^ c[1] ^ k[0], uint32(q), uint32(p>>32) ^ c[3] ^ k[1], uint32(p)}
		k[0] += 0x9e3779b9
		k[1] += 0xbb67ae85
	}
	return c
}

// Uint32 is number i of the stream, of 2^34.
func (r Rand) Uint32(i uint64) uint32 { return r.Four(uint32(i >> 2))[i&3] }

// Float32 is number i of the stream as a uniform one of 0 <= x < 1, a multiple of
// 2^-24.
func (r Rand) Float32(i uint64) float32 { return unit(r.Uint32(i)) }

func unit(u uint32) float32 { return float32(u>>8) * 0x1p-24 }

// normals makes two normal numbers of two words (Box and Muller 1958).
func normals(a, b uint32) (x, y float32) {
	u := (float64(a) + 0.5) * 0x1p-32 // never 0
	r := math.Sqrt(-2 * float64(scalar.Log(float32(u))))
	s, c := scalar.SinCos2Pi(float64(b) * 0x1p-32)
	return float32(r * c), float32(r * s)
}

// Norm is number i of a stream of standard normal numbers, which shares its words
// with Uint32's.
func (r Rand) Norm(i uint64) float32 {
	f := r.Four(uint32(i >> 2))
	x, y := normals(f[i&2], f[i&2+1])
	if i&1 == 1 {
		return y
	}
	return x
}

// FillUniform fills dst with lo + (hi-lo)*x, x being the numbers from first on.
func (r Rand) FillUniform(dst []float32, lo, hi float32, first uint64) {
	var f [4]uint32
	for i := range dst {
		n := first + uint64(i)
		if i == 0 || n&3 == 0 {
			f = r.Four(uint32(n >> 2))
		}
		dst[i] = lo + float32((hi-lo)*unit(f[n&3]))
	}
}

// FillNormal fills dst with normal numbers, from number first on.
func (r Rand) FillNormal(dst []float32, mean, std float32, first uint64) {
	var x, y float32
	for i := range dst {
		n := first + uint64(i)
		if i == 0 || n&1 == 0 {
			f := r.Four(uint32(n >> 2))
			x, y = normals(f[n&2], f[n&2+1])
		}
		if n&1 == 0 {
			dst[i] = mean + float32(std*x)
		} else {
			dst[i] = mean + float32(std*y)
		}
	}
}

// FillTruncNormal is FillNormal with what lies more than two deviations off drawn
// again, from the same stream at 2^30 further on, and so on.
func (r Rand) FillTruncNormal(dst []float32, mean, std float32, first uint64) {
	const again, tries = 1 << 30, 15
	for i := range dst {
		var x float32
		for t := range uint64(tries) {
			if x = r.Norm(first + uint64(i) + t*again); x >= -2 && x <= 2 {
				break
			}
			x = 0 // once in 10^20
		}
		dst[i] = mean + float32(std*x)
	}
}
