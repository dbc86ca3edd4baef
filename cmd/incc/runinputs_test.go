package main

import (
	"encoding/binary"
	"math"
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

// TestCheckNumbers: an input takes the numbers of a file exactly, whatever their type, or the
// error says which one it does not take.
func TestCheckNumbers(t *testing.T) {
	for _, c := range []struct {
		takes ir.DType
		kind  byte
		x     float64
		want  string
	}{
		{ir.F32, 'f', 0.1, ""},
		{ir.F32, 'i', -3, ""},
		{ir.F32, 'b', 1, ""},
		{ir.F32, 'u', 1<<24 + 1, "element 1 is 16777217: float32, in which inputs are given, does not hold this integer exactly; in NumPy, x.astype(np.float32) rounds it"},
		{ir.I64, 'f', 3, ""},
		{ir.I64, 'f', 0.5, "element 1 is 0.5, but input a takes whole numbers (i64)"},
		{ir.I64, 'f', math.NaN(), "takes whole numbers"},
		{ir.I64, 'f', math.Inf(1), "but input a takes i64"},
		{ir.U8, 'i', 256, "element 1 is 256, but input a takes u8: 0 to 255"},
		{ir.I8, 'i', -128, ""},
		{ir.I8, 'i', -129, "takes i8: -128 to 127"},
		{ir.Bool, 'i', 2, "takes bool: 0 to 1"},
	} {
		in := &ir.Value{Name: "a", Type: ir.Type{DType: c.takes}}
		err := checkNumbers("x.npy", in, c.kind, []float64{1, c.x})
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%v of %c for %v: %v", c.x, c.kind, c.takes, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v of %c for %v: %v, want %s", c.x, c.kind, c.takes, err, c.want)
		}
	}
}
