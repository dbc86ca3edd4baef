package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/codegen/gosrc"
	"github.com/incc-lang/incc/ir/diag"
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

The package of a network with several inputs or outputs, or with outputs whose sizes
are known only at run time (boxes), has a struct with a field for each: Inputs and
Outputs. --heads makes the auxiliary classifiers outputs, too.

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
			defineFlag, seedFlag, weightsFlag, mapFlag, headsFlag,
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
	if err := checkGenFlags(c); err != nil {
		return err
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
	return sayDrawn(c.App.Writer, hasTrained(c, arg))
}

// checkGenFlags returns an error if flags have unknown values, or exclude each other.
func checkGenFlags(c *cli.Context) error {
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
	if c.Bool("heads") && c.Bool("train") {
		return usagef("--heads makes the auxiliary classifiers outputs of an inference, and cannot be used with --train, which trains with them in any case")
	}
	if c.Bool("deploy") && !c.Bool("main") {
		return usagef("--deploy can only be used with --main")
	}
	return nil
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
		case slices.Contains([]string{"Dockerfile", "Dockerfile.dockerignore", "kubernetes.yaml"}, filepath.Base(p)):
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
	bare := g
	if n.redesigned {
		bare = withoutWeights(g) // so that the plan names weights of g
	}
	p, err := cpu.Plan(bare, o)
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

// genCommandLine returns the arguments of incc gen go that generate the package again:
// the spec and the flags that change the output, in a fixed order.
func genCommandLine(c *cli.Context, arg string) string {
	l := []string{word(portablePath(arg))}
	add := func(name, value string) { l = append(l, "--"+name, word(value)) }
	for _, d := range c.StringSlice("define") {
		l = append(l, "-D", word(d))
	}
	for _, name := range []string{"weights", "map", "tuning", "kernel", "labels", "root"} {
		if c.IsSet(name) {
			add(name, portablePath(c.String(name)))
		}
	}
	if c.IsSet("optimize") {
		l = append(l, "-O"+strconv.Itoa(c.Int("optimize")))
	}
	for _, name := range []string{"passes", "image", "seed", "batch", "name", "wait", "store", "weights-as", "package", "memory", "runtime"} {
		if c.IsSet(name) {
			add(name, strings.ReplaceAll(fmt.Sprint(c.Value(name)), "µ", "u")) // as in 500us
		}
	}
	for _, name := range []string{"direct", "heads", "train", "main", "deploy", "test"} {
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
