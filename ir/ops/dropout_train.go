package ops

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[DropoutTrain]("dropout_train", "Drops elements at random and scales the others (Srivastava 2014).",
	ir.Example{Op: DropoutTrain{P: 0.5, Seed: 7, Layer: "a/dropout"}, In: shapes("Nx6x4x2", "i64:scalar")},
	ir.Example{Op: DropoutTrain{P: 0.25, Layer: "b"}, In: shapes("Nx10", "i64:scalar")},
	ir.Example{Op: DropoutTrain{P: 0.5}, In: shapes("Nx3"), Violates: 1},
	ir.Example{Op: DropoutTrain{P: -0.5}, In: shapes("Nx3", "i64:scalar"), Violates: 2},
).ForGradients()

// DropoutTrain is x * mask / (1-p). The mask is 0 with probability p and 1 otherwise
// (Srivastava 2014, section 4, scaled as in section 10). It depends only on seed, layer,
// step and the element's position. So threads, chunks of a batch and the memory layout
// do not change it, and a resumed run draws the same masks. The gradient of the op is
// the same op applied to dy.
//
// The random number generator is Philox4x32-10 (Salmon 2011, section 3.3). Its key is
// the first 8 bytes of SHA-256(seed as 8 bytes little endian, then the layer's name), as
// two little-endian words. Element (n, c, s) of x[N,C,...], where s is its position in
// the map (y*W + x), uses word c%4 of the generator's block with the counter (s, c/4, n,
// step mod 2^32). So four neighbouring channels share a block of the generator; in the
// layout NCHW16c they are neighbours in memory. The element is dropped if the word is
// below floor(p * 2^32).
//
// Constraints:
//
//	(1) operands x[N,C,...] and step (a scalar i64)
//	(2) 0 <= p < 1
type DropoutTrain struct {
	P     float64 `dsl:"p"`
	Seed  int     `dsl:"seed"`
	Layer string  `dsl:"layer"`
}

var dropoutSig = sig("x step:scalar/i64")

// Operands are x and step.
func (DropoutTrain) Operands() []string { return dropoutSig.names() }

// Infer returns the shape of x.
func (d DropoutTrain) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := checkChannels("dropout_train", dropoutSig, in); err != nil {
		return nil, err
	}
	if err := checkDrop("dropout_train", d.P); err != nil {
		return nil, err
	}
	return like(in[0]), nil
}

// Key returns the key of the generator.
func (d DropoutTrain) Key() (k [2]uint32) {
	h := sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, uint64(int64(d.Seed))), d.Layer...))
	return [2]uint32{binary.LittleEndian.Uint32(h[:]), binary.LittleEndian.Uint32(h[4:])}
}

// Threshold returns the word below which an element is dropped.
func (d DropoutTrain) Threshold() uint32 { return uint32(d.P * (1 << 32)) }

// Eval draws the mask element by element.
func (d DropoutTrain) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	y := in[0].Clone()
	key, below := d.Key(), d.Threshold()
	step := uint32(int64(in[1].Data[0]))
	nc := y.Shape[1]
	at := 0
	channels(y, func(c int, xs []float64) {
		image := uint32(at / (nc * len(xs)))
		for s := range xs {
			w := Philox(key, [4]uint32{uint32(s), uint32(c / 4), image, step})
			if w[c%4] < below {
				xs[s] = 0
			} else {
				xs[s] /= 1 - d.P
			}
		}
		at += len(xs)
	})
	return []*tensor.Tensor{y}, nil
}

// Philox returns the four random words of Philox4x32-10 (Salmon 2011) for a key and a
// counter.
func Philox(key [2]uint32, ctr [4]uint32) [4]uint32 {
	for range 10 {
		h0, l0 := bits.Mul32(0xD2511F53, ctr[0])
		h1, l1 := bits.Mul32(0xCD9E8D57, ctr[2])
		ctr = [4]uint32{h1 ^ ctr[1] ^ key[0], l1, h0 ^ ctr[3] ^ key[1], l0}
		key[0] += 0x9E3779B9
		key[1] += 0xBB67AE85
	}
	return ctr
}

// Cost is an estimate: a share of the generator's work, and a product.
func (DropoutTrain) Cost(_, out []ir.Type) ir.Cost { return ops1(20, out[0]) }

// Grad applies the same mask to dy.
func (d DropoutTrain) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(d, dy[0], n.In[1]), nil}
}
