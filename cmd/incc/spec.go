package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/specs"
)

// source is the text of a spec and where it comes from.
type source struct {
	file string // its name in messages: the path that the user gave, or specs/NAME.incc
	text []byte
	open func(name string) ([]byte, error) // reads a file that the spec names, from the folder of the spec
	run  string                            // if the user named the folder of a run, that folder, else ""

	imported string // if the user named a folder that incc import wrote, that folder, else ""

	model   bool // file is an ONNX model, whose weights are in the graph; there is no text
	guessed bool // neither the model nor --image says how a picture becomes the input
}

// trained reports whether a network has weights that were not drawn at random: those of
// --weights or of the ONNX model itself.
func (s *source) trained(c *cli.Context) bool { return s.model || c.String("weights") != "" }

// maxSpecBytes is the number of bytes that incc reads of a spec at most: one more than
// dsl.Parse accepts, so that dsl.Parse reports a larger spec as too large.
const maxSpecBytes = dsl.MaxGraphFile + 1

// maxNamedBytes is the largest size, in bytes, of a file that a spec names, such as a
// list of labels.
const maxNamedBytes = 1 << 20

// readSource reads the spec that arg names: "-" is standard input, else a file, else the
// folder of a run or an import, else a built-in network.
func readSource(c *cli.Context, arg string) (*source, error) {
	src, err := findSource(c, arg)
	if err == nil {
		err = notText(src.file, src.text)
	}
	return src, err
}

