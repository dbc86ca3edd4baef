package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/draw"
	"github.com/incc-lang/incc/cmd/incc/view"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

func viewCommand() *cli.Command {
	return &cli.Command{
		Name:      "view",
		Usage:     "show networks and runs on a page in the browser",
		UsageText: "incc view [SPEC] [RUN...] [-o PAGE.html]",
		Description: `Example:

   incc view mynet.incc
   incc view runs/lenet runs/nin
   incc view googlenet -o googlenet.html

The page shows the drawing of the network beside its text, and what each pass makes of it.
With runs and no network, that of the first run is drawn. A click marks a box and its
line. When the file is saved, the page draws it again, with the errors where it has some.
The page also shows the schedule of the executor with measured times and memory, and
classifies pictures that are dropped on it, with the feature maps of a layer; it takes the
weights of --weights or of the run, or else random ones. Of runs it shows the curves, also
while incc train goes on, the confusion matrix, the filters of the first layer, and the
worst mistakes. Each tab has an address: #network, #passes, #plan, #try, #runs.

The server listens on this machine alone, unless --addr names another address; the page
then needs the token in the address that is printed. With -o nothing is served: the page
is written as one file, with predicted times unless --measure is given.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the page to `FILE`.html instead of serving it"},
			&cli.StringFlag{Name: "addr", Value: "127.0.0.1:0", Usage: "listen on `HOST:PORT`; port 0 takes a free one"},
			&cli.BoolFlag{Name: "no-open", Usage: "do not open the browser"},
			&cli.BoolFlag{Name: "measure", Usage: "with -o, run the network and write measured times into the plan"},
			&cli.BoolFlag{Name: "mistakes", Usage: "with -o, evaluate the runs on their data and write their worst mistakes into the page"},
			defineFlag, weightsFlag, mapFlag, seedFlag, roomFlag,
		}, append(executorFlags(), modelFlags()...)...),
		Action: viewPage,
	}
}

func viewPage(c *cli.Context) error {
	src, inputs, err := viewSource(c)
	if err != nil {
		return err
	}
	if out := c.String("output"); out != "" {
		if err := wholeSpec(src); err != nil {
			return err
		}
		if err := worksOnly(c, "without -o", "addr", "no-open"); err != nil {
			return err
		}
		if err := notAnInput("output", out, inputs...); err != nil {
			return err
		}
		if err := writeOutput(c, out, htmlFile, func(w io.Writer) error {
			return view.WritePage(c.Context, w, src, view.PageOptions{View: view.View{Colour: draw.ByKind}, Measure: c.Bool("measure"), Mistakes: c.Bool("mistakes")})
		}); err != nil {
			return err
		}
		if toStdout(out) {
			return nil
		}
		return say(c.App.Writer, "wrote "+diag.Name(out))
	}
	if err := worksOnly(c, "with -o: the page has buttons for it", "measure", "mistakes"); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(c.String("addr"))
	if err != nil {
		return usagef("--addr %s: want HOST:PORT, such as 127.0.0.1:8080", diag.Quote(c.String("addr")))
	}
	l, err := net.Listen("tcp", c.String("addr"))
	if err != nil {
		return fmt.Errorf("--addr %s: cannot listen there: %w", diag.Quote(c.String("addr")), errors.Unwrap(err))
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return fmt.Errorf("--addr %s is no TCP address", diag.Quote(host))
	}
	s := view.NewServer(src, addr)
	url := s.URL(addr)
	ctx, stop := interruptible(c.Context)
	defer stop()
	if err := say(c.App.Writer, "the page is at "+url+" until you press Ctrl-C"); err != nil {
		return err
	}
	if !c.Bool("no-open") {
		openBrowser(url)
	}
	return s.Serve(ctx, l)
}

// wholeSpec returns the errors of the spec, which a page that is written once cannot show
// mended.
func wholeSpec(src view.Source) error {
	if src.Text == nil {
		return nil
	}
	text, err := src.Text()
	if err != nil {
		return err
	}
	_, problems := src.Load(text)
	return problems.Err()
}

// viewSource finds the network and the runs that the arguments name, and the files that a
// page must not replace.
func viewSource(c *cli.Context) (view.Source, []string, error) {
	var src view.Source
	if c.NArg() == 0 {
		return src, nil, usagef("incc view needs a spec, a model or the folder of a run\n   %s", c.Command.UsageText)
	}
	defs, err := defines(c)
	if err != nil {
		return src, nil, err
	}
	var runs, inputs []string
	network := ""
	for _, arg := range c.Args().Slice() {
		if exists(filepath.Join(arg, runStart)) || exists(filepath.Join(arg, runResults)) {
			runs = append(runs, filepath.Clean(arg))
			continue
		}
		if network != "" {
			return src, nil, usagef("%s and %s: incc view shows one network, and any number of runs", diag.Quote(network), diag.Quote(arg))
		}
		network = arg
	}
	for _, run := range runs {
		if network == "" && exists(filepath.Join(run, runSpec)) {
			network = run // its spec
		}
	}
	switch {
	case network == "":
		err = worksOnly(c, "with a network", "define", "image", "labels", "root", "measure", "weights", "map", "seed", "memory", "threads", "isa", "direct", "tuning")
	case isModel(network):
		inputs, err = modelSource(c, network, &src)
	default:
		inputs, err = specSource(c, network, defs, &src)
	}
	if err == nil && len(runs) == 0 {
		err = worksOnly(c, "with runs", "mistakes")
	}
	if err != nil {
		return src, nil, err
	}
	if len(runs) > 0 {
		addRuns(&src, runs)
	}
	return src, append(inputs, c.String("weights"), c.String("map"), c.String("tuning")), nil
}

// modelSource makes a page of an ONNX model. It returns the files that it reads.
func modelSource(c *cli.Context, file string, src *view.Source) ([]string, error) {
	g, s, err := load(c, file)
	if err != nil {
		return nil, err
	}
	src.Title = g.Name
	src.Text = func() ([]byte, error) { return nil, nil }
	src.Load = func([]byte) (*ir.Graph, diag.List) { return g, nil }
	src.Engine, err = newEngine(c, "", s)
	return []string{s.file}, err
}

// specSource makes a page of a spec, which is read again when it has changed. It returns the
// files that it reads.
func specSource(c *cli.Context, network string, defs map[string]string, src *view.Source) ([]string, error) {
	if err := worksOnly(c, "with an ONNX model", "image", "labels", "root"); err != nil {
		return nil, err
	}
	s, err := readSource(c, network)
	if err == nil && s.imported != "" {
		err = flagsOfImport(c, s.imported)
	}
	if err != nil {
		return nil, err
	}
	if err := checkWeights(c); err != nil {
		return nil, err
	}
	opt := dsl.Options{Defines: defs, ReadFile: s.open, Hollow: true}
	if _, problems := dsl.Load(s.file, s.text, opt); len(defs) > 0 {
		for _, p := range problems {
			if !p.Span.IsValid() { // about -D, which no line of the text mends
				return nil, usagef("%s", p.Summary)
			}
		}
	}
	src.Title = filepath.Base(s.file)
	if s.run != "" {
		src.Title = filepath.Base(s.run)
	}
	if s.imported != "" {
		src.Title = filepath.Base(s.imported)
	}
	src.Text = func() ([]byte, error) {
		now, err := readSource(c, network)
		if err != nil {
			return nil, err
		}
		return now.text, nil
	}
	src.Load = func(text []byte) (*ir.Graph, diag.List) {
		g, problems := dsl.Load(s.file, text, opt)
		if g != nil {
			problems = dsl.Lint(s.file, text, opt)
		}
		return g, problems
	}
	src.Engine, err = newEngine(c, s.run, nil)
	return []string{s.file}, err
}

// openBrowser opens a page in the user's browser. If that fails, the user has the address.
func openBrowser(url string) {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	if p, err := exec.LookPath(name); err == nil && (runtime.GOOS != "linux" || strings.TrimSpace(os.Getenv("DISPLAY")+os.Getenv("WAYLAND_DISPLAY")) != "") {
		_ = exec.CommandContext(context.Background(), p, args...).Start()
	}
}
