package safetensors

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

// nearest returns the distance from x to the nearest of all finite numbers of a type of 16 bits.
func nearest(widen func(uint16) float32, x float32) float64 {
	best := math.Inf(1)
	for h := range 1 << 16 {
		if y := widen(uint16(h)); y-y == 0 {
			best = math.Min(best, math.Abs(float64(y)-float64(x)))
		}
	}
	return best
}

// TestNarrowTo: rounding finds the nearest of all numbers of the type, ties go to the even one, and
// what a file gives back is Wide.
func TestNarrowTo(t *testing.T) {
	values := []float32{0, 1, -1, 1.0 / 3, 65504, -65519, 6.1e-5, 6.097e-5, 5.96e-8, 2.98e-8, 2.99e-8, -1e-9, 3.14159, 1 + 1.0/2048, 1 + 3.0/2048, 2047.5, 1e-3, -0.7}
	widen := map[DType]func(uint16) float32{F16: fromF16, BF16: func(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }}
	for d, w := range widen {
		n, err := NarrowTo(d, values, len(values))
		if err != nil {
			t.Fatal(d, err)
		}
		for i, x := range values {
			if got, want := math.Abs(float64(n.Wide[i])-float64(x)), nearest(w, x); got != want {
				t.Errorf("%s: %v becomes %v, %g away; the nearest is %g away", d, x, n.Wide[i], got, want)
			}
		}
		for h := range 1 << 16 { // what the type holds stays
			x := w(uint16(h))
			if x-x != 0 {
				continue
			}
			if n, err := NarrowTo(d, []float32{x}, 1); err != nil || math.Float32bits(n.Wide[0]) != math.Float32bits(x) {
				t.Fatalf("%s: %v becomes %v, %v", d, x, n, err)
			}
		}
	}
	// 1 + 1/2048 lies in the middle of two halves: the even one is 1. 1 + 3/2048 goes up.
	n, _ := NarrowTo(F16, []float32{1 + 1.0/2048, 1 + 3.0/2048}, 1)
	if n.Wide[0] != 1 || n.Wide[1] != 1+2.0/1024 {
		t.Errorf("ties: %v", n.Wide)
	}
	for _, x := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
		for _, d := range []DType{F16, BF16, I8} {
			if _, err := NarrowTo(d, []float32{1, x}, 1); err == nil || !strings.Contains(err.Error(), "element 1") {
				t.Errorf("%v as %s: %v", x, d, err)
			}
		}
	}
	if _, err := NarrowTo(F16, []float32{1, 65520}, 1); err == nil || !strings.Contains(err.Error(), "element 1") {
		t.Errorf("65520 as F16: %v", err)
	}
	n, err := NarrowTo(I8, []float32{1.27, -0.635, 0.005, 0, 0, 0, 254, 127, 3}, 3)
	if err != nil {
		t.Fatal(err)
	}
	// 0.005 / 0.01 is below a half in float32; a row of zeros stays zero; 127 / 2 and 3 / 2 are ties.
	if want := []int8{127, -64, 0, 0, 0, 0, 127, 64, 2}; !bytes.Equal(n.Bytes, asBytes(want)) {
		t.Errorf("I8: %v, want %v", n.Bytes, want)
	}
}

func asBytes(v []int8) (b []byte) {
	for _, x := range v {
		b = append(b, byte(x))
	}
	return b
}

// TestScaled: a file gives back the numbers of an I8 tensor with scales, from any element on, in
// memory or not, and says what is missing.
func TestScaled(t *testing.T) {
	v := make([]float32, 3*70000)
	for i := range v {
		v[i] = float32(math.Sin(float64(i))) * float32(1+i/70000)
	}
	n, err := NarrowTo(I8, v, 3)
	if err != nil {
		t.Fatal(err)
	}
	file := func(infos ...TensorInfo) []byte {
		var b bytes.Buffer
		w, err := NewTensorWriter(&b, nil, infos)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range infos {
			if i.DType == I8 {
				err = w.Bytes(i.Name, n.Bytes)
			} else {
				err = w.Float32s(i.Name, n.Scales[:i.Shape[0]])
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return b.Bytes()
	}
	weight := TensorInfo{Name: "w", DType: I8, Shape: []int{3, 70000}}
	b := file(weight, TensorInfo{Name: "w" + ScaleSuffix, Shape: []int{3}})
	inMemory, err := ParseTensors(b)
	if err != nil {
		t.Fatal(err)
	}
	onDisk, err := OpenTensors(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*Tensors{inMemory, onDisk} {
		got, err := f.Float32s("w")
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range got {
			if x != n.Wide[i] || math.Abs(float64(x-v[i])) > float64(n.Scales[i/70000])*0.5001 {
				t.Fatalf("element %d is %v, stored %v for %v", i, x, n.Wide[i], v[i])
			}
		}
		part := make([]float32, 9)
		if err := f.ReadAt(part, "w", 69996); err != nil {
			t.Fatal(err)
		}
		for i, x := range part {
			if x != n.Wide[69996+i] {
				t.Fatalf("element %d is %v, want %v", 69996+i, x, n.Wide[69996+i])
			}
		}
	}
	for _, more := range [][]TensorInfo{nil, {{Name: "w.scale", Shape: []int{2}}}} {
		f, err := ParseTensors(file(append([]TensorInfo{weight}, more...)...))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Float32s("w"); err == nil || !strings.Contains(err.Error(), `"w.scale"`) {
			t.Errorf("without scales: %v", err)
		}
	}
}
