package onnx

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir"
)

// Load reads a model from a file, with its external data, which must be in the folder of the
// file, and imports it. See Import for what it supports.
func Load(path string) (*ir.Graph, error) {
	b, err := files.Read(path, MaxModel)
	if err != nil {
		return nil, err
	}
	m, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if HasExternal(m) {
		root, err := os.OpenRoot(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		defer root.Close()
		if err := LoadExternal(m, Dir(root)); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	g, err := Import(&Model{Proto: m})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}
