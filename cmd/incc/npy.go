package main

import (
	"bufio"
	"fmt"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/npy"
	"github.com/incc-lang/incc/ir/tensor"
)

// readNPY reads a NumPy file. If check is not nil, readNPY calls it before it reads the
// elements, and returns its error.
func readNPY(path string, check func(a *npy.Array) error) (*tensor.Tensor, error) {
	f, size, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := npy.Open(bufio.NewReaderSize(f, 1<<16), size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if check != nil {
		if err := check(a); err != nil {
			return nil, err
		}
	}
	t, err := a.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}
