package compress

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/passes/lowrank"
)

// Cache keeps decompositions, which take seconds for large layers, for weights with the same
// elements. A nil Cache keeps nothing. It is not for several goroutines at once.
type Cache struct {
	matrices map[[sha256.Size]byte]*lowrank.Decomposition
	tuckers  map[[sha256.Size]byte]*lowrank.Tucker
}

// digest identifies a decomposition of a kind by the shape and the elements of the weights.
func digest(kind byte, w *tensor.F32) (sum [sha256.Size]byte) {
	h := sha256.New()
	buf := []byte{kind}
	for _, n := range w.Shape {
		buf = binary.LittleEndian.AppendUint64(buf, uint64(n))
	}
	for _, x := range w.Data {
		if buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(x)); len(buf) > 1<<16 {
			h.Write(buf)
			buf = buf[:0]
		}
	}
	h.Write(buf)
	h.Sum(sum[:0])
	return sum
}

// kept returns what list has for a key, or makes it.
func kept[T any](list *map[[sha256.Size]byte]*T, key [sha256.Size]byte, make func() (*T, error)) (*T, error) {
	if x := (*list)[key]; x != nil {
		return x, nil
	}
	x, err := make()
	if err != nil {
		return nil, err
	}
	if *list == nil {
		*list = map[[sha256.Size]byte]*T{}
	}
	(*list)[key] = x
	return x, nil
}

// matrix decomposes the weights of a 1x1 convolution or a dense layer as a matrix [O,C].
func (c *Cache) matrix(w *tensor.F32) (*lowrank.Decomposition, error) {
	if c == nil {
		c = &Cache{}
	}
	return kept(&c.matrices, digest('m', w), func() (*lowrank.Decomposition, error) {
		return lowrank.Matrix{Rows: w.Shape[0], Cols: w.Shape[1], Data: tensor.Widen(w).Data}.Decompose()
	})
}

func (c *Cache) pair(w *tensor.F32) (*lowrank.Decomposition, error) {
	if c == nil {
		c = &Cache{}
	}
	return kept(&c.matrices, digest('p', w), func() (*lowrank.Decomposition, error) { return passes.DecomposePair(w) })
}

func (c *Cache) tucker(w *tensor.F32) (*lowrank.Tucker, error) {
	if c == nil {
		c = &Cache{}
	}
	return kept(&c.tuckers, digest('t', w), func() (*lowrank.Tucker, error) { return lowrank.NewTucker(w) })
}
