package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir/diag"
)

// maxModelBytes is what protobuf allows a message to be.
const maxModelBytes = 1<<31 - 1

// readModel reads an ONNX model with its external data.
func readModel(path string) (*onnx.Model, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxModelBytes {
		return nil, fmt.Errorf("%s is no regular file of at most 2 GiB", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := onnx.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if onnx.HasExternal(m) {
		root, err := os.OpenRoot(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		defer root.Close()
		if err := onnx.LoadExternal(m, onnx.Dir(root)); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return &onnx.Model{Proto: m}, nil
}

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check an ONNX model against the standard",
		UsageText: "incc verify FILE.onnx [--json]",
		Description: `Example:

   incc verify mynet.onnx

Checks order, names, shapes, attributes and the lengths of weights, with rules
of its own: what other checkers and runtimes let pass is reported as well.`,
		Flags: []cli.Flag{jsonFlag},
		Action: func(c *cli.Context) error {
			path, err := oneArg(c, "FILE.onnx")
			if err != nil {
				return err
			}
			m, err := readModel(path)
			if err != nil {
				return err
			}
			problems := onnx.Verify(m)
			for _, p := range problems {
				fmt.Fprintln(c.App.ErrWriter, diag.Printable(fmt.Sprintf("%s: %s", path, p)))
			}
			if len(problems) > 0 {
				return fmt.Errorf("%s: %s", path, diag.Count(len(problems), "problem"))
			}
			gr := m.Proto.Graph
			_, err = fmt.Fprintf(c.App.Writer, "%s: sound; %d nodes, %d initializers, opset %d\n", diag.Printable(path), len(gr.Node), len(gr.Initializer), m.Proto.OpsetImport[0].Version)
			return err
		},
	}
}
