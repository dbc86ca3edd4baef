package view

import (
	"errors"
	"sync"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes"
)

// Engine plans and runs the network of a page on the executor. One call runs at a time.
type Engine struct {
	Options cpu.Options // of the executor; programs are for one image
	// Compile is cpu.Compile, with a limit of memory.
	Compile func(g *ir.Graph, o cpu.Options) (*cpu.Program, error)
	// Fill gives a network its weights and drops its auxiliary classifiers. drawn says that
	// the weights are drawn at random.
	Fill func(g *ir.Graph) (drawn bool, err error)
	// Stamp changes when Fill would give other weights to the same network.
	Stamp func() string
	// Classifier makes a network with weights one that classifies a picture, and returns what
	// the user should know about its answers. The error says why it classifies none.
	Classifier func(g *ir.Graph) (notes []string, err error)
	// Top returns the k most likely classes of a network's scores.
	Top func(g *ir.Graph, scores []float32, k int) ([]Class, error)

	mu   sync.Mutex
	plan *Plan // the last one
	last *trial
}

// errNoEngine says that a page has nothing that runs networks.
var errNoEngine = errors.New("there is no network to run, only runs")

// compile runs the passes on a network and compiles it for one image.
func (e *Engine) compile(g *ir.Graph) (*cpu.Program, error) {
	if err := optimize(g); err != nil {
		return nil, err
	}
	o := e.Options
	o.Batch = 1
	return e.Compile(g, o)
}

func optimize(g *ir.Graph) error {
	pipeline, err := passes.Parse(level)
	if err != nil {
		return err
	}
	_, err = passes.Run(g, pipeline, passes.Options{})
	return err
}
