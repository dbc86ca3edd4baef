package data

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func idx(shape []int, data []byte) []byte {
	b := []byte{0, 0, 8, byte(len(shape))}
	for _, d := range shape {
		b = append(b, byte(d>>24), byte(d>>16), byte(d>>8), byte(d))
	}
	return append(b, data...)
}

func gz(t *testing.T, b []byte) []byte {
	t.Helper()
	var w bytes.Buffer
	z := gzip.NewWriter(&w)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

func TestReadIDXRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":     nil,
		"magic":     {1, 0, 8, 1, 0, 0, 0, 1, 5},
		"floats":    {0, 0, 13, 1, 0, 0, 0, 1, 5},
		"no axes":   {0, 0, 8, 0},
		"five axes": {0, 0, 8, 5, 0, 0, 0, 1},
		"cut axis":  {0, 0, 8, 1, 0, 0},
		"zero axis": idx([]int{0}, nil),
		"bomb":      idx([]int{1 << 14, 1 << 14, 1 << 14}, []byte{1}),
		"huge axis": {0, 0, 8, 1, 255, 255, 255, 255},
		"short":     idx([]int{3}, []byte{1, 2}),
		"long":      idx([]int{3}, []byte{1, 2, 3, 4}),
	} {
		if shape, _, err := ReadIDX(bytes.NewReader(b), maxPacked); err == nil {
			t.Errorf("%s: read as %v", name, shape)
		}
	}
}

// TestPackedIDXGrows: a compressed file is read no further than it declares, and may not
// declare more than can be in it.
func TestPackedIDXGrows(t *testing.T) {
	zeros := make([]byte, 8<<20)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"grows":        {idx([]int{3}, zeros), "goes on after its 3 elements"},
		"cut off":      {idx([]int{len(zeros) + 1}, zeros), "cut off"},
		"a gigabyte":   {idx([]int{1 << 15, 1 << 15}, zeros), "more than the file can hold"},
		"small, large": {idx([]int{1 << 20}, nil), "more than the file can hold"},
	} {
		bounded(t, 0, func() {
			_, _, err := readIDXFile(fstest.MapFS{"x.gz": {Data: gz(t, c.file)}}, "x")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		})
	}
}

func mnistFS(t *testing.T) fstest.MapFS {
	return fstest.MapFS{
		"train-images-idx3-ubyte":    {Data: idx([]int{2, 2, 3}, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})},
		"train-labels-idx1-ubyte.gz": {Data: gz(t, idx([]int{2}, []byte{9, 0}))},
		"t10k-images-idx3-ubyte.gz":  {Data: gz(t, idx([]int{1, 2, 3}, []byte{6, 5, 4, 3, 2, 1}))},
		"t10k-labels-idx1-ubyte":     {Data: idx([]int{1}, []byte{3})},
	}
}

