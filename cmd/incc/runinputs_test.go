package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
)

// TestInputOfIntegers: an integer that float32 does not hold is refused where it is read.
func TestInputOfIntegers(t *testing.T) {
	in := &ir.Value{Name: "a", Type: ir.Type{DType: ir.I64, Shape: ir.Shape{ir.Batch, 2}}}
	g := &ir.Graph{Name: "net", Inputs: []*ir.Value{in}}
	for _, c := range []struct {
		x    int64
		fits bool
	}{{1 << 24, true}, {-1 << 40, true}, {1<<24 + 1, false}, {1<<40 + 1, false}, {1<<53 + 1, false}, {-1 << 62, false}} {
		head := "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2), }\n"
		b := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), 0)
		b = append(b, head...)
		b = binary.LittleEndian.AppendUint64(b, 7)
		b = binary.LittleEndian.AppendUint64(b, uint64(c.x))
		path := filepath.Join(t.TempDir(), "a.npy")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := readInput(g, path)
		switch {
		case c.fits && (err != nil || x.Data[1] != float64(c.x)):
			t.Errorf("%d: %v, %v", c.x, x, err)
		case !c.fits && (err == nil || !strings.Contains(err.Error(), "element 1 is")):
			t.Errorf("%d: %v", c.x, err)
		}
	}
}
