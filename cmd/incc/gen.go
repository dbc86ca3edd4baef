package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/gosrc"
	"github.com/incc-lang/incc/codegen/gosrc/snippet"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

func genCommand() *cli.Command {
	return &cli.Command{
		Name:      "gen",
		Usage:     "generate source that runs a network",
		UsageText: "incc gen go SPEC -o DIR",
		Description: `Example:

   incc gen go mnist/nin --weights nin.safetensors -o ./mnistnin`,
		Subcommands: []*cli.Command{genGoCommand()},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("incc gen makes go, not %s", diag.Quote(c.Args().First()))
			}
			return usagef("say what to generate: incc gen go SPEC -o DIR")
		},
	}
}

func genGoCommand() *cli.Command {
	return &cli.Command{
		Name:      "go",
		Usage:     "generate a Go package that infers with nothing but the Go tool chain",
		UsageText: "incc gen go SPEC -o DIR [--weights FILE.safetensors] [--main] [--test]",
		Description: `Example:

   incc gen go googlenet --weights googlenet.safetensors -o ./googlenet

DIR lies in a Go module; the package in it has the name of the folder, or of the
Go files that stand there. It holds the plan that the executor runs, the
weights, and a copy of the run time in DIR/internal/kernel, which packages may
share (--kernel). Nothing enters go.mod.

In a go:generate comment: //go:generate go tool incc gen go SPEC -o . ;
incc gen go ... --check in CI tells whether the output is stale.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the package to `DIR`"},
			&cli.StringFlag{Name: "package", Usage: "call the package `NAME`"},
			&cli.StringFlag{Name: "kernel", Usage: "put the run time in `DIR`, for several packages of a module"},
			&cli.IntFlag{Name: "batch", Value: 1, Usage: "compute up to `N` images at once"},
			&cli.StringFlag{Name: "store", Value: "embed", Usage: "`WHERE` the weights are kept: embed, in the program, or file, beside it"},
			&cli.BoolFlag{Name: "main", Usage: "add a command that classifies pictures, from files or over HTTP"},
			&cli.BoolFlag{Name: "test", Usage: "add a test with golden numbers"},
			&cli.BoolFlag{Name: "check", Usage: "write nothing; exit 1 and print a diff where the output is stale"},
			&cli.BoolFlag{Name: "direct", Usage: "keep to direct convolution, no Winograd"},
			&cli.StringFlag{Name: "tuning", Usage: "choose algorithms as `FILE` says, which incc bench --tune wrote"},
			defineFlag, seedFlag, weightsFlag,
		}, pipelineFlags()...),
		Action: genGo,
	}
}

func genGo(c *cli.Context) error {
	arg, err := oneArg(c, "SPEC")
	if err != nil {
		return err
	}
	if c.String("output") == "" {
		return usagef("say where to write: -o DIR")
	}
	if err := checkBatch(c.Int("batch")); err != nil {
		return &usageError{err.Error()}
	}
	store := c.String("store")
	if store != "embed" && store != "file" {
		return usagef("--store=%s: there are embed and file", diag.Printable(store))
	}
	dest, err := findDestination(c.String("output"), c.String("kernel"), c.String("package"))
	if err != nil {
		return err
	}
	files, err := goPackage(c, arg, dest)
	if err != nil {
		return err
	}
	stale, err := dest.stale(files)
	if err != nil {
		return err
	}
	if c.Bool("check") {
		return checkFresh(c.App.Writer, files, stale)
	}
	if err := writeChanged(files, stale); err != nil {
		return err
	}
	size := 0
	for _, f := range files {
		if f.weights {
			size = len(f.data)
		}
	}
	fmt.Fprintf(c.App.Writer, "wrote package %s: import %s; %s of weights\n", dest.pkg, strconv.Quote(dest.importPath), bytesText(int64(size)))
	return nil
}

// goPackage generates the files.
func goPackage(c *cli.Context, arg string, dest *destination) ([]genFile, error) {
	g, trained, values, src, err := genGraphs(c, arg)
	if err != nil {
		return nil, err
	}
	o := cpu.Options{Batch: c.Int("batch"), Direct: c.Bool("direct"), Seed: c.Int64("seed")}
	if p := c.String("tuning"); p != "" {
		if o.Tuning, err = readTuning(p); err != nil {
			return nil, err
		}
	}
	p, err := cpu.Plan(g, o)
	if err != nil {
		return nil, err
	}
	opt := gosrc.Options{
		Version: version, Command: genCommandLine(c, arg), Package: dest.pkg, ImportPath: dest.importPath, Runtime: dest.runtimePath,
		Source: portablePath(src.file), Embed: c.String("store") == "embed", Drawn: c.String("weights") == "", Main: c.Bool("main"), Weights: "weights.safetensors",
	}
	if !opt.Embed {
		opt.Weights = dest.pkg + ".safetensors"
	}
	if c.Bool("test") {
		if opt.Golden, err = golden(trained, o); err != nil {
			return nil, err
		}
	}
	pkg, err := gosrc.Generate(g, p, opt)
	if err != nil {
		return nil, err
	}
	var files []genFile
	for _, f := range pkg.Files {
		files = append(files, genFile{path: filepath.Join(dest.dir, filepath.FromSlash(f.Path)), data: f.Data})
	}
	runtime, err := gosrc.Runtime(kernel.Sources, version)
	if err != nil {
		return nil, err
	}
	for _, f := range runtime {
		files = append(files, genFile{path: filepath.Join(dest.runtimeDir, f.Path), data: f.Data})
	}
	var infos []kernel.TensorInfo
	var data [][]float32
	for _, v := range pkg.Stored {
		x := values[v.Name]
		if x == nil {
			return nil, fmt.Errorf("%s has no values", v.Name)
		}
		infos = append(infos, kernel.TensorInfo{Name: v.Name, Shape: v.Type.Shape})
		data = append(data, x.Data)
	}
	meta := map[string]string{"incc": version, "net": g.Name, "spec": g.Recipe.SpecHash}
	b, err := tensorFile(meta, infos, data)
	if err != nil {
		return nil, err
	}
	files = append(files, genFile{path: filepath.Join(dest.dir, opt.Weights), data: b, weights: true})
	if opt.Golden != nil {
		b, err := tensorFile(nil, []kernel.TensorInfo{{Name: "output", Shape: []int{len(opt.Golden)}}}, [][]float32{opt.Golden})
		if err != nil {
			return nil, err
		}
		files = append(files, genFile{path: filepath.Join(dest.dir, "testdata", "golden_incc.safetensors"), data: b})
	}
	return files, nil
}

// genGraphs returns the network as the passes leave it without looking at weights,
// so that what they fold stays an expression over the weights of the spec; the
// network with its weights folded; and the weights before. Where a pass redesigns
// the network, which it does by its weights, both are the same.
func genGraphs(c *cli.Context, arg string) (g, trained *ir.Graph, values map[string]*tensor.F32, src *source, err error) {
	pipeline, err := pipelineOf(c, 2)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	if trained, src, err = load(c, arg); err != nil {
		return nil, nil, nil, nil, err
	}
	if err := fillWeights(c, trained); err != nil {
		return nil, nil, nil, nil, err
	}
	values = maps.Clone(trained.Data)
	redesigned := slices.ContainsFunc(pipeline, func(s passes.Step) bool { return s.Pass.Contract == passes.Redesign })
	rep, err := optimize(c, trained, 2, passes.Options{})
	if err != nil {
		return nil, nil, nil, nil, err
	}
	if redesigned {
		if err := passes.WriteDecisions(c.App.ErrWriter, rep.Decisions()); err != nil {
			return nil, nil, nil, nil, err
		}
		return trained, trained, trained.Data, src, nil
	}
	if g, _, err = load(c, arg); err != nil {
		return nil, nil, nil, nil, err
	}
	_, err = passes.Run(g, pipeline, passes.Options{})
	return g, trained, values, src, err
}

// golden is the output of the portable kernels for one image of noise. They give
// the same bits everywhere.
func golden(g *ir.Graph, o cpu.Options) ([]float32, error) {
	o.ISA = kernel.Portable.String()
	p, err := cpu.Compile(g, o)
	if err != nil {
		return nil, err
	}
	in, out := p.Plan().Inputs[0], p.Plan().Outputs[0]
	y := make([]float32, out.Size)
	return y, p.NewSession().Run([][]float32{snippet.Noise(in.Size)}, [][]float32{y})
}

func tensorFile(meta map[string]string, infos []kernel.TensorInfo, data [][]float32) ([]byte, error) {
	var b bytes.Buffer
	w, err := kernel.NewTensorWriter(&b, meta, infos)
	if err != nil {
		return nil, err
	}
	for i, t := range infos {
		if err := w.Float32s(t.Name, data[i]); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), w.Close()
}

// genCommandLine is the command that makes the package again: what the output
// depends on, in a fixed order.
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
	for _, name := range []string{"passes", "seed", "batch", "store", "package"} {
		if c.IsSet(name) {
			add(name, fmt.Sprint(c.Value(name)))
		}
	}
	for _, name := range []string{"direct", "main", "test"} {
		if c.Bool(name) {
			l = append(l, "--"+name)
		}
	}
	return strings.Join(l, " ")
}

// portablePath is a path as it is printed: with slashes, and of an absolute one
// the last element alone.
func portablePath(p string) string {
	p = filepath.ToSlash(p)
	if path.IsAbs(p) || filepath.IsAbs(p) {
		return path.Base(p)
	}
	return p
}

// word quotes a word of a command line that is not plain.
func word(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/=,:+@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return strconv.QuoteToASCII(s)
}

// writeChanged writes what is not on the disk as it should be, and removes what
// was generated before and is no more.
func writeChanged(files []genFile, stale []string) error {
	for _, f := range files {
		if old, err := os.ReadFile(f.path); err == nil && bytes.Equal(old, f.data) {
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
