package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/codegen/gosrc"
	"github.com/incc-lang/incc/codegen/gosrc/snippet"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/passes/autodiff"
)

func genCommand() *cli.Command {
	return &cli.Command{
		Name:      "gen",
		Usage:     "generate source that runs a network",
		UsageText: "incc gen go|torch|triton SPEC -o DIR",
		Description: `Example:

   incc gen go mnist/nin --weights nin.safetensors -o ./mnistnin
   incc gen torch mnist/nin --weights nin.safetensors -o mnistnin_torch
   incc gen triton mnist/nin --weights nin.safetensors -o models`,
		Subcommands: []*cli.Command{genGoCommand(), genTorchCommand(), genTritonCommand()},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("unknown target %s (want go, torch or triton)", diag.Quote(c.Args().First()))
			}
			return usagef("missing target (want incc gen go SPEC -o DIR, or incc gen torch or triton)")
		},
	}
}

func genGoCommand() *cli.Command {
	return &cli.Command{
		Name:      "go",
		Usage:     "generate a Go package for inference and training that needs only the Go tool chain",
		UsageText: "incc gen go SPEC -o DIR [--weights FILE.safetensors] [--train] [--main] [--test]",
		Description: `Example:

   incc gen go googlenet --weights googlenet.safetensors -o ./googlenet

DIR must be inside a Go module. The package is named after the Go files in DIR, or
after the folder. It contains the plan that the executor runs, the weights, and in
DIR/internal/kernel a copy of what it needs of the runtime. go.mod does not change.

Several packages can share one copy: with --kernel the copy holds what all Go files
of the module need that import it. With --runtime=module there is no copy: the package
imports github.com/incc-lang/incc, which go.mod must then require, in the version of
the incc that generates.

With --train the package can train as the train block of the spec says. Given the
same images in the same order, its weights have the same bits as those of incc train.

With --main, the command also is an HTTP server, which README.md beside it explains.
It computes up to --batch pictures of several requests together: --batch 16 lets it
answer more requests a second, and takes longer for one picture.

To generate with go generate: //go:generate go tool incc gen go SPEC -o .

To find stale output in CI: incc gen go ... --check`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the package to `DIR`"},
			&cli.StringFlag{Name: "package", Usage: "call the package `NAME`"},
			&cli.StringFlag{Name: "kernel", Usage: "put the copy of the runtime into `DIR`, which several packages can share"},
			&cli.StringFlag{Name: "runtime", Value: "copy", Usage: "`HOW` the package gets the runtime: copy, or module (imports from github.com/incc-lang/incc)"},
			&cli.IntFlag{Name: "batch", Value: 1, Usage: "compute up to `N` images at once"},
			&cli.StringFlag{Name: "store", Value: "embed", Usage: "keep the weights `WHERE`: embed (in the program) or file (beside it)"},
			&cli.StringFlag{Name: "weights-as", Value: "fp32", Usage: "store the weights of convolutions and dense layers as `TYPE`: fp32, fp16, bf16 or int8; they are widened to float32 when the package reads them"},
			&cli.BoolFlag{Name: "train", Usage: "add a trainer"},
			memoryFlag,
			&cli.BoolFlag{Name: "main", Usage: "add a command that classifies pictures, from files or over HTTP"},
			&cli.BoolFlag{Name: "deploy", Usage: "with --main, add a Dockerfile and the objects of Kubernetes for the server"},
			&cli.BoolFlag{Name: "test", Usage: "add a test with golden numbers"},
			&cli.BoolFlag{Name: "check", Usage: "write nothing; print a diff and exit 1 if the output is stale"},
			&cli.BoolFlag{Name: "direct", Usage: "use direct convolution only, no Winograd, for inference"},
			&cli.StringFlag{Name: "tuning", Usage: "use the algorithms in `FILE`, which incc bench --tune writes, for inference"},
			defineFlag, seedFlag, weightsFlag, mapFlag,
		}, append(pipelineFlags(), modelFlags()...)...),
		Action: genGo,
	}
}

