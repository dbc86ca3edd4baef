package weights

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/backends/weights/arrays"
	"github.com/incc-lang/incc/backends/weights/npz"
	"github.com/incc-lang/incc/backends/weights/pytorch"
	"github.com/incc-lang/incc/ir"
)

// TestValues reads the same tensors from every container, and compares them with the
// numbers that torch had. testdata/make.py made the files.
func TestValues(t *testing.T) {
	text, err := os.Open("testdata/small.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	type want struct {
		shape string
		data  []float32
	}
	wants := map[string]want{}
	for s := bufio.NewScanner(text); s.Scan(); {
		f := strings.Fields(s.Text())
		w := want{shape: f[1]}
		for _, x := range f[2:] {
			v, err := strconv.ParseFloat(x, 32)
			if err != nil {
				t.Fatal(err)
			}
			w.data = append(w.data, float32(v))
		}
		wants[f[0]] = w
	}
	for _, name := range []string{"small.pth", "small_legacy.pth", "small_protocol4.pth", "small_checkpoint.pth", "small.npz", "small_compressed.npz"} {
		f, err := Open(filepath.Join("testdata", name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		tensors, err := f.Tensors()
		if err != nil {
			t.Fatal(name, err)
		}
		n := 0
		for _, info := range tensors.All() {
			w, ok := wants[info.Name]
			if !ok {
				t.Errorf("%s has %s", name, info.Name)
				continue
			}
			n++
			var shape []string
			for _, d := range info.Shape {
				shape = append(shape, fmt.Sprint(d))
			}
			if got := strings.Join(shape, ","); got != strings.Trim(w.shape, "-") {
				t.Errorf("%s: %s has shape %s, want %s", name, info.Name, got, w.shape)
			}
			if info.DType == safetensors.I64 {
				continue
			}
			x, err := tensors.Float32s(info.Name)
			if err != nil {
				t.Errorf("%s: %s: %v", name, info.Name, err)
				continue
			}
			if fmt.Sprint(x) != fmt.Sprint(w.data) && len(x)+len(w.data) > 0 {
				t.Errorf("%s: %s is %v, want %v", name, info.Name, x, w.data)
			}
		}
		most := len(wants)
		if strings.HasSuffix(name, ".npz") {
			most-- // NumPy has no bfloat16
		}
		if n != most {
			t.Errorf("%s has %d of %d tensors", name, n, most)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRefused: files that could run code, or that hold no weights, are errors that say so.
func TestRefused(t *testing.T) {
	for name, want := range map[string]string{
		"bad_system.pth":        "the pickle uses posix.system, which could run any code; incc never runs code from a file: save the weights alone",
		"bad_system_legacy.pth": "the pickle uses posix.system, which could run any code",
		"bad_module.pth":        "the file holds Python objects, such as one of class torch.nn.modules.linear.Linear, which only code can make",
		"bad_tensor.pth":        "the file holds a tensor, not a dictionary of tensors",
		"bad_script.pth":        "the file is a TorchScript program",
		"bad_object.npz":        "the array holds Python objects",
	} {
		if _, err := Open(filepath.Join("testdata", name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestUserBlock: HDF5 is found behind a user block, too; a file that Keras did not write is told so.
func TestUserBlock(t *testing.T) {
	_, err := Open(filepath.Join("hdf5", "testdata", "userblock.h5"))
	if err == nil || !strings.Contains(err.Error(), "no weights of Keras: it has neither the attribute layer_names") {
		t.Errorf("%v", err)
	}
}

// TestCutOff: every beginning of a file is an error or has all the tensors that it declares.
func TestCutOff(t *testing.T) {
	for _, name := range []string{"small.pth", "small_legacy.pth", "small_protocol4.pth", "small_compressed.npz"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(b); n += 1 + n/64 {
			if list, err := openBytes(b[:n]); err == nil {
				t.Errorf("the first %d bytes of %s are accepted, with %d tensors", n, name, len(list))
			}
		}
	}
}

func openBytes(b []byte) ([]arrays.Array, error) {
	if bytes.Contains(b, []byte(".npy")) {
		return npz.Open(bytes.NewReader(b), int64(len(b)))
	}
	return pytorch.Open(bytes.NewReader(b), int64(len(b)))
}

// FuzzOpen: no file panics, and no array has more elements than its file could hold.
func FuzzOpen(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.[pn]*")
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range paths {
		if b, err := os.ReadFile(p); err == nil && !strings.HasSuffix(p, ".npy") && !strings.HasSuffix(p, ".py") {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := openBytes(b)
		if err != nil {
			return
		}
		for _, a := range list {
			if a.Bytes() > 1032*int64(len(b))+64 {
				t.Fatalf("%q has %d bytes, the file %d", a.Name, a.Bytes(), len(b))
			}
		}
		tensors, err := arrays.Tensors(nil, list)
		if err != nil {
			return
		}
		for i, info := range tensors.All() {
			if i == 16 {
				break
			}
			if info.Elements() < 1<<16 {
				_, _ = tensors.Float32s(info.Name) // an error is fine
			}
		}
	})
}

// TestOf: the arrays of a safetensors file are its tensors.
func TestOf(t *testing.T) {
	var b bytes.Buffer
	w, err := safetensors.NewTensorWriter(&b, nil, []safetensors.TensorInfo{{Name: "b", Shape: []int{2}}, {Name: "a", Shape: []int{}}, {Name: "e", Shape: []int{0}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name string
		data []float32
	}{{"b", []float32{1, 2}}, {"a", []float32{3}}, {"e", nil}} {
		if err := w.Float32s(x.name, x.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	src := bytes.NewReader(b.Bytes())
	in, err := safetensors.OpenTensors(src, src.Size())
	if err != nil {
		t.Fatal(err)
	}
	out, err := arrays.Tensors(map[string]string{"k": "v"}, arrays.Of(in, src, src.Size()))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"b": "[1 2]", "a": "[3]", "e": "[]"} {
		if x, err := out.Float32s(name); err != nil || fmt.Sprint(x) != want {
			t.Errorf("%s is %v (%v), want %s", name, x, err, want)
		}
	}
	if out.Metadata()["k"] != "v" {
		t.Error("the metadata is lost")
	}
}

// TestStrided compares views with their definition.
func TestStrided(t *testing.T) {
	src := []byte("abcdefghijkl")
	r := arrays.Strided(bytes.NewReader(src), int64(len(src)), 1, 1, []int{3, 2}, []int64{1, 5})
	b := make([]byte, 6)
	if n, err := r.ReadAt(b, 0); n != 6 || err != nil || string(b) != "bgchdi" {
		t.Errorf("%q, %d, %v", b, n, err)
	}
	if n, err := r.ReadAt(b[:2], 3); n != 2 || err != nil || string(b[:2]) != "hd" {
		t.Errorf("%q, %d, %v", b[:2], n, err)
	}
	if n, err := r.ReadAt(b, 2); n != 4 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

// TestFitMap: a map is followed, and one that names what does not exist is an error.
func TestFitMap(t *testing.T) {
	b := ir.NewBuilder("x")
	b.Param("a/weight", ir.Shape{2}, ir.Param{Init: ir.Init{Kind: ir.InitConstant}})
	f := &File{Arrays: []arrays.Array{{Name: "other", DType: safetensors.F32, Shape: []int{2}, Data: bytes.NewReader(make([]byte, 8))}}}
	fit, err := Fit(b.Graph(), f, map[string]string{"a/weight": "other"})
	if err != nil || fit.Names["a/weight"] != "other" || fit.How != "by the map" {
		t.Fatal(fit, err)
	}
	if x, err := fit.Tensors.Float32s("a/weight"); err != nil || len(x) != 2 {
		t.Error(x, err)
	}
	for _, m := range []map[string]string{{"b/weight": "other"}, {"a/weight": "nothing"}} {
		if _, err := Fit(b.Graph(), f, m); err == nil {
			t.Errorf("%v is accepted", m)
		}
	}
}

// TestFitShortNames: a tensor whose name has no point and no slash is one like any other.
func TestFitShortNames(t *testing.T) {
	b := ir.NewBuilder("x")
	b.Param("conv/weight", ir.Shape{2, 1, 1, 1}, ir.Param{Init: ir.Init{Kind: ir.InitConstant}})
	b.Param("fc/weight", ir.Shape{2, 2}, ir.Param{Init: ir.Init{Kind: ir.InitConstant}})
	for _, names := range [][]string{{"w"}, {"w", "v"}, {"", "x"}, {"w", "a.b"}} {
		f := &File{}
		for i, n := range names {
			shape := [][]int{{2, 1, 1, 1}, {2, 2}}[i]
			f.Arrays = append(f.Arrays, arrays.Array{Name: n, DType: safetensors.F32, Shape: shape, Data: bytes.NewReader(make([]byte, 16))})
		}
		if fit, err := Fit(b.Graph(), f, nil); err == nil && len(names) < 2 && len(fit.Names) > 1 {
			t.Errorf("%q: %v", names, fit.Names)
		}
	}
}
