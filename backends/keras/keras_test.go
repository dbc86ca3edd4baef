package keras_test

import (
	"archive/zip"
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/keras"
	"github.com/incc-lang/incc/backends/npy"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/weights/arrays"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// openFile opens the bytes of a file.
func openFile(b []byte) (*keras.File, error) {
	return keras.Open(bytes.NewReader(b), int64(len(b)))
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func array(t *testing.T, name string) *tensor.Tensor {
	t.Helper()
	b := read(t, name)
	a, err := npy.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	x, err := a.Read()
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestModels runs whole models on the reference interpreter, and compares the outputs with
// those of Keras.
func TestModels(t *testing.T) {
	for _, c := range []struct {
		file, data      string
		inputs, outputs int
	}{
		{"small.keras", "small", 1, 1}, {"small.h5", "small", 1, 1},
		{"old.keras", "old", 1, 1}, {"old.h5", "old", 1, 1},
		{"layers.keras", "layers", 1, 1}, {"two.keras", "two", 2, 2},
	} {
		f, err := openFile(read(t, c.file))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		m, err := f.Model()
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		if problems := onnx.Verify(m); len(problems) > 0 {
			t.Errorf("%s: %v", c.file, problems)
		}
		g, err := onnx.Import(m)
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		number := func(i int) string { return []string{"", "1"}[i] }
		var xs []*tensor.Tensor
		for i := range c.inputs {
			xs = append(xs, array(t, c.data+"_x"+number(i)+".npy"))
		}
		values, err := ref.Run(g, xs, ref.Options{})
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		if len(g.Outputs) != c.outputs {
			t.Errorf("%s has %d outputs, want %d", c.file, len(g.Outputs), c.outputs)
		}
		for i, out := range g.Outputs {
			y := values[out]
			want := array(t, c.data+"_y"+number(i)+".npy")
			if d, scale := tensor.MaxDiff(y, want.Reshape(y.Shape...)); !(d <= 1e-5*scale) || !slices.Equal(y.Shape, want.Shape) {
				t.Errorf("%s: output %d differs from Keras by %g of %g; shapes %v and %v", c.file, i, d, scale, y.Shape, want.Shape)
			}
		}
	}
}

// TestArrays: the arrays of all forms of a file have the same names and elements, except those
// that a file without a description does not tell.
func TestArrays(t *testing.T) {
	for _, list := range [][]string{{"small.keras", "small.h5"}, {"old.keras", "old.h5", "old_weights.h5"}} {
		want := contents(t, list[0])
		if len(want) != 18 {
			t.Errorf("%s has %d arrays, want 18", list[0], len(want))
		}
		for _, name := range list[1:] {
			got := contents(t, name)
			for k, w := range want {
				if name == "old_weights.h5" && strings.HasSuffix(k, "/depthwise_kernel") && got[k] == "" {
					t.Errorf("%s lacks %s", name, k)
				}
				if got[k] != w {
					t.Errorf("%s and %s differ in %s", list[0], name, k)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s has %d arrays, %s %d", name, len(got), list[0], len(want))
			}
		}
	}
	f, err := openFile(read(t, "small.weights.h5"))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Arrays) != 18 || len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "scale=False") {
		t.Errorf("small.weights.h5: %d arrays, notes %q", len(f.Arrays), f.Notes)
	}
	if _, err := f.Model(); err == nil || !strings.Contains(err.Error(), "model.save") {
		t.Errorf("a model of weights alone: %v", err)
	}
}

// contents returns the elements of each array of a file, as bytes.
func contents(t *testing.T, name string) map[string]string {
	t.Helper()
	f, err := openFile(read(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	m := map[string]string{}
	for _, a := range f.Arrays {
		b := make([]byte, a.Bytes())
		if n, err := a.Data.ReadAt(b, 0); n < len(b) {
			t.Fatalf("%s: %s: %v", name, a.Name, err)
		}
		m[a.Name] = string(b)
	}
	return m
}

// TestRefused: what cannot be converted is listed at once.
func TestRefused(t *testing.T) {
	f, err := openFile(read(t, "refused.keras"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Model(); err == nil || !strings.Contains(err.Error(), `"Lambda" (1), "TimeDistributed" (1)`) {
		t.Errorf("%v", err)
	}
}

// TestOddNames: the name of a group may have any characters.
func TestOddNames(t *testing.T) {
	b := bytes.ReplaceAll(read(t, "small.weights.h5"), []byte("conv2d"), []byte("con\n2d"))
	f, err := openFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(f.Arrays, func(a arrays.Array) bool { return strings.Contains(a.Name, "con\n2d") }) {
		t.Errorf("no array has the name of its group")
	}
}

// TestDamagedDescription: a description that its weights contradict is an error of the layer.
func TestDamagedDescription(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{`"filters": 4`, `"filters": -4`, `(Conv2D): filters is "-4", and the weights have 4`},
		{`"kernel_size": [3, 3]`, `"kernel_size": [1073741824, 3]`, `kernel_size is "[1073741824, 3]", and the weights have 3 3`},
		{`"kernel_size": [3, 3]`, `"kernel_size": "3"`, "and the weights have 3 3"},
		{`"epsilon": 0.001`, `"epsilon": -1`, `(BatchNormalization): epsilon is "-1" (want a number from 0)`},
		{`"epsilon": 0.001`, `"epsilon": "x"`, `want a number from 0`},
		{`"use_bias": true`, `"use_bias": "yes"`, `Conv2D): use_bias is "yes" (want true or false)`},
		{`"strides": [1, 1]`, `"strides": "2"`, `Conv2D): strides is "2" (want a number or a list of numbers)`},
		{`"padding": "same"`, `"padding": 1`, `(Conv2D): padding is 1 (want a text)`},
		{`"groups": 1`, `"groups": [1]`, `(Conv2D): groups is [1] (want a number)`},
		{`"center": true`, `"center": 0`, `(BatchNormalization): center is 0 (want true or false)`},
		{`"activation": "softmax"`, `"activation": 7`, `(Dense): activation is 7 (want the name of a function)`},
		{`"units": 5`, `"units": 6`, `(Dense): units is "6", and the weights have 5`},
	} {
		f, err := openFile(reworded(t, read(t, "small.keras"), c.from, c.to))
		if err != nil {
			t.Errorf("%s: %v", c.to, err)
			continue
		}
		if _, err := f.Model(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.to, err, c.want)
		}
	}
}

// reworded returns a .keras file with the first occurrence of a text in its description replaced.
func reworded(t *testing.T, b []byte, from, to string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range z.File {
		r, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if e.Name == "config.json" {
			if !bytes.Contains(content, []byte(from)) {
				t.Fatalf("the description has no %s", from)
			}
			content = bytes.Replace(content, []byte(from), []byte(to), 1)
		}
		dst, err := w.CreateHeader(&zip.FileHeader{Name: e.Name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dst.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestMutations changes bytes of files: nothing may panic.
func TestMutations(t *testing.T) {
	for _, name := range []string{"small.keras", "small.h5", "old.h5", "layers.keras", "two.keras"} {
		whole := read(t, name)
		r := rand.New(rand.NewPCG(3, 4))
		for range 60 {
			b := bytes.Clone(whole)
			for range 1 + r.IntN(3) {
				b[r.IntN(len(b))] = byte(r.IntN(256))
			}
			if f, err := openFile(b); err == nil && f.Config != nil {
				_, _ = f.Model()
			}
		}
	}
}
