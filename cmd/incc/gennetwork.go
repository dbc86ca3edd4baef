package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/codegen/gosrc"
	"github.com/incc-lang/incc/codegen/gosrc/snippet"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/passes/autodiff"
)

// network holds the forms of a network that a package is generated from.
type network struct {
	src        *source
	spec       *ir.Graph // as the spec describes it, with the weights of --weights
	graph      *ir.Graph // after the passes, which saw no weights: what they fold stays an expression over the weights of the spec
	redesigned bool      // a pass changed the layers to suit the weights: graph has its own weights
	pipeline   []passes.Step
	seed       int64
	recipe     recipe.Train
	as         string                           // how weights are stored: a key of storedTypes
	narrow     map[string]*safetensors.Narrowed // the weights that are not stored as float32
	lost       map[string]storageLoss           // what that costs, by weight
	losses     []storageLoss                    // of those that the package stores
}

// genNetwork loads the network of a spec. If a pass changes the layers to suit the
// weights, graph is the changed network, with its weights.
func genNetwork(c *cli.Context, arg string) (*network, error) {
	n := &network{seed: c.Int64("seed"), as: c.String("weights-as")}
	var err error
	if n.pipeline, err = pipelineOf(c, 2); err != nil {
		return nil, err
	}
	if n.spec, n.src, err = load(c, arg); err != nil {
		return nil, err
	}
	if c.Bool("heads") {
		if err := headsAsOutputs(n.spec); err != nil {
			return nil, err
		}
	}
	n.redesigned = slices.ContainsFunc(n.pipeline, func(s passes.Step) bool { return s.Pass.Contract == passes.Redesign })
	if c.Bool("train") {
		if n.redesigned {
			return nil, usagef("--train cannot be combined with passes that redesign the network by its weights")
		}
		if in, out := len(n.spec.Inputs), len(n.spec.Outputs); in != 1 || out != 1 {
			return nil, usagef("--train needs a network with one input and one output, and %s has %s and %s", n.spec.Name, diag.Count(in, "input"), diag.Count(out, "output"))
		}
		// incc train uses the seed of the recipe as well, unless --seed is given.
		if n.recipe = recipeOf(n.spec); c.IsSet("seed") {
			n.recipe.Run.Seed = n.seed
		}
		n.seed = n.recipe.Run.Seed
	}
	if err := checkRoom(c, n.spec, use{batch: c.Int("batch"), weights: 3, executor: c.Bool("test")}); err != nil {
		return nil, err
	}
	if path := c.String("weights"); path != "" {
		if err := loadWeights(c, n.spec, path); err != nil {
			return nil, err
		}
	}
	if n.redesigned {
		ir.Materialize(n.spec, n.seed)
		n.graph = n.spec
	} else if n.src.model {
		n.graph = withoutWeights(n.spec)
	} else if n.graph, err = n.again(c, arg); err != nil {
		return nil, err
	}
	rep, err := optimize(c, n.graph, 2, passes.Options{})
	if err == nil && n.redesigned {
		err = passes.WriteDecisions(c.App.ErrWriter, rep.Decisions(), columns(c.App.ErrWriter))
	}
	return n, err
}

// again loads the network of a spec again, without weights.
func (n *network) again(c *cli.Context, arg string) (*ir.Graph, error) {
	g, _, err := load(c, arg)
	if err == nil && c.Bool("heads") {
		err = headsAsOutputs(g)
	}
	return g, err
}

// headsAsOutputs makes the auxiliary classifiers of a network outputs, behind those that it has.
func headsAsOutputs(g *ir.Graph) error {
	if len(g.Heads) == 0 {
		return usagef("--heads: %s has no auxiliary classifiers", g.Name)
	}
	for _, h := range g.Heads {
		g.Outputs = append(g.Outputs, h.Value)
	}
	g.Heads = nil
	return nil
}

// stored returns the file of weights of a package.
func (n *network) stored(pkg *gosrc.Package) (*weightsFile, error) {
	g := n.spec
	if n.redesigned {
		g = n.graph
	}
	if err := n.materialize(g); err != nil {
		return nil, err
	}
	f := &weightsFile{narrow: map[string][]byte{}, meta: map[string]string{"incc": version, "net": n.graph.Name, "spec": n.graph.Recipe.SpecHash}}
	whole := wholeWeights(g)
	for _, v := range pkg.Stored {
		x := g.Data[v.Name]
		if x == nil {
			x = pkg.Data[v.Name]
		}
		if x == nil {
			return nil, fmt.Errorf("weight %s has no values", v.Name)
		}
		info := safetensors.TensorInfo{Name: v.Name, Shape: v.Type.Shape}
		narrow := whole[v.Name]
		if narrow != nil {
			info.DType, f.narrow[v.Name] = safetensors.I8, narrow.Bytes
		} else if narrow = n.narrow[v.Name]; narrow != nil {
			info.DType, f.narrow[v.Name] = storedTypes[n.as], narrow.Bytes
			n.losses = append(n.losses, n.lost[v.Name])
		}
		f.infos, f.data = append(f.infos, info), append(f.data, x.Data)
		if narrow != nil && narrow.Scales != nil {
			f.infos = append(f.infos, safetensors.TensorInfo{Name: v.Name + safetensors.ScaleSuffix, Shape: v.Type.Shape[:1]})
			f.data = append(f.data, narrow.Scales)
		}
	}
	return f, nil
}

