package onnx_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/fstest"
	"time"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/cputime"
	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// TestMutatedExports changes bytes of models that other programs wrote, and of their external data,
// and reads them as the commands do. Nothing may panic; reading may take at most 8 bytes for
// each byte of the files and 256 MiB, and two seconds. A graph that comes out is sound. INCC_LONG=1
// makes 50,000 copies.
func TestMutatedExports(t *testing.T) {
	var seeds [][2][]byte // model and external data
	for _, name := range []string{"exports/old.onnx", "exports/new.onnx", "classifier.onnx", "detector.onnx", "qdq_u8.onnx", "qoperator_s8.onnx"} {
		path := filepath.Join("testdata", filepath.FromSlash(name))
		model, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := os.ReadFile(path + ".data") // only new.onnx has it
		seeds = append(seeds, [2][]byte{model, data})
		if g, err := readModel(model, data); err != nil || g == nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	r := rand.New(rand.NewPCG(5, 7))
	var before, after runtime.MemStats
	imported := 0
	n := longtest.Count(600, 10_000, 50_000)
	for i := range n {
		seed := seeds[i%len(seeds)]
		model, data := mutate(r, seed[0]), seed[1]
		if len(data) > 0 && r.IntN(4) == 0 {
			data = mutate(r, data)
		}
		runtime.ReadMemStats(&before)
		since := cputime.Start()
		g, err := readModel(model, data)
		took := since()
		runtime.ReadMemStats(&after)
		// What was allocated bounds what was held at a time.
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(256<<20+8*(len(model)+len(data))); got > most {
			t.Errorf("copy %d: %d bytes of a model take %d bytes of memory, want at most %d", i, len(model)+len(data), got, most)
		}
		if took > 2*time.Second {
			t.Errorf("copy %d takes %v", i, took)
		}
		if err != nil {
			continue
		}
		imported++
		if err := ir.Verify(g); err != nil {
			t.Errorf("copy %d: %v", i, err)
		}
	}
	if imported < n/20 || imported == n {
		t.Errorf("%d of %d copies are imported: the changes are too coarse or too fine", imported, n)
	}
}

// mutate returns a copy of bytes with up to four changes: of a bit, of a byte, of a run of bytes that is
// removed or written twice, or of the end that is cut off.
func mutate(r *rand.Rand, whole []byte) []byte {
	b := bytes.Clone(whole)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(b))
		to := min(len(b), at+1+r.IntN(64))
		switch r.IntN(16) {
		case 0:
			b = append(b[:at:at], b[to:]...)
		case 1:
			b = append(b[:to:to], b[at:]...)
		case 2:
			b = b[:at+1]
		case 3, 4, 5, 6, 7:
			b[at] = []byte{0, 1, 127, 255, byte(r.IntN(256))}[r.IntN(5)]
		default:
			b[at] ^= 1 << r.IntN(8)
		}
		if len(b) == 0 {
			b = []byte{0}
		}
	}
	return b
}

// readModel decodes a model, reads its external data from the file that the seed names, verifies and
// imports it.
func readModel(model, data []byte) (*ir.Graph, error) {
	p, err := onnx.Decode(model)
	if err != nil {
		return nil, err
	}
	if onnx.HasExternal(p) {
		if err := onnx.LoadExternal(p, besideModel{fstest.MapFS{"new.onnx.data": {Data: data}}}); err != nil {
			return nil, err
		}
	}
	m := &onnx.Model{Proto: p}
	onnx.Verify(m)
	return onnx.Import(m)
}
