package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/safetensors"
	readweights "github.com/incc-lang/incc/backends/weights"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/tensor"
)

// Flags about the weights that a training begins with.
var (
	initFlag       = &cli.StringFlag{Name: "init", Usage: "begin with the weights in `FROM`: a safetensors, PyTorch, NumPy or ONNX file of weights, or the folder of a run. A weight of another shape, such as those of a head for other classes, is drawn at random"}
	initStrictFlag = &cli.BoolFlag{Name: "init-strict", Usage: "with --init, accept only weights that have exactly the names and shapes of the network"}
)

// initial says what --init took.
type initial struct {
	path   string
	taken  int
	drawn  []string        // params that keep their random values, each with the reason
	unused []string        // names of tensors in the file that the network does not have
	random map[string]bool // the names of drawn

	resumed bool // the weights of a checkpoint replace all of these
}

// initialize gives the network the weights that --init names. It does nothing without
// the flag. It sets the flag to the file of the weights, if it names the folder of a run.
func (p *prepared) initialize(c *cli.Context) error {
	arg := c.String("init")
	if arg == "" {
		if c.Bool("init-strict") {
			return usagef("--init-strict works with --init only")
		}
		return nil
	}
	path, err := weightsPath(arg)
	if err != nil {
		return err
	}
	if err := c.Set("init", path); err != nil {
		return err
	}
	file, done, err := openWeights(c, p.graph, path)
	if err != nil {
		return err
	}
	defer done()
	if err := verified(path, file); err != nil {
		return err
	}
	if c.Bool("init-strict") {
		if bad := readweights.Misfits(p.graph, file, nil); len(bad) > 0 {
			return fmt.Errorf("--init-strict: %w", misfitError(p.graph, path, bad))
		}
	}
	if p.initial, err = takeWeights(p.graph, path, file); err != nil {
		return err
	}
	p.initial.resumed = c.Bool("resume")
	return nil
}

// weightsPath is the file that --init names: path itself, or the best weights (the last
// ones, if there are no best ones) of the run in the folder path, or those of the import.
func weightsPath(path string) (string, error) {
	fi, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("--init: there is no file and no folder %s%s (want a file of weights or the folder of a run)", diag.Name(path), neighbour(path))
	}
	if err != nil || !fi.IsDir() {
		return path, err
	}
	if f := weightsOfRun(path); f != "" {
		return f, nil
	}
	if f := filepath.Join(path, importedWeights); exists(f) {
		return f, nil
	}
	return "", fmt.Errorf("--init: the folder %s has neither %s nor %s: it is not the folder of a run that was trained", diag.Name(path), bestWeights, lastWeights)
}

// neighbour suggests a name in the folder of a path that does not exist.
func neighbour(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	s, ok := diag.Nearest(filepath.Base(path), names)
	if !ok {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", diag.Name(filepath.Join(filepath.Dir(path), s)))
}

// takeWeights gives the network all tensors of a file that have the name and the shape
// of a weight or statistic. It returns an error if there are none.
func takeWeights(g *ir.Graph, path string, file *safetensors.Tensors) (*initial, error) {
	r := &initial{path: path, random: map[string]bool{}}
	params := map[string]bool{}
	for _, v := range g.Params {
		params[v.Name] = v.Param.Kind != ir.Constant
	}
	for _, t := range file.All() {
		if !params[t.Name] {
			r.unused = append(r.unused, t.Name)
		}
	}
	for _, v := range g.Params {
		if v.Param.Kind == ir.Constant {
			continue
		}
		info, ok := file.Info(v.Name)
		if ok && slices.Equal(info.Shape, v.Type.Shape) {
			data, err := file.Float32s(v.Name)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", path, v.Name, err)
			}
			g.Data[v.Name] = tensor.Of(data, v.Type.Shape...)
			r.taken++
			continue
		}
		why := fmt.Sprintf("%s %v", v.Name, v.Type.Shape)
		if ok {
			why += fmt.Sprintf(" (in the file %v)", ir.Shape(info.Shape))
		} else if near, ok := diag.Nearest(v.Name, r.unused); ok {
			why += fmt.Sprintf(" (the file has %s)", diag.Quote(near))
		}
		r.drawn = append(r.drawn, why)
		r.random[v.Name] = true
	}
	if r.taken == 0 {
		return nil, fmt.Errorf("--init: no tensor fits: %w", misfitError(g, path, readweights.Misfits(g, file, nil)))
	}
	return r, nil
}

// introduce prints what was taken, what is drawn at random, and what was not used.
func (r *initial) introduce(w io.Writer, g *ir.Graph, frozen []string) {
	if r.resumed {
		return
	}
	list := func(what string, l []string) {
		const most = 6
		if len(l) == 0 {
			return
		}
		text := strings.Join(l[:min(len(l), most)], ", ")
		if more := len(l) - most; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		sayf(w, "%s: %s", what, diag.Printable(text))
	}
	sayf(w, "begins with %s from %s", diag.Count(r.taken, "tensor"), diag.Name(r.path))
	list("drawn at random", r.drawn)
	list("not used of the file", r.unused)
	var bad []string
	for _, v := range g.Params {
		if r.random[v.Name] && ir.UnderAny(v.Name, frozen) {
			bad = append(bad, v.Name)
		}
	}
	list("warning: frozen, but not in the file", bad)
}
