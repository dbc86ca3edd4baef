// Package backends defines the interface of a backend: code that turns the graph of a
// network into files, such as an ONNX model.
package backends

import (
	"io"

	"github.com/incc-lang/incc/ir"
)

// Backend turns graphs into files of a format. Its options are fields of its own
// type. A backend is pure: it reads no file, clock or environment, never changes
// the graph, and gives the same bytes for the same graph.
type Backend interface {
	// Name is how the command line calls it.
	Name() string
	// Supports tells why the backend has no way to express an op, nil if it has.
	// Emit may still refuse a combination of its attributes.
	Supports(op ir.Op) error
	// Emit returns the files of a graph, the main one first. Large contents are
	// made while they are written; until then the graph must not change.
	Emit(g *ir.Graph) ([]File, error)
}

// File is a file to be: a name relative to where the user wants the output, and
// what writes it.
type File struct {
	Path string
	io.WriterTo
}
