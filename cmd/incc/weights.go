package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/safetensors"
	readweights "github.com/incc-lang/incc/backends/weights"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

var (
	weightsFlag = &cli.StringFlag{Name: "weights", Usage: "read the weights from `FILE` instead of drawing them: safetensors, PyTorch (.pt, .pth), Keras (.keras, .h5), NumPy (.npz) or ONNX; incc explain weights says more"}
	mapFlag     = &cli.StringFlag{Name: "map", Usage: "match weights with tensors of other names as `FILE` says; incc weights map writes a draft"}
)

// fillWeights gives every parameter of the graph its values. They come from the
// file of --weights or, without one, are drawn from the seed.
func fillWeights(c *cli.Context, g *ir.Graph) error { return fill(c, g, c.String("weights"), false) }

// hasTrained reports whether a command's argument, or --weights, has trained weights.
func hasTrained(c *cli.Context, arg string) bool {
	return c.String("weights") != "" || isModel(arg) || wholeModel(c, arg) != ""
}

// sayDrawn says that the weights of a written model are random, unless they were trained.
func sayDrawn(w io.Writer, trained bool) error {
	if trained {
		return nil
	}
	return say(w, "its weights are drawn at random: --weights FILE, or the folder of a run in place of the spec, takes trained ones")
}

// fillForInference drops the auxiliary classifiers and then does as fillWeights.
func fillForInference(c *cli.Context, g *ir.Graph) error {
	return fill(c, g, c.String("weights"), true)
}

// dropHeads drops the auxiliary classifiers. It is called before weights are drawn or
// read, so that those of the classifiers are not. It returns the names of the weights
// that only they used.
func dropHeads(g *ir.Graph) map[string]bool {
	passOver := map[string]bool{}
	for v := range readweights.HeadParams(g) {
		passOver[v.Name] = true
	}
	g.Heads = nil
	ir.Rewrite(g, "drop-heads").Sweep()
	return passOver
}

// weightsLater prepares a network for passes and the executor without reading weights,
// to save memory. It drops the heads, opens the file of --weights and checks its names
// and shapes. cpu.Compile (Options.Weights) later reads the file one weight at a time;
// it draws weights that the file does not have. If a pass redesigns the network by the
// values of weights, however, weightsLater reads or draws them at once and returns no
// file. The caller must call done, which closes the file. file is nil without --weights.
func weightsLater(c *cli.Context, g *ir.Graph) (file *safetensors.Tensors, done func(), err error) {
	none := func() {}
	pipeline, err := pipelineOf(c, 2)
	if err != nil {
		return nil, none, err
	}
	if redesigns(pipeline) {
		return nil, none, fillForInference(c, g)
	}
	path := c.String("weights")
	if path == "" {
		dropHeads(g)
		return nil, none, nil
	}
	file, done, err = openWeights(c, g, path) // the file may have the heads: their names are matched, too
	if err != nil {
		return nil, none, err
	}
	passOver := dropHeads(g)
	err = misfitError(g, path, readweights.Misfits(g, file, passOver))
	if err == nil {
		err = verified(path, file)
	}
	if err != nil {
		done()
		return nil, none, err
	}
	return file, done, nil
}

// redesigns reports whether a pipeline has a pass that makes another network, which
// depends on the values of the weights.
func redesigns(p passes.Pipeline) bool {
	return slices.ContainsFunc(p, func(s passes.Step) bool { return s.Pass.Contract == passes.Redesign })
}

// fill reads the weights of a file, "" for none, and draws the rest. If drop is set, it
// drops the auxiliary classifiers first.
func fill(c *cli.Context, g *ir.Graph, path string, drop bool) error {
	var passOver map[string]bool
	if path != "" {
		file, done, err := openWeights(c, g, path)
		if err != nil {
			return err
		}
		defer done()
		if drop {
			passOver = dropHeads(g)
		}
		if err := readWeights(g, path, file, passOver); err != nil {
			return err
		}
	} else if drop {
		dropHeads(g)
	}
	ir.Materialize(g, c.Int64("seed"))
	return nil
}

// loadWeights reads the weights and statistics of a graph from a file of weights; see
// readWeights.
func loadWeights(c *cli.Context, g *ir.Graph, path string) error {
	file, done, err := openWeights(c, g, path)
	if err != nil {
		return err
	}
	defer done()
	return readWeights(g, path, file, nil)
}

// readWeights reads the weights and statistics of a graph from an open file. The file must
// hold all of them, with the shapes of the graph, and no other tensors; the error lists
// what does not fit. Only weights of heads may be missing. Tensors whose names are in
// passOver are ignored.
func readWeights(g *ir.Graph, path string, file *safetensors.Tensors, passOver map[string]bool) error {
	if err := misfitError(g, path, readweights.Misfits(g, file, passOver)); err != nil {
		return err
	}
	if err := verified(path, file); err != nil {
		return err
	}
	err := readweights.Read(g, file, passOver)
	var bad *readweights.MisfitError
	if errors.As(err, &bad) { // numbers that are not finite
		return misfitError(g, path, bad.List)
	}
	return err
}