func genGo(c *cli.Context) error {
	arg, err := oneArg(c, "SPEC")
	if err != nil {
		return err
	}
	if c.String("output") == "" {
		return usagef("missing -o DIR, the folder to write to")
	}
	if err := notStdout("output", c.String("output"), "a package"); err != nil {
		return err
	}
	if err := checkBatch(c.Int("batch")); err != nil {
		return &usageError{err.Error()}
	}
	store := c.String("store")
	if store != "embed" && store != "file" {
		return usagef("unknown --store %s (want embed or file)", diag.Quote(store))
	}
	if _, ok := storedTypes[c.String("weights-as")]; !ok {
		return usagef("unknown --weights-as %s (want fp32, fp16, bf16 or int8)", diag.Quote(c.String("weights-as")))
	}
	if c.Bool("train") && c.String("weights-as") != "fp32" {
		return usagef("--weights-as=%s cannot be used with --train: a trainer begins with the weights in float32", c.String("weights-as"))
	}
	switch how := c.String("runtime"); {
	case how != "copy" && how != "module":
		return usagef("unknown --runtime %s (want copy or module)", diag.Quote(how))
	case how == "module" && c.IsSet("kernel"):
		return usagef("--kernel names the folder of a copy of the runtime, and with --runtime=module there is none")
	}
	if c.IsSet("memory") && !c.Bool("train") {
		return usagef("--memory can only be used with --train")
	}
	if c.Bool("deploy") && !c.Bool("main") {
		return usagef("--deploy can only be used with --main")
	}
	dest, err := findDestination(c.String("output"), c.String("kernel"), c.String("package"))
	if err != nil {
		return err
	}
	if dest.pkg == "main" && c.Bool("main") {
		return fmt.Errorf("--main: the command cannot import the package, since %s holds package main; write to another folder", diag.Printable(c.String("output")))
	}
	files, losses, err := goPackage(c, arg, dest)
	if err != nil {
		return err
	}
	if err := dest.checkClashes(files); err != nil {
		return err
	}
	stale, err := dest.stale(files)
	if err != nil {
		return err
	}
	if c.Bool("check") {
		return checkFresh(c.App.Writer, files, stale)
	}
	if err := dest.checkWeights(files, c.String("weights")); err != nil {
		return err
	}
	if err := writeChanged(files, stale); err != nil {
		return err
	}
	size := int64(0)
	for _, f := range files {
		if f.weights != nil {
			size = f.size()
		}
	}
	if err := say(c.App.Writer, fmt.Sprintf("wrote package %s: import %s; %s of weights", dest.pkg, strconv.Quote(dest.importPath), bytesText(size))); err != nil {
		return err
	}
	if err := sayLosses(c.App.Writer, c.String("weights-as"), losses); err != nil {
		return err
	}
	if err := sayRemoved(c, dest, stale); err != nil {
		return err
	}
	if c.String("runtime") == "module" && !dest.module.hasIncc {
		if err := say(c.App.Writer, fmt.Sprintf("go.mod does not require incc: go get %s@v%s", inccModule, version)); err != nil {
			return err
		}
	}
	return sayDrawn(c.App.Writer, c.String("weights") != "" || isModel(arg))
}

// sayRemoved lists the files that an earlier incc gen go wrote and that are not part of
// the package any more.
func sayRemoved(c *cli.Context, dest *destination, removed []string) error {
	if len(removed) == 0 {
		return nil
	}
	var names, flags []string
	runtime := 0 // files of the run time
	for _, p := range removed {
		flag := ""
		if filepath.Dir(p) == dest.runtimeDir {
			runtime++
			continue
		}
		names = append(names, shortPath(p))
		switch {
		case strings.HasSuffix(p, "_test.go"):
			flag = "--test"
		case filepath.Base(p) == "Dockerfile" || filepath.Base(p) == "kubernetes.yaml":
			flag = "--deploy"
		case filepath.Base(filepath.Dir(filepath.Dir(p))) == "cmd":
			flag = "--main"
		case strings.HasPrefix(filepath.Base(p), "train"):
			flag = "--train"
		}
		if flag != "" && !c.Bool(strings.TrimPrefix(flag, "--")) && !slices.Contains(flags, flag) {
			flags = append(flags, flag)
		}
	}
	if runtime > 0 {
		names = append(names, diag.Count(runtime, "file")+" of the run time")
	}
	text := "removed " + strings.Join(names, ", ") + ", written by an earlier incc gen go"
	if len(flags) > 0 {
		text += ": add " + strings.Join(flags, " ") + " to have them again"
	}
	return say(c.App.Writer, text)
}

