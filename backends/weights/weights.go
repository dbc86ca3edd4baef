// Package weights reads the weights of networks from files of several kinds, and gives
// tensors the names and shapes that a network of incc has for them.
//
// The kinds are: safetensors; files of PyTorch's torch.save (.pt, .pth), by package pytorch;
// archives of NumPy arrays (.npz), by package npz; files of Keras (.keras, .h5), by package
// keras; and ONNX models. No kind of file can run
// code, and the memory that reading takes is bounded by the size of the file.
package weights

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/keras"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/backends/weights/arrays"
	"github.com/incc-lang/incc/backends/weights/hdf5"
	"github.com/incc-lang/incc/backends/weights/npz"
	"github.com/incc-lang/incc/backends/weights/pytorch"
	"github.com/incc-lang/incc/backends/weights/zipfile"
)

// File is an open file of weights.
type File struct {
	Kind   string // safetensors, PyTorch, NumPy, Keras or ONNX
	Meta   map[string]string
	Arrays []arrays.Array // in the order of the file
	Notes  []string       // what reading the file assumed

	whole   bool // the file of Keras has the network, too
	tensors *safetensors.Tensors
	close   func() error
}

// Close closes the file. Its arrays cannot be read then.
func (f *File) Close() error { return f.close() }

// Tensors returns the arrays under their own names.
func (f *File) Tensors() (*safetensors.Tensors, error) {
	if f.tensors != nil {
		return f.tensors, nil
	}
	return arrays.Tensors(f.Meta, f.Arrays)
}

// FromModel returns the weights of an ONNX model, whose external data has been loaded.
func FromModel(m *onnx.Model) (*File, error) {
	list, err := onnx.Weights(m)
	return &File{Kind: "ONNX", Arrays: list, close: func() error { return nil }}, err
}

// Open opens a file of weights. The kind of the file is recognized by its contents. An ONNX
// model must hold its weights itself; FromModel takes one with external data.
func Open(path string) (*File, error) {
	f, size, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	w, err := open(f, size, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	if w.close == nil {
		w.close = f.Close
	}
	return w, nil
}

func open(f *os.File, size int64, path string) (*File, error) {
	head := make([]byte, 16)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if n == 0 {
		return nil, errors.New("the file is empty")
	}
	w := &File{}
	kind := kindOf(head[:n], filepath.Ext(path))
	if kind == "" && head[8] != '{' && hdf5.Is(f, size) {
		kind = "hdf5" // behind a user block
	}
	switch kind {
	case "zip":
		z, err := zipfile.Open(f, size)
		if err != nil {
			return nil, err
		}
		if keras.IsArchive(z) {
			k, err := keras.OpenArchive(z)
			return w.keras(k, err)
		}
		if z.Find(func(name string) bool { return strings.HasSuffix(name, ".npy") }) != nil {
			w.Kind = "NumPy"
			w.Arrays, err = npz.Open(f, size)
		} else {
			w.Kind = "PyTorch"
			w.Arrays, err = pytorch.Open(f, size)
		}
		return w, err
	case "pickle":
		w.Kind = "PyTorch"
		w.Arrays, err = pytorch.Open(f, size)
		return w, err
	case "hdf5":
		k, err := keras.Open(f, size)
		return w.keras(k, err)
	case "onnx":
		b, err := files.Read(path, onnx.MaxModel)
		if err != nil {
			return nil, err
		}
		m, err := onnx.Decode(b)
		if err != nil {
			return nil, err
		}
		if onnx.HasExternal(m) {
			return nil, errors.New("the weights of the model are in other files")
		}
		return FromModel(&onnx.Model{Proto: m})
	}
	w.Kind = "safetensors"
	if w.tensors, err = safetensors.OpenTensors(f, size); err != nil {
		return nil, err
	}
	w.Meta = w.tensors.Metadata()
	w.Arrays = arrays.Of(w.tensors, f, size)
	return w, nil
}

// keras takes over what a file of Keras holds.
func (w *File) keras(k *keras.File, err error) (*File, error) {
	if err != nil {
		return nil, err
	}
	w.Kind, w.Arrays, w.Notes, w.whole = "Keras", k.Arrays, k.Notes, k.Config != nil
	return w, nil
}

// kindOf returns the kind of a file, "" for safetensors, by its first bytes and its
// extension.
func kindOf(head []byte, ext string) string {
	begins := func(s string) bool { return strings.HasPrefix(string(head), s) }
	switch {
	case begins("PK\x03\x04"):
		return "zip"
	case begins("\x89HDF\r\n\x1a\n"):
		return "hdf5"
	case len(head) > 8 && head[8] == '{': // the header of safetensors
		return ""
	case begins("\x80\x02"), begins("\x80\x03"), begins("\x80\x04"), begins("\x80\x05"):
		return "pickle"
	case strings.EqualFold(ext, ".onnx"), len(head) > 2 && head[0] == 8 && head[1] < 32:
		return "onnx"
	}
	return ""
}

// Describe returns how a file is told of in messages.
func (f *File) Describe() string { return fmt.Sprintf("%s, %d tensors", f.Kind, len(f.Arrays)) }
