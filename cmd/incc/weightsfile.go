package main

import (
	"bufio"
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/classify"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/safetensors"
	readweights "github.com/incc-lang/incc/backends/weights"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// openWeights opens a file of weights and gives its tensors the names of the network's
// weights, if it has others. It prints how they were matched. The network must still have
// its heads. done closes the file.
func openWeights(c *cli.Context, g *ir.Graph, path string) (file *safetensors.Tensors, done func(), err error) {
	f, err := openWeightsFile(c, path)
	if err != nil {
		return nil, nil, err
	}
	rename, err := readMap(c.String("map"))
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	fit, err := readweights.Fit(g, f, rename)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("%s: %w", diag.Name(path), err)
	}
	if own, err := f.Tensors(); err == nil && own != fit.Tensors {
		if err := verified(path, own); err != nil { // with the names that the checksum counts
			f.Close()
			return nil, nil, err
		}
	}
	if fit.How != "" && len(fit.Names) > 0 {
		sayf(c.App.ErrWriter, "note: %s of %s are matched %s", diag.Count(len(fit.Names), "weight"), diag.Name(path), fit.How)
	}
	for _, n := range f.Notes {
		sayf(c.App.ErrWriter, "note: %s: %s", diag.Name(path), n)
	}
	if t := fit.Table; t != nil && !preparesAs(g, t.Input) {
		sayf(c.App.ErrWriter, "note: %s's pretrained %s wants other pictures than the input statement of %s makes: for its weights, write the keys %s", t.Library, t.Class, diag.Name(g.Name), t.Input)
	}
	return fit.Tensors, func() { f.Close() }, nil
}

// preparesAs reports whether the input statement of a network prepares pictures as one with
// the given keys, apart from the size.
func preparesAs(g *ir.Graph, keys string) bool {
	if len(g.Inputs) != 1 || len(g.Inputs[0].Type.Shape) != 4 || g.Recipe.Input == nil {
		return true
	}
	in, err := classify.Input(g.Inputs[0].Type.Shape.WithoutBatch(), keys)
	if err != nil {
		return true // a size that has no such preparation
	}
	return reflect.DeepEqual(in, g.Recipe.Input)
}

// openWeightsFile opens a file of weights.
func openWeightsFile(c *cli.Context, path string) (*readweights.File, error) {
	if isModel(path) && !isKeras(path) {
		m, err := readModel(c, path)
		if err != nil {
			return nil, err
		}
		f, err := readweights.FromModel(m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", diag.Name(path), err)
		}
		return f, nil
	}
	f, err := readweights.Open(path)
	if err != nil {
		return nil, withPath(path, err)
	}
	return f, nil
}

// maxMapBytes is the largest size of the file of --map.
const maxMapBytes = 16 << 20

// readMap reads the file of --map: on each line the name of a weight of the network, an
// equals sign, and the name of its tensor in the file. # begins a comment.
func readMap(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	b, err := files.Read(path, maxMapBytes)
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		param, name, ok := strings.Cut(line, " = ")
		if !ok {
			return nil, fmt.Errorf("%s:%d: %s (want WEIGHT = TENSOR)", diag.Name(path), n, diag.Quote(line))
		}
		if param = strings.TrimSpace(param); m[param] != "" {
			return nil, fmt.Errorf("%s:%d: %s is given twice", diag.Name(path), n, diag.Quote(param))
		}
		m[param] = strings.TrimSpace(name)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", diag.Name(path), err)
	}
	return m, nil
}

// mapHint says what to do where many weights do not fit.
func mapHint(misfits int) string {
	if misfits < 2 {
		return ""
	}
	return "\nincc weights map SPEC FILE -o map.txt writes a draft of a file for --map, if only the names differ"
}
