package npy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/tensor"
)

func read(b []byte) (*tensor.Tensor, error) {
	a, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return a.Read()
}

// TestNumPy reads the files that NumPy wrote (testdata/make.py).
func TestNumPy(t *testing.T) {
	names, err := filepath.Glob("testdata/*.npy")
	if err != nil || len(names) < 40 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		base := strings.TrimSuffix(filepath.Base(name), ".npy")
		shape, value := []int{2, 3, 4}, func(i int) float64 { return float64(i) }
		kind := strings.TrimPrefix(strings.TrimPrefix(base, "le_"), "be_")
		switch {
		case base == "empty", base == "complex", base == "records", base == "object":
			want := map[string]string{"empty": "no elements", "complex": `type "<c8"`, "records": "records", "object": `type "|O"`}[base]
			if _, err := read(b); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", base, err, want)
			}
			continue
		case base == "scalar":
			shape, value = []int{}, func(int) float64 { return 7 }
		case base == "vector":
			shape = []int{5}
		case kind[0] == 'b':
			value = func(i int) float64 {
				if i%3 == 0 {
					return 1
				}
				return 0
			}
		case kind[0] == 'f':
			value = func(i int) float64 { return float64(i*5-60) / 4 }
		case kind[0] == 'i':
			value = func(i int) float64 { return float64(i*5 - 60) }
		case kind[0] == 'u':
			value = func(i int) float64 { return float64(i * 5) }
		}
		x, err := read(b)
		if err != nil {
			t.Errorf("%s: %v", base, err)
			continue
		}
		if !slices.Equal(x.Shape, shape) {
			t.Errorf("%s has shape %v, want %v", base, x.Shape, shape)
		}
		for i, v := range x.Data {
			if v != value(i) {
				t.Errorf("%s: element %d is %v, want %v", base, i, v, value(i))
				break
			}
		}
		for _, n := range []int{1, 9, 11, len(b) / 2, len(b) - 1} {
			if _, err := read(b[:n]); err == nil {
				t.Errorf("%s is read after %d of its %d bytes", base, n, len(b))
			}
		}
		if _, err := read(append(b[:len(b):len(b)], 0)); err == nil {
			t.Errorf("%s is read with another byte behind it", base)
		}
	}
}

// file makes a file of version 1.
func file(header string, data ...byte) []byte {
	return append(append(binary.LittleEndian.AppendUint16([]byte(magic+"\x01\x00"), uint16(len(header))), header...), data...)
}

func TestHeaders(t *testing.T) {
	for header, want := range map[string]string{
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n":  "",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2L,), }":   "",
		"{'shape':(2,),'fortran_order':True,\"descr\":\"u1\"}":         "",
		"{ 'descr' : '|u1' , 'fortran_order' : False,'shape' : ( 2 )}": "",
		"": "does not begin with {",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), ":                              "where a string belongs",
		"{'descr': '|u1', 'fortran_order': False}":                                              `lacks the key "shape"`,
		"{'descr': '|u1', 'descr': '|u1'}":                                                      `has the key "descr" twice`,
		"{'descr': '|u1', 'fortran_order': 0, 'shape': (2,)}":                                   "want True or False",
		"{'descr': '|u1', 'fortran_order': False, 'shape': [2]}":                                "want a tuple",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (-2,)}":                              "where a length belongs",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2 2)}":                              "after a length",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2,)} x":                             "goes on after }",
		"{'descr': '|u1' 'fortran_order': False, 'shape': (2,)}":                                "neither , nor }",
		"{'descr': '|u1, 'fortran_order': False":                                                "",
		"{'descr': '\\n1'}":                                                                     "a string that does not end",
		"{'more': 1, 'descr': '|u1'}":                                                           "unknown key",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,)}":                      "where a length belongs",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (65536,65536,65536,65536)}":          "does not fit in a file",
		"{'descr': '', 'fortran_order': False, 'shape': (2,)}":                                  `type ""`,
		"{'descr': '|u1', 'fortran_order': False, 'shape': (" + strings.Repeat("1,", 65) + ")}": "more than 64 dimensions",
	} {
		x, err := read(file(header, 5, 6))
		if strings.Contains(header, "'|u1, ") {
			want = "has neither"
		}
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", header, err)
		case want == "" && (x.Data[0] != 5 || x.Data[1] != 6):
			t.Errorf("%s is read as %v", header, x.Data)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %s", header, err, want)
		}
	}
}

// TestBombs: a header that declares more data than the file has is an error, and little
// memory is allocated for it.
func TestBombs(t *testing.T) {
	for name, b := range map[string][]byte{
		"a header of 4 GiB":     []byte(magic + "\x02\x00\xff\xff\xff\xff"),
		"a header that is long": append([]byte(magic+"\x02\x00\x00\x00\x02\x00"), bytes.Repeat([]byte(" "), 1<<17)...),
		"version 9":             []byte(magic + "\x09\x00\x00\x00\x00\x00"),
		"no header":             file(""),
		"many elements":         file("{'descr': '<f8', 'fortran_order': True, 'shape': (2147483647,2147483647)}", 1),
		"a terabyte":            file("{'descr': '|u1', 'fortran_order': False, 'shape': (1048576,1048576)}", 1),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := read(b)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s is read", name)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: %d bytes are allocated", name, got)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, shape := range [][]int{{}, {1}, {7}, {2, 3}, {1, 3, 5, 4}, {2, 1, 1, 1, 3}} {
		x := tensor.Make[float32](shape)
		for i := range x.Data {
			x.Data[i] = float32(i) - 2.5
		}
		x.Data[0] = float32(math.Inf(1))
		var b bytes.Buffer
		if err := Write(&b, x); err != nil {
			t.Fatal(err)
		}
		if n := b.Len() - 4*len(x.Data); n%64 != 0 {
			t.Errorf("%v: the elements begin at byte %d, want a multiple of 64", shape, n)
		}
		y, err := read(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(x.Shape, y.Shape) || !slices.Equal(y.Data, tensor.Widen(x).Data) {
			t.Errorf("%v reads back as %v", shape, y.Shape)
		}
	}
	// NumPy's bytes of the same array.
	want, err := os.ReadFile("testdata/vector.npy")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Write(&b, tensor.Of([]float32{0, 1, 2, 3, 4}, 5)); err != nil || !bytes.Equal(b.Bytes(), want) {
		t.Errorf("written as\n%q\nwant\n%q (%v)", &b, want, err)
	}
}

func FuzzRead(f *testing.F) {
	names, err := filepath.Glob("testdata/*.npy")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(file("{'descr': '|u1', 'fortran_order': True, 'shape': (2L, 1,), }\n", 1, 2))
	f.Add([]byte(magic + "\x02\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := read(b)
		if err != nil {
			return
		}
		if n := tensor.Size(x.Shape); n != len(x.Data) || n < 1 || n > len(b) {
			t.Fatal(fmt.Sprint("shape ", x.Shape, ", ", len(x.Data), " elements of ", len(b), " bytes"))
		}
	})
}