func TestReadMNIST(t *testing.T) {
	s, err := ReadMNIST(mnistFS(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.Train.Len() != 2 || s.Train.H != 2 || s.Train.W != 3 || s.Train.Labels[0] != 9 || s.Train.pixels(1)[0] != 7 || s.Test.pixels(0)[0] != 6 {
		t.Errorf("read as %+v, %+v", s.Train, s.Test)
	}
	for name, f := range map[string][]byte{
		"t10k-labels-idx1-ubyte":    idx([]int{2}, []byte{3, 3}),          // not as many as images
		"train-images-idx3-ubyte":   idx([]int{12}, make([]byte, 12)),     // no images
		"t10k-images-idx3-ubyte.gz": gz(t, idx([]int{1, 2, 3}, nil))[:20], // cut off
	} {
		dir := mnistFS(t)
		dir[name] = &fstest.MapFile{Data: f}
		if _, err := ReadMNIST(dir); err == nil {
			t.Errorf("a wrong %s was read", name)
		}
	}
}

// TestReadKnown reads folders with the names that archives and other programs give to files.
func TestReadKnown(t *testing.T) {
	images, labels := idx([]int{2, 1, 1}, []byte{1, 2}), idx([]int{2}, []byte{1, 26})
	mnist := func(names string) fstest.MapFS {
		dir := fstest.MapFS{}
		for i, n := range strings.Fields(names) {
			dir[n] = &fstest.MapFile{Data: [][]byte{images, labels}[i%2]}
		}
		return dir
	}
	letters := "emnist-letters-train-images-idx3-ubyte emnist-letters-train-labels-idx1-ubyte emnist-letters-test-images-idx3-ubyte emnist-letters-test-labels-idx1-ubyte"
	digits := strings.ReplaceAll(letters, "letters", "digits")
	cifar := fstest.MapFS{}
	for _, name := range []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"} {
		cifar["c/cifar-10-batches-bin/"+name] = &fstest.MapFile{Data: make([]byte, 3073)}
	}
	for name, c := range map[string]struct {
		dir  fstest.MapFS
		want string // the numbers of images and of classes, or what the error contains
	}{
		"dots":          {mnist("train-images.idx3-ubyte train-labels.idx1-ubyte t10k-images.idx3-ubyte t10k-labels.idx1-ubyte"), "2 27"},
		"letters":       {mnist(letters), "2 27"},
		"torchvision":   {mnist("MNIST/raw/train-images-idx3-ubyte MNIST/raw/train-labels-idx1-ubyte MNIST/raw/t10k-images-idx3-ubyte MNIST/raw/t10k-labels-idx1-ubyte"), "2 27"},
		"two sets":      {mnist(letters + " " + digits), `several data sets, "emnist-digits", "emnist-letters"`},
		"two folders":   {mnist("a/train-images-idx3-ubyte a/train-labels-idx1-ubyte b/train-images-idx3-ubyte b/train-labels-idx1-ubyte"), `in "a", "b"`},
		"one is gone":   {mnist("m/train-images-idx3-ubyte m/train-labels-idx1-ubyte m/t10k-images-idx3-ubyte"), "m: neither t10k-labels"},
		"CIFAR, inside": {cifar, "5 10"},
		"Python's 10":   {fstest.MapFS{"data_batch_1": {}, "batches.meta": {}}, "cifar-10-binary.tar.gz"},
		"Python's 100":  {fstest.MapFS{"x/train": {}, "x/meta": {}, "x/test": {}}, "cifar-100-binary.tar.gz"},
		"pictures":      {fstest.MapFS{"train/a/1.png": {}, "meta": {}, "b/data_batch_1/2.png": {}}, "none"},
	} {
		s, err := ReadKnown(c.dir)
		got := "none"
		if err != nil {
			got = err.Error()
		} else if s != nil {
			got = fmt.Sprint(s.Train.Len(), s.Train.Classes)
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestReadCIFAR(t *testing.T) {
	dir := fstest.MapFS{"batches.meta.txt": {Data: []byte("airplane automobile bird cat deer dog frog horse ship truck\n")}}
	for i, name := range []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"} {
		rec := bytes.Repeat([]byte{byte(i)}, 3073)
		dir[name] = &fstest.MapFile{Data: append(rec, rec...)}
	}
	s, err := ReadCIFAR(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Train.Len() != 10 || s.Train.Labels[9] != 4 || s.Train.pixels(9)[0] != 4 || s.Test.Len() != 2 || s.Train.Names[3] != "cat" {
		t.Errorf("CIFAR-10 reads as %d and %d images", s.Train.Len(), s.Test.Len())
	}
	dir["test_batch.bin"].Data = dir["test_batch.bin"].Data[1:]
	if _, err := ReadCIFAR(dir); err == nil {
		t.Error("a torn record was read")
	}
	rec := append([]byte{3, 99}, make([]byte, 3072)...)
	hundred := fstest.MapFS{"train.bin": {Data: rec}, "test.bin": {Data: rec}}
	if s, err = ReadCIFAR(hundred); err != nil || s.Train.Labels[0] != 99 || s.Train.Classes != 100 {
		t.Errorf("CIFAR-100: %v", err)
	}
}

// TestDownload serves the files on loopback: a mirror that answers with an error
// or other bytes is passed over, what was fetched is checked, and nothing is
// fetched twice.
func TestDownload(t *testing.T) {
	content := map[string][]byte{"a.gz": []byte("first"), "b.gz": []byte("second")}
	files := map[string]string{}
	for n, b := range content {
		h := sha256.Sum256(b)
		files[n] = hex.EncodeToString(h[:])
	}
	hits := 0
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		w.Write(content[strings.TrimPrefix(r.URL.Path, "/")]) // a broken pipe shows on the other side
	}))
	defer good.Close()
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("something else")) // likewise
	}))
	defer evil.Close()
	missing := httptest.NewServer(http.NotFoundHandler())
	defer missing.Close()
	dir := filepath.Join(t.TempDir(), "mnist")
	say := func(string) {}
	if err := download(context.Background(), good.Client(), []string{missing.URL + "/", evil.URL + "/"}, files, dir, say); err == nil {
		t.Fatal("wrong bytes were taken")
	}
	if es, _ := os.ReadDir(dir); len(es) != 0 {
		t.Errorf("%v was left behind", es)
	}
	for range 2 {
		if err := download(context.Background(), good.Client(), []string{missing.URL + "/", evil.URL + "/", good.URL + "/"}, files, dir, say); err != nil {
			t.Fatal(err)
		}
	}
	if hits != 2 {
		t.Errorf("%d requests for 2 files", hits)
	}
}

// TestMNIST reads the real files, where the go command can get them.
func TestMNIST(t *testing.T) {
	dir, err := mnistFromModule(context.Background(), func(string) {})
	if err != nil {
		t.Skip("MNIST is not to be had here: ", err)
	}
	s, err := ReadMNIST(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if s.Train.Len() != 60000 || s.Test.Len() != 10000 || s.Train.H != 28 || s.Train.Labels[0] != 5 || s.Test.Labels[0] != 7 {
		t.Errorf("MNIST has %d and %d images, the first labels %d and %d", s.Train.Len(), s.Test.Len(), s.Train.Labels[0], s.Test.Labels[0])
	}
}