// verified compares the tensors of a file with its checksum, if it has one.
func verified(path string, file *safetensors.Tensors) error {
	if err := file.Verify(); err != nil {
		return fmt.Errorf("%s: %w", diag.Name(path), err)
	}
	return nil
}

// misfitError returns an error that lists at most 50 misfits, or nil if there are none.
func misfitError(g *ir.Graph, path string, bad []string) error {
	if len(bad) == 0 {
		return nil
	}
	sort.Strings(bad)
	total := len(bad)
	const most = 50
	more := ""
	if len(bad) > most {
		more = fmt.Sprintf("\n   and %d more", len(bad)-most)
		bad = bad[:most]
	}
	return fmt.Errorf("the weights of %s do not fit %s:\n   %s%s%s", path, g.Name, strings.Join(bad, "\n   "), more, mapHint(total))
}

// writeWeights writes every weight and statistic of the graph as a safetensors file, in
// the order of the graph. Those without values in the graph are drawn from the seed, one
// piece at a time.
func writeWeights(w io.Writer, g *ir.Graph, seed int64, meta map[string]string) error {
	var infos []safetensors.TensorInfo
	var params []*ir.Value
	for _, v := range g.Params {
		if v.Param.Kind != ir.Constant {
			params = append(params, v)
			infos = append(infos, safetensors.TensorInfo{Name: v.Name, Shape: v.Type.Shape})
		}
	}
	tw, err := safetensors.NewTensorWriter(w, meta, infos)
	if err != nil {
		return err
	}
	for _, v := range params {
		write := func(piece []float32) error { return tw.Float32s(v.Name, piece) }
		if t := g.Data[v.Name]; t != nil {
			err = write(t.Data)
		} else {
			err = ir.DrawPieces(v.Name, v.Type.Shape, v.Param.Init, seed, write)
		}
		if err != nil {
			return err
		}
	}
	return tw.Close()
}

func weightsCommand() *cli.Command {
	return &cli.Command{
		Name:      "weights",
		Usage:     "draw the weights of a network and write them to a safetensors file",
		UsageText: "incc weights SPEC -o FILE.safetensors [--seed N] [--conditioned]",
		Description: `Example:

   incc weights mnist/nin -o nin.safetensors

Every command draws the same weights from the same --seed. --conditioned draws other
weights, for comparing programs: each layer is scaled so that the activations for
noise keep their size from layer to layer, and normalization has random parameters.
With the weights that training starts from, all outputs of a deep network are almost
equal, so comparing them shows little.`,
		Subcommands: []*cli.Command{weightsMapCommand(), weightsExportCommand()},
		Flags:       append([]cli.Flag{defineFlag, seedFlag, outFlag, roomFlag, &cli.BoolFlag{Name: "conditioned", Usage: "scale the layers for comparisons (runs the reference interpreter once)"}}, modelFlags()...),
		Action: func(c *cli.Context) error {
			arg, err := oneArg(c, "SPEC")
			if err != nil {
				return err
			}
			if c.String("output") == "" {
				return &usageError{errNoOutput.Error()}
			}
			g, src, err := load(c, arg)
			if err != nil {
				return err
			}
			if err := notAnInput("output", c.String("output"), src.file); err != nil {
				return err
			}
			// Weights are drawn while they are written, so memory is no limit here. But
			// no command could use the weights of a network that does not fit into memory.
			u := use{batch: 1, weights: 1}
			if c.Bool("conditioned") {
				u.weights, u.reference = 2, 1
			}
			if err := checkRoom(c, g, u); err != nil {
				return err
			}
			if c.Bool("conditioned") {
				if _, err := ref.Condition(g, noise(g, 1, c.Int64("seed")), c.Int64("seed")); err != nil {
					return err
				}
			}
			meta := map[string]string{"incc": version, "net": g.Name, "spec": g.Recipe.SpecHash}
			return writeOutput(c, c.String("output"), tensorsFile, func(w io.Writer) error { return writeWeights(w, g, c.Int64("seed"), meta) })
		},
	}
}

// noise returns a batch of random inputs in -1..1. It depends only on the seed.
func noise(g *ir.Graph, batch int, seed int64) *tensor.Tensor {
	in := g.Inputs[0]
	return tensor.Widen(ir.Draw("input/"+in.Name, in.Type.Shape.Bind(batch), ir.Init{Kind: ir.InitUniform, A: 1}, seed))
}
