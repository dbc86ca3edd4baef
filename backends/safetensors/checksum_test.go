package safetensors

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bitwiseCRC is CRC-32C by its definition, a bit at a time.
func bitwiseCRC(b []byte) uint32 {
	crc := ^uint32(0)
	for _, x := range b {
		crc ^= uint32(x)
		for range 8 {
			crc = crc>>1 ^ (crc&1)*0x82f63b78
		}
	}
	return ^crc
}

// saved is a file with a checksum, of tensors a [2,3], empty and b [1].
func saved(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w.safetensors")
	infos := []TensorInfo{{Name: "a", Shape: []int{2, 3}}, {Name: "empty", Shape: []int{0}}, {Name: "b", Shape: []int{1}}}
	values := [][]float32{{1, -2.5, 3, 0, 1e-30, 6}, {}, {0.5}}
	if err := SaveTensors(path, map[string]string{"net": "x", checksumKey: "of another file"}, infos, func(dst []float32, i int) error { copy(dst, values[i]); return nil }); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// open opens a file from memory and from a reader.
func open(t *testing.T, b []byte) [2]*Tensors {
	t.Helper()
	mem, err := ParseTensors(b)
	if err != nil {
		t.Fatal(err)
	}
	read, err := OpenTensors(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return [2]*Tensors{mem, read}
}

// TestVerify: a file that was written verifies, and no longer if any bit of a tensor or of
// its name is another.
func TestVerify(t *testing.T) {
	if got := bitwiseCRC([]byte("123456789")); got != 0xe3069283 {
		t.Fatalf("%x", got) // the check value of CRC-32C in RFC 3720
	}
	b := saved(t)
	for _, f := range open(t, b) {
		if err := f.Verify(); err != nil {
			t.Fatal(err)
		}
		sum := uint32(0)
		for _, info := range f.All() {
			data, err := f.Bytes(info.Name)
			if err != nil {
				t.Fatal(err)
			}
			sum += bitwiseCRC(append([]byte(info.Name+"\x00"), data...))
		}
		if want := fmt.Sprintf("%08x", sum); f.Metadata()[checksumKey] != want || f.Metadata()["net"] != "x" {
			t.Fatalf("metadata %v, want the checksum %s", f.Metadata(), want)
		}
	}
	data := len(b) - 7*4
	for bit := data * 8; bit < len(b)*8; bit++ {
		bad := bytes.Clone(b)
		bad[bit/8] ^= 1 << (bit % 8)
		for _, f := range open(t, bad) {
			if err := f.Verify(); err == nil || !strings.Contains(err.Error(), "the file is damaged") {
				t.Fatalf("bit %d flipped: %v", bit, err)
			}
		}
	}
	for _, f := range open(t, bytes.Replace(b, []byte(`"empty"`), []byte(`"emptz"`), 1)) {
		if err := f.Verify(); err == nil {
			t.Error("another name is not noticed")
		}
	}
	for _, f := range open(t, bytes.Replace(b, []byte(`"`+checksumKey+`":"`), []byte(`"incc.crc32x":"`), 1)) {
		if err := f.Verify(); err != nil {
			t.Errorf("without a checksum: %v", err)
		}
	}
}

// TestVerifyAnotherOrder: the checksum is the same in another order of the tensors, as
// other programs write them; a writer does not keep a checksum of other tensors.
func TestVerifyAnotherOrder(t *testing.T) {
	f := open(t, saved(t))[0]
	write := func(sum string) *Tensors {
		t.Helper()
		infos := []TensorInfo{{Name: "b", Shape: []int{1}}, {Name: "a", Shape: []int{2, 3}}, {Name: "empty", Shape: []int{0}}}
		var b bytes.Buffer
		w, err := newTensorWriter(&b, f.Metadata(), sum, infos)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range infos {
			v, err := f.Float32s(in.Name)
			if err == nil {
				err = w.Float32s(in.Name, v)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return open(t, b.Bytes())[1]
	}
	if err := write(f.Metadata()[checksumKey]).Verify(); err != nil {
		t.Error(err)
	}
	if sum, ok := write("").Metadata()[checksumKey]; ok {
		t.Errorf("the checksum %s of other tensors was kept", sum)
	}
	if f.Metadata()[checksumKey] == "" {
		t.Error("the metadata of the caller were changed")
	}
}

// TestVerifyShortRead: a file that cannot be read is an error.
func TestVerifyShortRead(t *testing.T) {
	b := saved(t)
	s := &shrinking{b}
	f, err := OpenTensors(s, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	s.b = b[:len(b)-1]
	if err := f.Verify(); err == nil || !strings.Contains(err.Error(), io.ErrUnexpectedEOF.Error()) {
		t.Errorf("%v", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	path := filepath.Join(b.TempDir(), "w.safetensors")
	const n = 25 << 20
	if err := SaveTensors(path, nil, []TensorInfo{{Name: "a", Shape: []int{n}}}, func([]float32, int) error { return nil }); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	for _, verify := range []bool{false, true} {
		b.Run(fmt.Sprintf("verify=%t", verify), func(b *testing.B) {
			b.SetBytes(4 * n)
			for b.Loop() {
				t, err := OpenTensors(f, info.Size())
				if err == nil && verify {
					err = t.Verify()
				}
				if err == nil {
					_, err = t.Float32s("a")
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
