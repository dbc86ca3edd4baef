package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/draw"
	"github.com/incc-lang/incc/backends/files"
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
A click marks a box and its line. When the file is saved, the page draws it again, with the
errors where it has some. Of runs it shows the curves, also while incc train goes on.

The server listens on this machine alone, unless --addr names another address; the page
then needs the token in the address that is printed. With -o nothing is served: the page
is written as one file.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the page to `FILE`.html instead of serving it"},
			&cli.StringFlag{Name: "addr", Value: "127.0.0.1:0", Usage: "listen on `HOST:PORT`; port 0 takes a free one"},
			&cli.BoolFlag{Name: "no-open", Usage: "do not open the browser"},
			defineFlag,
		}, modelFlags()...),
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
		if err := writeOutput(c, out, htmlFile, func(w io.Writer) error { return view.WritePage(w, src, view.View{Colour: draw.ByKind}) }); err != nil {
			return err
		}
		if toStdout(out) {
			return nil
		}
		return say(c.App.Writer, "wrote "+diag.Name(out))
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
	if network == "" && len(runs) == 1 && exists(filepath.Join(runs[0], runSpec)) {
		network = runs[0] // its spec
	}
	switch {
	case network == "":
		if err := worksOnly(c, "with a network", "define", "image", "labels", "root"); err != nil {
			return src, nil, err
		}
	case isModel(network):
		g, s, err := load(c, network)
		if err != nil {
			return src, nil, err
		}
		inputs = append(inputs, s.file)
		src.Title = g.Name
		src.Text = func() ([]byte, error) { return nil, nil }
		src.Load = func([]byte) (*ir.Graph, diag.List) { return g, nil }
	default:
		if err := worksOnly(c, "with an ONNX model", "image", "labels", "root"); err != nil {
			return src, nil, err
		}
		s, err := readSource(c, network)
		if err != nil {
			return src, nil, err
		}
		if _, problems := dsl.Load(s.file, s.text, dsl.Options{Defines: defs, ReadFile: s.open, Hollow: true}); len(defs) > 0 {
			for _, p := range problems {
				if !p.Span.IsValid() { // about -D, which no line of the text mends
					return src, nil, usagef("%s", p.Summary)
				}
			}
		}
		inputs = append(inputs, s.file)
		src.Title = filepath.Base(s.file)
		src.Text = func() ([]byte, error) {
			now, err := readSource(c, network)
			if err != nil {
				return nil, err
			}
			return now.text, nil
		}
		src.Load = func(text []byte) (*ir.Graph, diag.List) {
			opt := dsl.Options{Defines: defs, ReadFile: s.open, Hollow: true}
			g, problems := dsl.Load(s.file, text, opt)
			if g != nil {
				problems = dsl.Lint(s.file, text, opt)
			}
			return g, problems
		}
	}
	if len(runs) > 0 {
		src.Runs = (&runCache{dirs: runs, rows: map[string]cachedRows{}}).runs
		src.Picture = func(i int) ([]byte, error) {
			if i < 0 || i >= len(runs) {
				return nil, fs.ErrNotExist
			}
			return files.Read(filepath.Join(runs[i], "confusion.png"), maxRunFile)
		}
	}
	return src, inputs, nil
}

// runCache keeps the results of runs, which the page asks for several times a second.
type runCache struct {
	dirs []string
	mu   sync.Mutex
	rows map[string]cachedRows
}

// cachedRows are the rows of a results.csv with a size and a time of change.
type cachedRows struct {
	size int64
	time time.Time
	rows []map[string]view.Value
	best int
}

// read returns the results of a run, which are read again when their file has changed.
func (k *runCache) read(dir string) (cachedRows, error) {
	fi, err := os.Stat(filepath.Join(dir, runResults))
	if errors.Is(err, fs.ErrNotExist) {
		return cachedRows{rows: []map[string]view.Value{}}, nil
	}
	if err != nil {
		return cachedRows{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r, ok := k.rows[dir]; ok && r.size == fi.Size() && r.time.Equal(fi.ModTime()) {
		return r, nil
	}
	rows, err := readResults(dir)
	if err != nil {
		return cachedRows{}, err
	}
	r := cachedRows{size: fi.Size(), time: fi.ModTime(), rows: []map[string]view.Value{}}
	images := imagesOf(dir)
	for _, row := range rows {
		r.rows = append(r.rows, map[string]view.Value{
			"epoch": view.Value(row.Epoch), "rate": view.Value(row.Rate), "train_loss": view.Value(row.TrainLoss), "train_acc": view.Value(row.TrainAcc),
			"val_loss": view.Value(row.ValLoss), "val_acc": view.Value(row.ValAcc), "rate_images": view.Value(images / row.Seconds),
		})
		if row.ValAcc > 0 && (r.best == 0 || row.ValAcc > rows[r.best-1].ValAcc) {
			r.best = len(r.rows)
		}
	}
	k.rows[dir] = r
	return r, nil
}

// runs describes the runs as they are now.
func (k *runCache) runs() ([]view.Run, error) {
	var list []view.Run
	for _, dir := range k.dirs {
		rows, err := k.read(dir)
		if err != nil {
			return nil, err
		}
		r := view.Run{Name: filepath.Base(dir), State: "stopped", Facts: [][2]string{}, Rows: rows.rows, Best: rows.best}
		info, err := readSummaryFile(dir)
		switch {
		case trainingIn(dir):
			r.State = "running"
		case err == nil:
			r.State = "finished"
			if info.BestEpoch >= 1 && info.BestEpoch <= len(r.Rows) {
				r.Best = info.BestEpoch
			}
		}
		if err == nil {
			r.Facts = append(r.Facts, [2]string{"parameters", diag.Thousands(info.Params)}, [2]string{"batch", fmt.Sprint(info.Batch)}, [2]string{"seed", fmt.Sprint(info.Seed)})
			if info.ValAcc != nil {
				r.Facts = append(r.Facts, [2]string{"validation", percent(*info.ValAcc)})
			}
			if info.TestAcc != nil {
				r.Facts = append(r.Facts, [2]string{"test", percent(*info.TestAcc)})
			}
		}
		list = append(list, r)
	}
	return list, nil
}

// imagesOf returns how many images a run trains on in an epoch, NaN where run.json does not
// say it. results.csv does not have that number.
func imagesOf(dir string) float64 {
	b, err := readBegin(dir)
	n := 0
	if err != nil || b.LimitBatches > 0 || b.Overfit > 0 {
		return math.NaN()
	}
	if _, err := fmt.Sscanf(b.Identity["images"], "%d for training", &n); err != nil {
		return math.NaN()
	}
	return float64(n)
}

// trainingIn reports whether a training goes on in the folder of a run: the process that its
// lock file names lives. The lock itself is left alone, so that a training that starts now
// finds it free.
func trainingIn(dir string) bool {
	b, err := files.Read(filepath.Join(dir, runLock), 64)
	if err != nil {
		return false
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil || pid <= 0 {
		return false
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	if runtime.GOOS == "windows" {
		return true
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
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
