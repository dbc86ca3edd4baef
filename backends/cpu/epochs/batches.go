// Package epochs is what a training run does between its files and its steps: which images a
// step takes, how their pixels become numbers, and the learning rate.
package epochs

import "github.com/incc-lang/incc/backends/cpu/random"

// orderStream is the stream of random.Rand that Order draws from; seeds are shared.
const orderStream = 0xA0000002

// Order fills p with the order of len(p) images in an epoch: a permutation of
// 0..len(p)-1 that depends on its length, the seed and the epoch alone (Fisher and
// Yates).
func Order(p []int32, seed int64, epoch int) {
	r := random.NewRand(uint64(seed), uint32(epoch), 0, orderStream)
	for i := range p {
		p[i] = int32(i)
	}
	for i := len(p) - 1; i > 0; i-- {
		j := int(uint64(r.Uint32(uint64(i))) * uint64(i+1) >> 32)
		p[i], p[j] = p[j], p[i]
	}
}

// Pixel says what number of a training input a pixel of 0..255 becomes: it is
// scaled, shifted, and divided.
type Pixel struct{ Scale, Shift, Std float32 }

// NewPixel is the Pixel that makes lo..hi of 0..255, subtracts a mean and divides
// by a standard deviation.
func NewPixel(lo, hi, mean, std float64) Pixel {
	return Pixel{float32((hi - lo) / 255), float32(lo) - float32(mean), float32(std)}
}

// Number is what a pixel becomes; one that was blended with others need not be a
// whole number.
func (p Pixel) Number(v float32) float32 { return (float32(v*p.Scale) + p.Shift) / p.Std }
