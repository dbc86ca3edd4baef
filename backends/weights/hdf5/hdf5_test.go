package hdf5

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/backends/weights/arrays"
)

func open(b []byte) (*Object, error) {
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return f.Root()
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// walk visits all arrays below a group.
func walk(o *Object, path string, depth int, visit func(path string, a arrays.Array, err error)) error {
	if depth > 8 {
		return fmt.Errorf("the groups are nested deeper than 8")
	}
	list, err := o.Links()
	if err != nil {
		return err
	}
	for _, l := range list {
		child, err := o.Open(l)
		if err != nil {
			return err
		}
		if child.IsArray() {
			a, err := child.Array()
			visit(path+l.Name, a, err)
		} else if err := walk(child, path+l.Name+"/", depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}

// numbers returns the elements of an array as float64.
func numbers(a arrays.Array) ([]float64, error) {
	b := make([]byte, a.Bytes())
	if n, err := a.Data.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("%d of %d bytes: %w", n, len(b), err)
	}
	var out []float64
	le := binary.LittleEndian
	for i := 0; i < len(b); i += a.DType.Size() {
		e := b[i:]
		switch a.DType {
		case safetensors.F16:
			out = append(out, half(le.Uint16(e)))
		case safetensors.F32:
			out = append(out, float64(math.Float32frombits(le.Uint32(e))))
		case safetensors.F64:
			out = append(out, math.Float64frombits(le.Uint64(e)))
		case safetensors.I8:
			out = append(out, float64(int8(e[0])))
		case safetensors.I32:
			out = append(out, float64(int32(le.Uint32(e))))
		case safetensors.I64:
			out = append(out, float64(int64(le.Uint64(e))))
		case safetensors.U16:
			out = append(out, float64(le.Uint16(e)))
		default:
			return nil, fmt.Errorf("type %s", a.DType)
		}
	}
	return out, nil
}

// half returns a normal float16 or 0.
func half(h uint16) float64 {
	if h&0x7fff == 0 {
		return 0
	}
	x := math.Ldexp(1+float64(h&1023)/1024, int(h>>10&31)-15)
	if h>>15 != 0 {
		x = -x
	}
	return x
}

// TestValues reads every array of the files that h5py wrote, in the oldest and the newest
// format, and compares the elements with those that h5py read.
func TestValues(t *testing.T) {
	want := map[string]string{}
	for line := range strings.Lines(string(read(t, "values.txt"))) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		want[name] = rest
	}
	for _, name := range []string{"old.h5", "new.h5"} {
		root, err := open(read(t, name))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = walk(root, "", 0, func(path string, a arrays.Array, err error) {
			if err != nil {
				t.Errorf("%s: %s: %v", name, path, err)
				return
			}
			x, err := numbers(a)
			if err != nil {
				t.Errorf("%s: %s: %v", name, path, err)
				return
			}
			n++
			got := strings.ReplaceAll(strings.Trim(fmt.Sprint(a.Shape), "[]"), " ", ",")
			if len(a.Shape) == 0 {
				got = "-"
			}
			for _, v := range x {
				got += " " + strconv.FormatFloat(v, 'g', -1, 64)
			}
			if norm(got) != norm(want[path]) {
				t.Errorf("%s: %s is %.200s, want %.200s", name, path, got, want[path])
			}
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n != len(want) {
			t.Errorf("%s has %d arrays, want %d", name, n, len(want))
		}
	}
}

// norm writes numbers as Go does.
func norm(s string) string {
	f := strings.Fields(s)
	for i, x := range f {
		if v, err := strconv.ParseFloat(x, 64); err == nil {
			f[i] = fmt.Sprint(v)
		}
	}
	return strings.Join(f, " ")
}

// TestAttributes reads strings of both kinds, and attributes in a heap.
func TestAttributes(t *testing.T) {
	for _, name := range []string{"old.h5", "new.h5"} {
		root, err := open(read(t, name))
		if err != nil {
			t.Fatal(err)
		}
		o, err := root.Find("attributes")
		if o == nil || err != nil {
			t.Fatal(err)
		}
		for _, attr := range []string{"fixed", "variable"} {
			list, _, err := o.Strings(attr)
			if err != nil || len(list) != 40 || list[39] != "a/rather/long/name/of/a/layer_39" {
				t.Errorf("%s: %s is %q, %v", name, attr, list, err)
			}
		}
		for attr, want := range map[string]string{"one": "[a text]", "none": "[]", "attribute_number_7": "[value 7]", "attribute_number_59": "[value 59]", "missing": "[]"} {
			list, found, err := o.Strings(attr)
			if err != nil || fmt.Sprint(list) != want || found != (attr != "missing") {
				t.Errorf("%s: %s is %q, %t, %v", name, attr, list, found, err)
			}
		}
		if _, _, err := o.Strings("number"); err == nil || !strings.Contains(err.Error(), "does not hold strings") {
			t.Errorf("%s: a number: %v", name, err)
		}
	}
}

// TestUserBlock: the file begins behind 512 bytes of others.
func TestUserBlock(t *testing.T) {
	root, err := open(read(t, "userblock.h5"))
	if err != nil {
		t.Fatal(err)
	}
	o, err := root.Find("a")
	if err != nil {
		t.Fatal(err)
	}
	a, err := o.Array()
	if err != nil {
		t.Fatal(err)
	}
	if x, err := numbers(a); err != nil || len(x) != 15 || x[0] != -3 || x[14] != -3+14./8 {
		t.Error(x, err)
	}
}

// TestRefused: what is no HDF5 file, or was cut off, is an error with a place.
func TestRefused(t *testing.T) {
	if _, err := open([]byte("something else that is no HDF5 file")); err == nil {
		t.Error("any bytes are accepted")
	}
	b := read(t, "old.h5")
	for n := 0; n < len(b)-2000; n += 1 + len(b)/50 {
		if arrays, err := everything(b[:n]); err == nil && arrays > 120 {
			t.Errorf("the first %d bytes are read without an error", n)
		}
	}
	cut := bytes.Clone(b[:len(b)/2])
	if _, err := everything(cut); err == nil || !strings.Contains(err.Error(), "at byte") {
		t.Errorf("half a file: %v", err)
	}
}

// everything reads all that a file has: it returns how many arrays could be read.
func everything(b []byte) (n int, err error) {
	root, err := open(b)
	if err != nil {
		return 0, err
	}
	first := err
	err = walk(root, "", 0, func(_ string, a arrays.Array, err error) {
		if err == nil && a.Bytes() < 1<<20 {
			_, err = a.Data.ReadAt(make([]byte, a.Bytes()), 0)
		}
		if err != nil && err != io.EOF {
			first = err
			return
		}
		n++
	})
	if o, err := root.Find("attributes"); err == nil && o != nil {
		_, _, _ = o.Strings("variable")
		_, _, _ = o.Strings("attribute_number_7")
	}
	if err == nil {
		err = first
	}
	return n, err
}

// TestMutations changes bytes of files. Nothing may panic, and no array may be larger than
// the limits allow.
func TestMutations(t *testing.T) {
	for _, name := range []string{"old.h5", "new.h5"} {
		whole := read(t, name)
		r := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			b := bytes.Clone(whole)
			for range 1 + r.IntN(4) {
				b[mutable(r, len(b))] = []byte{0, 1, 255, 128, byte(r.IntN(256))}[r.IntN(5)]
			}
			_, _ = everything(b)
		}
	}
}

// mutable returns a place in a file, the beginning more often than the rest.
func mutable(r *rand.Rand, n int) int {
	if r.IntN(2) == 0 {
		return r.IntN(min(n, 4096))
	}
	return r.IntN(n)
}