// withoutWeights returns a copy of a graph in which only constants have values.
func withoutWeights(g *ir.Graph) *ir.Graph {
	g = g.Clone()
	for _, v := range g.Params {
		if v.Param.Kind != ir.Constant {
			delete(g.Data, v.Name)
			v.Param.Init = ir.Init{Kind: ir.InitConstant} // a graph is not valid without one or the other
		}
	}
	return g
}

// training plans a step of training, as incc train does. If golden is set, it also
// computes the losses of three steps on noise, for the test of the package.
func (n *network) training(c *cli.Context, golden bool) (*gosrc.Training, error) {
	r := n.recipe
	if len(r.Unfreezes()) > 0 {
		return nil, errors.New("--train: the generated trainer cannot unfreeze parts after an epoch: leave until= out of the freeze statements")
	}
	if recipe.MixingOf(r.Augment).On() {
		return nil, usagef("--train: the generated trainer takes one label for each picture, so it cannot mix pictures: leave mixup and cutmix out of the augment statement")
	}
	if r.Loss.Weights.Balanced {
		return nil, usagef("--train: the weights of loss weights=balanced come from the training images, which a package does not have; write them as numbers: weights=1,2.5,1")
	}
	opt := autodiff.FromRecipe(&r)
	if c.IsSet("memory") { // without --memory all is kept: a package must not depend on the memory of this machine
		if _, err := fitMemory(c, n.spec, &opt, r.Run.Batch, cpu.Options{}); err != nil {
			return nil, err
		}
	}
	tr, err := autodiff.Train(n.spec, opt)
	if err != nil {
		return nil, err
	}
	g, err := cpu.Prepared(tr.Graph, r.Run.Seed)
	if err != nil {
		return nil, err
	}
	p, err := cpu.Plan(g, cpu.Options{Batch: r.Run.Batch, Seed: r.Run.Seed})
	if err != nil {
		return nil, err
	}
	t := &gosrc.Training{Graph: g, Plan: p, Labels: tr.Labels, Step: tr.Step, Rate: tr.Rate, Loss: tr.Loss, Logits: tr.Logits, Norm: tr.Norm, Heads: len(tr.Losses) > 1,
		Slots: tr.Slots, Averages: tr.Averages, Recipe: r}
	if !golden {
		return t, nil
	}
	e, err := train.NewCPU(n.spec, opt, r.Run.Batch, r.Run.Seed, cpu.Options{ISA: kernel.Portable.String()})
	if err != nil {
		return nil, err
	}
	const steps = 3
	sched := train.ScheduleOf(&r, r.Run.Epochs)
	images := gosrc.GoldenImages(r.Run.Batch)
	size := images * n.spec.Inputs[0].Type.Shape.Size()
	noise := snippet.Noise(steps * size)
	for step := range steps {
		labels := make([]int32, images)
		for i := range labels {
			labels[i] = int32((step*images + i) * 7 % e.Classes())
		}
		// An epoch of one step.
		s, err := e.Step(noise[step*size:(step+1)*size], labels, float32(sched.Rate(float64(step), 0)), int64(step))
		if err != nil {
			return nil, err
		}
		if !s.Finite() {
			return nil, fmt.Errorf("the loss is %g after %d steps on noise, so --test has nothing to compare", s.Loss, step)
		}
		t.Golden = append(t.Golden, float32(s.Loss))
	}
	return t, nil
}

// golden returns the outputs of the network for one image of noise. It uses the portable
// kernels, which give the same bits on every machine.
func (n *network) golden(o cpu.Options) ([]float32, error) {
	if err := n.materialize(n.spec); err != nil {
		return nil, err
	}
	g := n.graph
	if !n.redesigned { // as the package computes it, but with what depends on weights folded
		g = n.spec.Clone()
		if _, err := passes.Run(g, n.pipeline, passes.Options{}); err != nil {
			return nil, err
		}
	}
	o.ISA = kernel.Portable.String()
	p, err := cpu.Compile(g, o)
	if err != nil {
		return nil, err
	}
	var in, out [][]float32
	for i, e := range p.Plan().Inputs {
		x := snippet.Noise(e.Size)
		if g.Inputs[i].Type.DType != ir.F32 {
			x = snippet.Whole(x)
		}
		in = append(in, x)
	}
	for _, e := range p.Plan().Outputs {
		out = append(out, make([]float32, e.Size))
	}
	if err := p.NewSession().Run(in, out); err != nil {
		return nil, err
	}
	return goldenNumbers(g, out), nil
}

// goldenNumbers returns the outputs of a network as gosrc.Options.Golden has them.
func goldenNumbers(g *ir.Graph, out [][]float32) (all []float32) {
	sizes, row := ops.FilledSizes(g), 0
	for i, v := range g.Outputs {
		switch {
		case v == sizes:
		case sizes != nil && v.Def == sizes.Def:
			axes := sizes.Type.Shape[1]
			y := ops.Filled(out[i], v.Type.Shape, out[len(out)-1][row*axes:])
			row++
			for _, n := range y.Shape {
				all = append(all, float32(n))
			}
			all = append(all, y.Data...)
		default:
			all = append(all, out[i]...)
		}
	}
	return all
}
