package weights

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// TestMutations changes bytes of files of every kind. Nothing may panic, and reading may take
// at most 8 bytes for each byte of the file and 256 MiB. INCC_LONG=1 makes 5,000 of each of 10
// files.
func TestMutations(t *testing.T) {
	rounds := 20
	if longtest.Enabled() {
		rounds = 5000
	}
	path := filepath.Join(t.TempDir(), "mutated")
	var before, after runtime.MemStats
	for _, name := range []string{"small.pth", "small_legacy.pth", "small_checkpoint.pth", "small_protocol4.pth", "small.npz", "small_compressed.npz",
		"tiny_keras.npz", "flat.keras", "flat.h5", "flat.weights.h5"} {
		whole, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(5, 6))
		for range rounds {
			b := bytes.Clone(whole)
			for range 1 + r.IntN(4) {
				at := r.IntN(len(b))
				if r.IntN(2) == 0 {
					at = r.IntN(min(len(b), 2048))
				}
				b[at] = []byte{0, 1, 127, 255, byte(r.IntN(256))}[r.IntN(5)]
			}
			file := path + filepath.Ext(name)
			if err := os.WriteFile(file, b, 0o644); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&before)
			readAll(file)
			runtime.ReadMemStats(&after)
			// What was allocated bounds what was held at a time.
			if n := after.TotalAlloc - before.TotalAlloc; n > uint64(8*len(b)+256<<20) {
				t.Errorf("%s: reading a mutated file of %d bytes allocated %d bytes", name, len(b), n)
			}
		}
	}
}

// readAll reads what a file has. An error is fine.
func readAll(path string) {
	f, err := Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	tensors, err := f.Tensors()
	if err != nil {
		return
	}
	for _, info := range tensors.All() {
		if info.Elements() < 1<<16 {
			_, _ = tensors.Float32s(info.Name)
		}
	}
}
