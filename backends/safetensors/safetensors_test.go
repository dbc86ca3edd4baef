package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/ir/irtest/cputime"
	"github.com/incc-lang/incc/ir/irtest/longtest"
)

func writeTensors(t testing.TB, meta map[string]string, infos []TensorInfo, data map[string][]float32) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewTensorWriter(&b, meta, infos)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		d := data[i.Name]
		for len(d) > 0 { // in pieces
			n := min(len(d), 1000)
			if err := w.Float32s(i.Name, d[:n]); err != nil {
				t.Fatal(err)
			}
			d = d[n:]
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sample(t testing.TB) ([]byte, []TensorInfo, map[string][]float32) {
	r := rand.New(rand.NewPCG(20, 0))
	infos := []TensorInfo{
		{Name: "conv1/weight", Shape: []int{4, 3, 3, 3}},
		{Name: "empty", Shape: []int{0, 7}},
		{Name: "scalar"},
		{Name: "a\"b\\c\n\u00e9\u2028\U0001f600/bias", Shape: []int{67}},
		{Name: "fc/weight", Shape: []int{100, 30}},
	}
	data := map[string][]float32{}
	for _, i := range infos {
		d := make([]float32, i.Elements())
		for j := range d {
			d[j] = float32(r.NormFloat64())
		}
		data[i.Name] = d
	}
	return writeTensors(t, map[string]string{"b": "2\t\"", "a": "1", "": ""}, infos, data), infos, data
}

func TestSafetensorsRoundTrip(t *testing.T) {
	file, infos, data := sample(t)
	again, _, _ := sample(t)
	if !bytes.Equal(file, again) {
		t.Error("the same contents gave other bytes")
	}
	shifted := append([]byte{0}, file...)[1:] // an address that is not a multiple of 4
	for name, open := range map[string]func() (*Tensors, error){
		"memory":    func() (*Tensors, error) { return ParseTensors(file) },
		"unaligned": func() (*Tensors, error) { return ParseTensors(shifted) },
		"reader":    func() (*Tensors, error) { return OpenTensors(bytes.NewReader(file), int64(len(file))) },
	} {
		ts, err := open()
		if err != nil {
			t.Fatal(name, err)
		}
		if m := ts.Metadata(); len(m) != 3 || m["a"] != "1" || m["b"] != "2\t\"" {
			t.Errorf("%s: metadata %q", name, m)
		}
		if ts.base%64 != 0 {
			t.Errorf("the data begin at byte %d", ts.base)
		}
		if len(ts.All()) != len(infos) {
			t.Errorf("%s: %d tensors", name, len(ts.All()))
		}
		for _, i := range infos {
			got, ok := ts.Info(i.Name)
			if !ok || !slices.Equal(got.Shape, i.Shape) || got.DType != F32 {
				t.Errorf("%s: %q is %v", name, i.Name, got)
			}
			v, err := ts.Float32s(i.Name)
			if err != nil || !slices.Equal(v, data[i.Name]) {
				t.Errorf("%s: %q differs: %v", name, i.Name, err)
			}
			v = make([]float32, i.Elements())
			if err := ts.ReadInto(v, i.Name); err != nil || !slices.Equal(v, data[i.Name]) {
				t.Errorf("%s: %q differs: %v", name, i.Name, err)
			}
			if err := ts.ReadInto(make([]float32, i.Elements()+1), i.Name); err == nil {
				t.Errorf("%s: %q fits a longer slice", name, i.Name)
			}
		}
		if _, err := ts.Float32s("missing"); err == nil {
			t.Errorf("%s: a tensor that is not there", name)
		}
	}
}

func TestSafetensorsIsZeroCopy(t *testing.T) {
	file, _, _ := sample(t)
	mem := make([]float32, len(file)/4+1)
	aligned := floatBytes(mem)[:copy(floatBytes(mem), file)]
	ts, err := ParseTensors(aligned)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = ts.Float32s("fc/weight") }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func TestSafetensorsConvertsOtherTypes(t *testing.T) {
	want := []float32{0, 1, -2, 0.5, 65504, -0x1p-24, 0x1p-14, 1.0009765625}
	half := []uint16{0, 0x3c00, 0xc000, 0x3800, 0x7bff, 0x8001, 0x0400, 0x3c01}
	var f64, bf []byte
	for _, x := range want {
		f64 = binary.LittleEndian.AppendUint64(f64, math.Float64bits(float64(x)))
		bf = binary.LittleEndian.AppendUint16(bf, uint16(math.Float32bits(x)>>16))
	}
	var f16 []byte
	for _, h := range half {
		f16 = binary.LittleEndian.AppendUint16(f16, h)
	}
	var b bytes.Buffer
	w, err := NewTensorWriter(&b, nil, []TensorInfo{{Name: "d", DType: F64, Shape: []int{8}}, {Name: "h", DType: F16, Shape: []int{8}}, {Name: "b", DType: BF16, Shape: []int{2, 4}}, {Name: "i", DType: I64, Shape: []int{1}}})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(w.Bytes("d", f64), w.Bytes("h", f16), w.Bytes("b", bf), w.Bytes("i", make([]byte, 8)), w.Close())
	if err != nil {
		t.Fatal(err)
	}
	ts, err := ParseTensors(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d", "h", "b"} {
		got, err := ts.Float32s(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			x := want[i]
			if name == "b" {
				x = math.Float32frombits(math.Float32bits(x) &^ 0xffff)
			}
			if got[i] != x {
				t.Errorf("%s %d: %g, want %g", name, i, got[i], x)
			}
		}
	}
	if _, err := ts.Float32s("i"); err == nil || !strings.Contains(err.Error(), "I64") {
		t.Errorf("integers as float32: %v", err)
	}
	if raw, err := ts.Bytes("i"); err != nil || len(raw) != 8 {
		t.Errorf("integers as bytes: %v, %v", raw, err)
	}
	for h := range 1 << 16 { // every half against its definition
		e, m := h>>10&31, float64(h&0x3ff)
		v := math.Ldexp(1+m/1024, e-15)
		switch e {
		case 0:
			v = math.Ldexp(m, -24)
		case 31:
			if v = math.Inf(1); m != 0 {
				v = math.NaN()
			}
		}
		if h >= 1<<15 {
			v = -v
		}
		if got := float64(fromF16(uint16(h))); got != v && !(got != got && v != v) {
			t.Fatalf("half %#04x is %g, want %g", h, got, v)
		}
	}
}

func TestSafetensorsRefusesWhatIsNotFinite(t *testing.T) {
	for _, x := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		w, err := NewTensorWriter(io.Discard, nil, []TensorInfo{{Name: "x", Shape: []int{3}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Float32s("x", []float32{1, 2, x}); err == nil || !strings.Contains(err.Error(), "element 2") {
			t.Errorf("writing %g: %v", x, err)
		}
		file := writeTensors(t, nil, []TensorInfo{{Name: "x", Shape: []int{70000}}}, map[string][]float32{"x": make([]float32, 70000)})
		binary.LittleEndian.PutUint32(file[len(file)-4:], math.Float32bits(x))
		mem, err := ParseTensors(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mem.Float32s("x"); err == nil || !strings.Contains(err.Error(), "element 69999") {
			t.Errorf("reading %g: %v", x, err)
		}
		src, err := OpenTensors(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := src.Float32s("x"); err == nil || !strings.Contains(err.Error(), "element 69999") {
			t.Errorf("reading %g: %v", x, err)
		}
	}
	var b bytes.Buffer
	w, err := NewTensorWriter(&b, nil, []TensorInfo{{Name: "x", DType: F64, Shape: []int{1}}})
	if err := errors.Join(err, w.Bytes("x", binary.LittleEndian.AppendUint64(nil, math.Float64bits(1e39)))); err != nil {
		t.Fatal(err)
	}
	ts, err := ParseTensors(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ts.Float32s("x"); err == nil {
		t.Error("1e39 became a float32")
	}
}

func TestTensorWriterErrors(t *testing.T) {
	one := []TensorInfo{{Name: "x", Shape: []int{2}}}
	long := strings.Repeat("n", maxName+1)
	for name, infos := range map[string][]TensorInfo{
		"twice":    {{Name: "x"}, {Name: "x"}},
		"metadata": {{Name: "__metadata__"}},
		"utf8":     {{Name: "\xff"}},
		"long":     {{Name: long}},
		"dtype":    {{Name: "x", DType: "F31"}},
		"negative": {{Name: "x", Shape: []int{-1}}},
		"overflow": {{Name: "x", Shape: []int{1 << 30, 1 << 30, 1 << 30}}},
		"rank":     {{Name: "x", Shape: make([]int, maxRank+1)}},
	} {
		if _, err := NewTensorWriter(io.Discard, nil, infos); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, write := range map[string]func(w *TensorWriter) error{
		"too little": func(w *TensorWriter) error { return errors.Join(w.Float32s("x", make([]float32, 1)), w.Close()) },
		"too much":   func(w *TensorWriter) error { return w.Float32s("x", make([]float32, 3)) },
		"wrong name": func(w *TensorWriter) error { return w.Float32s("y", make([]float32, 1)) },
		"after": func(w *TensorWriter) error {
			return errors.Join(w.Float32s("x", make([]float32, 2)), w.Float32s("x", make([]float32, 1)))
		},
	} {
		w, err := NewTensorWriter(io.Discard, nil, one)
		if err != nil {
			t.Fatal(err)
		}
		if write(w) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for n := range 3 { // every write fails once
		w, err := NewTensorWriter(&failing{n}, nil, one)
		if err == nil {
			err = errors.Join(w.Float32s("x", make([]float32, 2)), w.Close())
		}
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write %d failed: %v", n, err)
		}
	}
}

type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// rawFile makes a file of a header and data bytes of data.
func rawFile(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func TestSafetensorsBombs(t *testing.T) {
	tensor := func(name, dtype, shape string, begin, end any) string {
		return fmt.Sprintf(`"%s":{"dtype":"%s","shape":[%s],"data_offsets":[%v,%v]}`, name, dtype, shape, begin, end)
	}
	x := tensor("x", "F32", "2", 0, 8)
	bombs := map[string][]byte{
		"empty file":             {},
		"seven bytes":            make([]byte, 7),
		"header of 2^64-1":       append(bytes.Repeat([]byte{0xff}, 8), make([]byte, 100)...),
		"header of 2^63":         append([]byte{0, 0, 0, 0, 0, 0, 0, 0x80}, make([]byte, 100)...),
		"header past the end":    append([]byte{101, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 100)...),
		"header of 100 MB":       append(binary.LittleEndian.AppendUint64(nil, 100_000_000), make([]byte, 100)...),
		"empty header":           rawFile("", 0),
		"not JSON":               rawFile("hello", 0),
		"space before the brace": rawFile(" {"+x+"}", 8),
		"array of arrays":        rawFile(strings.Repeat("[", 1<<20), 0),
		"object of objects":      rawFile(strings.Repeat(`{"a":`, 1<<20), 0),
		"nested metadata":        rawFile(`{"__metadata__":{"a":{"b":"c"}},`+x+`}`, 8),
		"metadata number":        rawFile(`{"__metadata__":{"a":1},`+x+`}`, 8),
		"metadata twice":         rawFile(`{"__metadata__":{},"__metadata__":{},`+x+`}`, 8),
		"metadata key twice":     rawFile(`{"__metadata__":{"a":"1","a":"2"},`+x+`}`, 8),
		"tensor twice":           rawFile(`{`+x+`,`+tensor("x", "F32", "2", 8, 16)+`}`, 16),
		"tensor twice, escaped":  rawFile(`{`+x+`,`+tensor(`\u0078`, "F32", "2", 8, 16)+`}`, 16),
		"key twice":              rawFile(`{"x":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8),
		"key missing":            rawFile(`{"x":{"dtype":"F32","shape":[2]}}`, 8),
		"key unknown":            rawFile(`{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"z":0}}`, 8),
		"gap before":             rawFile(`{`+tensor("x", "F32", "2", 4, 12)+`}`, 12),
		"gap between":            rawFile(`{`+x+`,`+tensor("y", "F32", "1", 12, 16)+`}`, 16),
		"gap behind":             rawFile(`{`+x+`}`, 9),
		"overlap":                rawFile(`{`+x+`,`+tensor("y", "F32", "2", 4, 12)+`}`, 12),
		"the same bytes":         rawFile(`{`+x+`,`+tensor("y", "F32", "2", 0, 8)+`}`, 8),
		"cut short":              rawFile(`{`+x+`}`, 7),
		"backwards":              rawFile(`{`+tensor("x", "F32", "2", 8, 0)+`}`, 8),
		"negative offset":        rawFile(`{`+tensor("x", "F32", "2", -8, 0)+`}`, 8),
		"three offsets":          rawFile(`{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}`, 8),
		"offset 2^64":            rawFile(`{`+tensor("x", "F32", "2", 0, "18446744073709551624")+`}`, 8),
		"offset 8.0":             rawFile(`{`+tensor("x", "F32", "2", 0, "8.0")+`}`, 8),
		"offset 08":              rawFile(`{`+tensor("x", "F32", "2", 0, "08")+`}`, 8),
		"offset 8e0":             rawFile(`{`+tensor("x", "F32", "2", 0, "8e0")+`}`, 8),
		"wrong size":             rawFile(`{`+tensor("x", "F32", "3", 0, 8)+`}`, 8),
		"product of 2^64":        rawFile(`{`+tensor("x", "F32", "4294967296,4294967296,1", 0, 0)+`}`, 0),
		"product of 2^64+8":      rawFile(`{`+tensor("x", "U8", "2305843009213693953,8", 0, 8)+`}`, 8),
		"zero times a lot":       rawFile(`{`+tensor("x", "F32", "0,4611686018427387904,4611686018427387904", 0, 0)+`}`, 0),
		"a thousand axes":        rawFile(`{`+tensor("x", "F32", strings.Repeat("1,", 999)+"2", 0, 8)+`}`, 8),
		"unknown dtype":          rawFile(`{`+tensor("x", "F33", "2", 0, 8)+`}`, 8),
		"empty dtype":            rawFile(`{`+tensor("x", "", "2", 0, 8)+`}`, 8),
		"invalid UTF-8":          rawFile("{"+tensor("\xff", "F32", "2", 0, 8)+"}", 8),
		"control character":      rawFile("{"+tensor("a\nb", "F32", "2", 0, 8)+"}", 8),
		"lone surrogate":         rawFile(`{`+tensor(`\ud800`, "F32", "2", 0, 8)+`}`, 8),
		"bad escape":             rawFile(`{`+tensor(`\x`, "F32", "2", 0, 8)+`}`, 8),
		"endless string":         rawFile(`{"`+strings.Repeat("a", 1<<20), 0),
		"endless escape":         rawFile(`{"a\`, 0),
		"long name":              rawFile(`{`+tensor(strings.Repeat("a", 1<<20), "F32", "2", 0, 8)+`}`, 8),
		"trailing comma":         rawFile(`{`+x+`,}`, 8),
		"text behind":            rawFile(`{`+x+`}x`, 8),
		"two objects":            rawFile(`{`+x+`}{`+x+`}`, 8),
		"many tensors": func() []byte {
			var b strings.Builder
			for i := range maxTensors + 1 {
				fmt.Fprintf(&b, `,"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`, i)
			}
			return rawFile("{"+b.String()[1:]+"}", 0)
		}(),
	}
	for name, file := range bombs {
		since := cputime.Start()
		ts, err := ParseTensors(file)
		if err == nil {
			t.Errorf("%s: accepted, %v", name, ts.All())
		} else if !strings.HasPrefix(err.Error(), "safetensors: ") || len(err.Error()) > 2500 {
			t.Errorf("%s: %.300s", name, err)
		}
		if d := since(); d > time.Second && runtime.GOARCH == "amd64" || d > 10*time.Second { // others may be emulated
			t.Errorf("%s took %v", name, d)
		}
	}
	// Lies about the size of the file.
	file := rawFile(`{`+x+`}`, 8)
	for _, size := range []int64{-1, 0, 8, int64(len(file)) - 1, int64(len(file)) + 1, math.MaxInt64} {
		if _, err := OpenTensors(bytes.NewReader(file), size); err == nil {
			t.Errorf("size %d accepted", size)
		}
	}
	if _, err := ParseTensors(rawFile(`{}`, 0)); err != nil {
		t.Errorf("no tensors: %v", err)
	}
	if _, err := ParseTensors(rawFile("{ \"x\" : { \"dtype\" :\t\"F32\",\r\n\"shape\":[ 2 ] , \"data_offsets\":[0,8]} }  ", 8)); err != nil {
		t.Errorf("spaces: %v", err)
	}
}

// TestSafetensorsMutated reads mutated files to the end: no panic, no memory out
// of proportion.
func TestSafetensorsMutated(t *testing.T) {
	file, _, _ := sample(t)
	n := longtest.Count(10_000, 40_000, 500_000)
	r := rand.New(rand.NewPCG(21, 0))
	tokens := []string{`"`, `{`, `}`, `[`, `]`, `,`, `:`, `0`, `9`, `18446744073709551615`, `4294967296`, `-1`, `F16`, `F64`, `I8`, `\u0000`, `\`, `dtype`, `__metadata__`, ` `, "\x00", "\xff"}
	header := int(binary.LittleEndian.Uint64(file)) + 8
	accepted := 0
	for i := range n {
		b := slices.Clone(file)
		for range 1 + r.IntN(4) {
			at := r.IntN(min(len(b), header))
			switch r.IntN(7) {
			case 0:
				b[at] ^= 1 << r.IntN(8)
			case 1:
				b[at] = byte(r.IntN(256))
			case 2:
				b = slices.Insert(b, at, []byte(tokens[r.IntN(len(tokens))])...)
			case 3:
				b = slices.Delete(b, at, min(len(b), at+1+r.IntN(20)))
			case 4:
				copy(b[at:], tokens[r.IntN(len(tokens))])
			case 5:
				b = b[:r.IntN(len(b)+1)]
			case 6:
				if len(b) > 8 { // a header length that fits
					binary.LittleEndian.PutUint64(b, uint64(r.IntN(len(b)-8)))
				}
			}
			if len(b) == 0 {
				break
			}
		}
		ts, err := ParseTensors(b)
		if err != nil {
			continue
		}
		accepted++
		for _, info := range ts.All() {
			if v, err := ts.Float32s(info.Name); err == nil && len(v) != info.Elements() {
				t.Fatalf("file %d: %v has %d elements", i, info, len(v))
			}
			if v, err := ts.Bytes(info.Name); err == nil && len(v) != info.Elements()*info.DType.Size() {
				t.Fatalf("file %d: %v has %d bytes", i, info, len(v))
			}
		}
	}
	t.Logf("%d of %d accepted", accepted, n)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.Sys > 256<<20+8*uint64(len(file)) && !longtest.Enabled() {
		t.Errorf("%d MB from the system", m.Sys>>20)
	}
}

// FuzzSafetensors opens any bytes as a safetensors file and reads every tensor: the answer
// is a tensor of the declared size or an error.
func FuzzSafetensors(f *testing.F) {
	file, _, _ := sample(f)
	f.Add(file)
	for _, header := range []string{
		`{}`,
		`{"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}`,
		`{"w":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},"__metadata__":{"a":"b"}}`,
		`{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}`,
	} {
		f.Add(rawFile(header, 8))
	}
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 127})
	f.Fuzz(func(t *testing.T, b []byte) {
		ts, err := ParseTensors(b)
		if err != nil {
			return
		}
		for _, info := range ts.All() {
			if v, err := ts.Float32s(info.Name); err == nil && len(v) != info.Elements() {
				t.Errorf("%q has %d numbers, the header says %d", info.Name, len(v), info.Elements())
			}
		}
	})
}

func TestTensorsMatch(t *testing.T) {
	var b bytes.Buffer
	have := []TensorInfo{{Name: "a", Shape: []int{2}}, {Name: "b", Shape: []int{}}}
	if err := EncodeTensors(&b, nil, have, func([]float32, int) error { return nil }); err != nil {
		t.Fatal(err)
	}
	f, err := ParseTensors(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Match(have[:1]); err != nil {
		t.Error(err)
	}
	err = f.Match([]TensorInfo{{Name: "a", Shape: []int{1, 2}}, {Name: "b"}, {Name: "c"}})
	if want := `"a" is [2] in the file, [1 2] in the network, "c" is not in the file`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := f.Match(make([]TensorInfo, 50)); err == nil || !strings.HasSuffix(err.Error(), "and 30 more") {
		t.Error(err)
	}
}

// TestTensorsReadAt reads ranges of every type; a number that is not finite is told
// by its place in the tensor, and a file that has become shorter is an error.
func TestTensorsReadAt(t *testing.T) {
	var file bytes.Buffer
	w, err := NewTensorWriter(&file, nil, []TensorInfo{{Name: "x", Shape: []int{3, 5}}, {Name: "h", DType: BF16, Shape: []int{4}}})
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 15)
	for i := range x {
		x[i] = float32(i)
	}
	if err := w.Float32s("x", x); err != nil {
		t.Fatal(err)
	}
	if err := w.Bytes("h", []byte{0x80, 0x3f, 0x00, 0x40, 0xc0, 0x7f, 0x80, 0x40}); err != nil { // 1, 2, NaN, 4
		t.Fatal(err)
	}
	b := file.Bytes()
	mem, err := ParseTensors(b)
	if err != nil {
		t.Fatal(err)
	}
	src := &shrinking{b: b}
	behind, err := OpenTensors(src, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*Tensors{mem, behind} {
		got := make([]float32, 4)
		if err := f.ReadAt(got, "x", 7); err != nil || !slices.Equal(got, x[7:11]) {
			t.Errorf("%v, %v", got, err)
		}
		if err := f.ReadAt(got[:2], "h", 0); err != nil || !slices.Equal(got[:2], []float32{1, 2}) {
			t.Errorf("%v, %v", got, err)
		}
		if err := f.ReadAt(got[:1], "h", 3); err != nil || got[0] != 4 {
			t.Errorf("%v, %v", got, err)
		}
		if err := f.ReadAt(got[:3], "h", 1); err == nil || !strings.Contains(err.Error(), `element 2 of tensor "h" is NaN`) {
			t.Error(err)
		}
		for _, at := range []int{-1, 12, math.MaxInt} {
			if err := f.ReadAt(got, "x", at); err == nil {
				t.Errorf("reads four elements from number %d on", at)
			}
		}
	}
	src.b = b[:len(b)-20]
	if err := behind.ReadAt(x[:5], "x", 10); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Error(err)
	}
}

type shrinking struct{ b []byte }

func (s *shrinking) ReadAt(p []byte, off int64) (int, error) { return readerAt(s.b).ReadAt(p, off) }

func BenchmarkSafetensors(b *testing.B) {
	const n = 7 << 20
	file := writeTensors(b, nil, []TensorInfo{{Name: "w", Shape: []int{n}}}, map[string][]float32{"w": make([]float32, n)})
	b.SetBytes(4 * n)
	for b.Loop() {
		ts, err := ParseTensors(file)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ts.Float32s("w"); err != nil {
			b.Fatal(err)
		}
	}
}
