package main

import (
	"bytes"
	"path/filepath"
	"strings"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/keras"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/weights/names"
)

// beginsLikeKeras reports whether a file that begins with head is one of Keras: HDF5, or a ZIP
// archive with the extension of Keras.
func beginsLikeKeras(head []byte, path string) bool {
	return bytes.HasPrefix(head, []byte("\x89HDF\r\n\x1a\n")) ||
		bytes.HasPrefix(head, []byte("PK\x03\x04")) && strings.EqualFold(filepath.Ext(path), ".keras")
}

func isKeras(path string) bool { return beginsLikeKeras(beginning(path), path) }

// readKeras reads a whole model of Keras as an ONNX model.
func readKeras(path string) (*onnx.Model, error) {
	f, size, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	k, err := keras.Open(f, size)
	if err != nil {
		return nil, err
	}
	return k.Model()
}

// kerasClass returns the table of the class whose weights a file of Keras has, nil if incc knows
// none.
func kerasClass(path string) *names.Table {
	f, size, err := files.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	k, err := keras.Open(f, size)
	if err != nil {
		return nil
	}
	var list []string
	for _, a := range k.Arrays {
		list = append(list, a.Name)
	}
	return names.KerasClass(list)
}
