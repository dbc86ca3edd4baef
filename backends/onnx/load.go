package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// LoadOptions are the options of Load and ReadFile. The zero value reads a model and its
// external data from one folder.
type LoadOptions struct {
	// Root is a folder above the model's, "" for the model's own. The model and its external
	// data may be symbolic links to other places in Root, as in the caches of model hubs.
	Root string
	// MaxExternal is the largest size of the external data in bytes, 0 for any. A larger size
	// is a *SizeError, and nothing is read.
	MaxExternal int64
	// Image holds the channels, height and width of the input picture of a model that leaves
	// some of them open, nil otherwise; see FixImage.
	Image []int
	// FixedBatch keeps the number of images that a model was exported for; see ImportOptions.
	FixedBatch bool
	// Layers keeps layers that executors lower; see ImportOptions.
	Layers bool
}

// Load reads a model from a file, with its external data, and imports it. See ImportWith for
// what it supports. The weights are in the graph.
func Load(path string, o LoadOptions) (*ir.Graph, error) {
	m, err := ReadFile(path, o)
	if err != nil {
		return nil, err
	}
	if o.Image != nil {
		if len(o.Image) != 3 {
			return nil, fmt.Errorf("%s: LoadOptions.Image has %d sizes (want channels, height and width)", path, len(o.Image))
		}
		if m, err = FixImage(m, o.Image[0], o.Image[1], o.Image[2]); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	g, err := ImportWith(m, ImportOptions{FixedBatch: o.FixedBatch, Layers: o.Layers})
	if err != nil {
		if ImageOpen(m) {
			err = fmt.Errorf("%w\nthe model leaves the size of its picture open: LoadOptions.Image fixes it", err)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

// SizeError says that the external data of a model is larger than LoadOptions.MaxExternal.
type SizeError struct {
	Path         string
	Bytes, Limit int64
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("the external data of %s takes %d bytes; %d are allowed", e.Path, e.Bytes, e.Limit)
}

// ReadFile reads a model from a file, with its external data, which must be in the folder of
// the file or in o.Root. It does not import the model and uses no other option of o than
// Root and MaxExternal.
func ReadFile(path string, o LoadOptions) (*Model, error) {
	b, err := files.Read(path, MaxModel)
	if err != nil {
		return nil, err
	}
	m, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !HasExternal(m) {
		return &Model{Proto: m}, nil
	}
	if n := ExternalBytes(m); o.MaxExternal > 0 && n > o.MaxExternal {
		return nil, &SizeError{path, n, o.MaxExternal}
	}
	dir, top := filepath.Dir(path), o.Root
	below := "."
	if top == "" {
		top = dir
	} else if below, err = belowRoot(top, dir); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(top)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := LoadExternal(m, DirBelow(root, below)); err != nil {
		if o.Root == "" && strings.Contains(err.Error(), "escapes") {
			return nil, &LinkError{path, err}
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Model{Proto: m}, nil
}

// LinkError says that the external data of a model is a symbolic link into another folder,
// and LoadOptions names no root.
type LinkError struct {
	Path string // of the model
	Err  error
}

func (e *LinkError) Error() string {
	return e.Path + ": " + e.Err.Error() + ": if the file is a symbolic link into another folder, name a folder that holds both in LoadOptions.Root"
}

func (e *LinkError) Unwrap() error { return e.Err }

// RootError says that the root is not a folder above the model.
type RootError struct{ Root, Dir string }

func (e *RootError) Error() string {
	return fmt.Sprintf("the root %s is not a folder above the model, which is in %s", diag.Name(e.Root), diag.Name(e.Dir))
}

// belowRoot returns the path of the folder dir relative to the folder top.
func belowRoot(top, dir string) (string, error) {
	t, err := filepath.Abs(top)
	if err != nil {
		return "", err
	}
	d, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(t, d)
	if err != nil || !filepath.IsLocal(rel) {
		return "", &RootError{top, dir}
	}
	return rel, nil
}