// goPackage generates all files of the package, and says what the type costs in which the weights
// are stored. Their contents are in memory, except for
// weights that are drawn at random: these are drawn last, so that the garbage of what comes
// before is gone by then.
func goPackage(c *cli.Context, arg string, dest *destination) ([]genFile, []storageLoss, error) {
	n, err := genNetwork(c, arg)
	if err != nil {
		return nil, nil, err
	}
	g := n.graph
	if note := dataNote(g); note != "" {
		if err := say(c.App.ErrWriter, note); err != nil {
			return nil, nil, err
		}
	}
	o := cpu.Options{Batch: c.Int("batch"), Direct: c.Bool("direct"), Seed: n.seed}
	if p := c.String("tuning"); p != "" {
		if o.Tuning, err = readTuning(p); err != nil {
			return nil, nil, err
		}
	}
	p, err := cpu.Plan(g, o)
	if err != nil {
		return nil, nil, err
	}
	opt := gosrc.Options{
		Version: version, Command: genCommandLine(c, arg), Package: dest.pkg, ImportPath: dest.importPath, Runtime: dest.runtimePath,
		Source: portablePath(n.src.file), Embed: c.String("store") == "embed", Drawn: !n.src.trained(c), Main: c.Bool("main"), Weights: "weights.safetensors",
		Deploy: c.Bool("deploy"), PackageFolder: strings.TrimPrefix(strings.TrimPrefix(dest.importPath, dest.module.path), "/"),
	}
	if !opt.Embed {
		opt.Weights = dest.pkg + ".safetensors"
	}
	if c.Bool("test") {
		if opt.Golden, err = n.golden(o); err != nil {
			return nil, nil, err
		}
	}
	if c.Bool("train") {
		if opt.Train, err = n.training(c, c.Bool("test")); err != nil {
			return nil, nil, err
		}
	}
	pkg, err := gosrc.Generate(g, p, opt)
	if err != nil {
		return nil, nil, err
	}
	files, err := dest.withRuntime(pkg.Files, c.String("runtime") == "module")
	if err != nil {
		return nil, nil, err
	}
	if opt.Golden != nil {
		x := weightsFile{infos: []safetensors.TensorInfo{{Name: "output", Shape: []int{len(opt.Golden)}}}, data: [][]float32{opt.Golden}}
		if t := opt.Train; t != nil {
			x.infos, x.data = append(x.infos, safetensors.TensorInfo{Name: "losses", Shape: []int{len(t.Golden)}}), append(x.data, t.Golden)
		}
		b, err := x.bytes()
		if err != nil {
			return nil, nil, err
		}
		files = append(files, genFile{path: filepath.Join(dest.dir, "testdata", goldenFile), data: b})
	}
	w, err := n.stored(pkg)
	if err != nil {
		return nil, nil, err
	}
	return append(files, genFile{path: filepath.Join(dest.dir, opt.Weights), weights: w}), n.losses, nil
}

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
	n.redesigned = slices.ContainsFunc(n.pipeline, func(s passes.Step) bool { return s.Pass.Contract == passes.Redesign })
	if c.Bool("train") {
		if n.redesigned {
			return nil, usagef("--train cannot be combined with passes that redesign the network by its weights")
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
	} else if n.graph, _, err = load(c, arg); err != nil {
		return nil, err
	}
	rep, err := optimize(c, n.graph, 2, passes.Options{})
	if err == nil && n.redesigned {
		err = passes.WriteDecisions(c.App.ErrWriter, rep.Decisions(), columns(c.App.ErrWriter))
	}
	return n, err
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

// golden returns the output of the network for one image of noise. It uses the portable
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
	in, out := p.Plan().Inputs[0], p.Plan().Outputs[0]
	y := make([]float32, out.Size)
	return y, p.NewSession().Run([][]float32{snippet.Noise(in.Size)}, [][]float32{y})
}

// genCommandLine returns the arguments of incc gen go that generate the package again:
// the spec and the flags that change the output, in a fixed order.
func genCommandLine(c *cli.Context, arg string) string {
	l := []string{word(portablePath(arg))}
	add := func(name, value string) { l = append(l, "--"+name, word(value)) }
	for _, d := range c.StringSlice("define") {
		l = append(l, "-D", word(d))
	}
	for _, name := range []string{"weights", "tuning", "kernel"} {
		if c.IsSet(name) {
			add(name, portablePath(c.String(name)))
		}
	}
	if c.IsSet("optimize") {
		l = append(l, "-O"+strconv.Itoa(c.Int("optimize")))
	}
	for _, name := range []string{"passes", "seed", "batch", "name", "wait", "store", "weights-as", "package", "memory", "runtime"} {
		if c.IsSet(name) {
			add(name, strings.ReplaceAll(fmt.Sprint(c.Value(name)), "µ", "u")) // as in 500us
		}
	}
	for _, name := range []string{"direct", "train", "main", "deploy", "test"} {
		if c.Bool(name) {
			l = append(l, "--"+name)
		}
	}
	return strings.Join(l, " ")
}

// portablePath returns a path in the form in which generated files name it: with
// slashes, and only the last element of an absolute path.
func portablePath(p string) string {
	p = filepath.ToSlash(p)
	if path.IsAbs(p) || filepath.IsAbs(p) {
		return path.Base(p)
	}
	return p
}

// word quotes a word of a command line if a shell could read it in another way.
func word(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/=,:+@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return strconv.QuoteToASCII(s)
}

// writeChanged writes the files that differ from those on the disk, and removes the
// stale files.
func writeChanged(files []genFile, stale []string) error {
	for _, f := range files {
		if f.onDisk() {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
			return err
		}
		if err := writeFile(f.path, f.writeTo); err != nil {
			return err
		}
	}
	for _, p := range stale {
		if err := os.Remove(p); err != nil {
			return err
		}
	}
	return nil
}
