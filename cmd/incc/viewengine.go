package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/classify"
	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/cmd/incc/view"
	"github.com/incc-lang/incc/ir"
)

// viewNetwork is what a page runs: the network of a spec, of a run or of a model.
type viewNetwork struct {
	c     *cli.Context
	run   string // the folder of the run that it is of, or ""
	model *source
}

// newEngine returns what runs the network of a page. run is the folder of the run that the
// network is of, or ""; model is not nil for an ONNX model.
func newEngine(c *cli.Context, run string, model *source) (*view.Engine, error) {
	o, err := executorOptions(c)
	if err != nil {
		return nil, err
	}
	n := &viewNetwork{c, run, model}
	return &view.Engine{
		Options:    o,
		Compile:    func(g *ir.Graph, o cpu.Options) (*cpu.Program, error) { return compileRoom(c, g, o) },
		Fill:       n.fill,
		Stamp:      n.stamp,
		Classifier: n.classifier,
		Top:        n.top,
	}, nil
}

// weights returns the file of weights, "" for none: that of --weights, or what the run has
// now.
func (n *viewNetwork) weights() string {
	if path := n.c.String("weights"); path != "" || n.run == "" {
		return path
	}
	return weightsOfRun(n.run)
}

// stamp names the file of weights in its present state.
func (n *viewNetwork) stamp() string {
	path := n.weights()
	fi, err := os.Stat(path)
	if err != nil {
		return path
	}
	return fmt.Sprintf("%s %d %d", path, fi.Size(), fi.ModTime().UnixNano())
}

func (n *viewNetwork) fill(g *ir.Graph) (drawn bool, err error) {
	if err := checkRoom(n.c, g, use{batch: 1, weights: 2, executor: true, inputs: true}); err != nil {
		return false, err
	}
	path := n.weights()
	drawn = path == "" && n.model == nil
	if drawn {
		steady(g)
	}
	return drawn, fill(n.c, g, path, true)
}

func (n *viewNetwork) classifier(g *ir.Graph) ([]string, error) {
	if _, err := classify.Classes(g); err != nil {
		return nil, err
	}
	own := *g.Recipe // clones share it
	g.Recipe = &own
	nameClasses(g, n.weights())
	notes := predictNotes(g, n.model != nil)
	if n.model != nil {
		classify.TakePictures(g)
		notes = append(notes, modelNotes(g, n.model)...)
		classify.Probabilities(g)
	}
	return notes, nil
}

func (n *viewNetwork) top(g *ir.Graph, scores []float32, k int) ([]view.Class, error) {
	top, err := topScores(g, scores, k)
	if err != nil {
		return nil, err
	}
	var list []view.Class
	for _, l := range top {
		list = append(list, view.Class{Class: l.Class, Label: l.Label, Score: view.Value(l.Value)})
	}
	return list, nil
}

// checkWeights returns an error if --weights names no file that can be read. The page tells
// whether the weights fit, since the text may change.
func checkWeights(c *cli.Context) error {
	path := c.String("weights")
	if path == "" {
		return nil
	}
	f, err := openWeightsFile(c, filepath.Clean(path))
	if err != nil {
		return err
	}
	f.Close()
	_, err = readMap(c.String("map"))
	return err
}
