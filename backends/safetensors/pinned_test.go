package safetensors_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/random"
	"github.com/incc-lang/incc/backends/safetensors"
)

// TestSafetensorsBytesArePinned: a file has the same bytes on every architecture. The
// hash changes only where the format of the header or of the data does.
func TestSafetensorsBytesArePinned(t *testing.T) {
	const pinned = "cf26c585c3ee4fb227448cafbcce05fea1461a6c58672fedb291223ea2fcbb00"
	weights := make([]float32, 2*3*16)
	random.NewRand(9, 0, 0, 1).FillNormal(weights, 0, 0.1, 0)
	infos := []safetensors.TensorInfo{
		{Name: "conv/weight", Shape: []int{2, 3, 16}},
		{Name: "conv/bias", Shape: []int{4}},
		{Name: "empty", Shape: []int{0, 7}},
		{Name: "scalar"},
	}
	file := safetensors.TestFile(t, map[string]string{"epoch": "7", "a": "\u00e9\n"}, infos, map[string][]float32{
		"conv/weight": weights, "conv/bias": {1, -2.5, 0x1p-149, math.MaxFloat32}, "scalar": {float32(math.Copysign(0, -1))},
	})
	// Numbers of known bytes, whatever the hash says.
	for _, number := range [][]byte{{0, 0, 0x20, 0xc0}, {1, 0, 0, 0}, {0xff, 0xff, 0x7f, 0x7f}, {0, 0, 0, 0x80}} {
		if !bytes.Contains(file, number) {
			t.Errorf("the file does not contain the little-endian number % x", number)
		}
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(file)); got != pinned {
		t.Errorf("the file has the SHA-256 %s, pinned is %s", got, pinned)
	}
}