func findSource(c *cli.Context, arg string) (*source, error) {
	if arg == "-" {
		text, err := io.ReadAll(io.LimitReader(c.App.Reader, maxSpecBytes))
		return &source{file: "<stdin>", text: text, open: func(name string) ([]byte, error) { return files.Read(name, maxNamedBytes) }}, err
	}
	looksLikePath := strings.ContainsAny(arg, `\`) || strings.HasSuffix(arg, ".incc") || strings.HasPrefix(arg, ".") || filepath.IsAbs(arg)
	fi, err := os.Stat(arg)
	if err == nil && !fi.IsDir() {
		return readSpec(arg)
	}
	if err == nil {
		for _, dir := range []string{arg, compressedRun(arg)} {
			if file := filepath.Join(dir, runSpec); dir != "" && exists(file) {
				src, err := readSpec(file)
				if err == nil {
					src.run = filepath.Clean(dir)
				}
				return src, err
			}
		}
		if file := filepath.Join(arg, importedSpec); exists(file) && exists(filepath.Join(arg, importedWeights)) {
			src, err := readSpec(file)
			if err == nil {
				src.imported = filepath.Clean(arg)
			}
			return src, err
		}
	}
	if text, file, ok := specs.Source(strings.TrimSuffix(strings.TrimPrefix(arg, "specs/"), ".incc")); ok && (!looksLikePath || strings.HasPrefix(arg, "specs/")) {
		return &source{file: file, text: text, open: func(name string) ([]byte, error) { return nil, fs.ErrNotExist }}, nil
	}
	if looksLikePath {
		if err == nil {
			err = notOurFolder(arg)
		}
		return nil, err
	}
	if err == nil { // arg is the name of a folder
		return nil, notOurFolder(arg)
	}
	return nil, fmt.Errorf("there is no file and no built-in network %s%s\nincc specs lists the built-in ones", diag.Quote(arg), didYouMean(arg, specs.Names()))
}

// compressedRun returns the folder of the run in a folder that incc compress wrote; "" for others.
func compressedRun(dir string) string {
	if !exists(filepath.Join(dir, journalFile)) {
		return ""
	}
	return filepath.Join(dir, "run")
}

// notOurFolder says that a folder holds no network.
func notOurFolder(dir string) error {
	return fmt.Errorf("%s is a folder, but not of a run or an import: it has neither %s nor %s with %s", diag.Name(dir), runSpec, importedSpec, importedWeights)
}

// readSpec reads the spec in a file.
func readSpec(file string) (*source, error) {
	text, err := readText(file)
	return &source{file: file, text: text, open: func(name string) ([]byte, error) { return readBeside(file, name) }}, err
}

// readBeside reads a file that a spec names, from the folder of the spec.
func readBeside(spec, name string) ([]byte, error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return nil, fmt.Errorf("a spec can only name files in its own folder, not %s", diag.Quote(name))
	}
	return files.Read(filepath.Join(filepath.Dir(spec), filepath.FromSlash(name)), maxNamedBytes)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// readText reads a spec, up to maxSpecBytes.
func readText(path string) ([]byte, error) {
	f, _, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSpecBytes))
}

// didYouMean returns ", did you mean X?" if the candidate X is similar to name, else "".
func didYouMean(name string, candidates []string) string {
	if s, ok := diag.Nearest(name, candidates); ok {
		return fmt.Sprintf(", did you mean %s?", s)
	}
	return ""
}

// oneArg returns the positional argument of a command that takes exactly one. what is
// its name in the error for another number of arguments.
func oneArg(c *cli.Context, what string) (string, error) {
	if c.NArg() != 1 {
		return "", usagef("incc %s needs one %s, not %d\n   %s", c.Command.Name, what, c.NArg(), c.Command.UsageText)
	}
	return c.Args().First(), nil
}

// Flags that several commands share.
var (
	defineFlag = &cli.StringSliceFlag{Name: "define", Aliases: []string{"D"}, Usage: "override a let of the spec: `NAME=VALUE`"}
	jsonFlag   = &cli.BoolFlag{Name: "json", Usage: "print JSON, for programs"}
	seedFlag   = &cli.Int64Flag{Name: "seed", Value: 1, Usage: "`SEED` of random weights; the default is the same for every command"}
	outFlag    = &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE`"}
	headsFlag  = &cli.BoolFlag{Name: "heads", Usage: "keep the auxiliary classifiers"}
)

// defines parses the values of -D.
func defines(c *cli.Context) (map[string]string, error) {
	m := map[string]string{}
	for _, d := range c.StringSlice("define") {
		k, v, ok := strings.Cut(d, "=")
		if !ok || k == "" {
			return nil, usagef("-D needs NAME=VALUE, not %s", diag.Quote(d))
		}
		m[k] = v
	}
	return m, nil
}

// load builds the network of the spec or ONNX model that arg names. If the spec has
// errors, load prints all problems and returns the error *reported. If arg is the folder
// of a run, load also sets --weights and --data, unless they are given; see flagsOfRun. If it
// is the folder of an import, load sets --weights or --init; see flagsOfImport.
func load(c *cli.Context, arg string) (*ir.Graph, *source, error) {
	g, src, err := loadAny(c, arg)
	if err == nil && findFlag(c.Command.Flags, "weights") != nil && c.String("weights") == "" {
		err = worksOnly(c, "with --weights", "map")
	}
	return g, src, err
}

// loadAny is load without the check of flags that need weights.
func loadAny(c *cli.Context, arg string) (*ir.Graph, *source, error) {
	if isModel(arg) {
		return loadModel(c, arg)
	}
	src, err := readSource(c, arg)
	if err == nil && !slices.ContainsFunc(c.Args().Slice(), isModel) { // incc diff takes two
		err = worksOnly(c, "with an ONNX model", flagsOfModels(src)...)
	}
	if err != nil {
		return nil, nil, err
	}
	if src.imported != "" {
		if err := flagsOfImport(c, src.imported); err != nil {
			return nil, nil, err
		}
	}
	if src.run != "" {
		if whole := wholeModel(c, src.run); whole != "" {
			return loadWhole(c, src.run, whole)
		}
		if err := flagsOfRun(c, src.run); err != nil {
			return nil, nil, err
		}
	}
	defs, err := defines(c)
	if err != nil {
		return nil, nil, err
	}
	g, err := build(c, src, defs)
	if err == nil {
		nameClasses(g, c.String("weights"))
		err = describeImport(c, g, src)
	}
	return g, src, err
}

// build builds the network of a spec that has been read.
func build(c *cli.Context, src *source, defs map[string]string) (*ir.Graph, error) {
	g, problems := dsl.Load(src.file, src.text, dsl.Options{Defines: defs, ReadFile: src.open})
	if problems.HasErrors() {
		if err := report(c, problems, src); err != nil {
			return nil, err
		}
		return nil, &reported{exitError}
	}
	return g, nil
}

// maxShown is the largest number of diagnostics that are printed with source lines.
const maxShown = 100

// report prints diagnostics to standard error: with --json all of them as JSON lines,
// else the first maxShown with their source lines.
func report(c *cli.Context, l diag.List, src *source) error {
	w := c.App.ErrWriter
	if c.Bool("json") {
		return l.WriteJSON(w)
	}
	r := diag.Renderer{Sources: map[string][]byte{src.file: src.text, dsl.PreludePath: dsl.Prelude()}, Color: useColor(w), Max: maxShown, Columns: columns(w)}
	return r.Render(w, l)
}

// useColor reports whether w is a terminal and the environment (NO_COLOR, TERM) allows
// colour.
func useColor(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

var errNoOutput = errors.New("missing -o FILE, the file to write")
