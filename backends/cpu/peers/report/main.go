// Command report measures the executor beside ONNX Runtime and prints the tables
// of the README as Markdown: everything in one run, sides in turns, with the
// peak of fused multiply-adds of the same minutes.
//
//	go run ./backends/cpu/peers/report -o report.md -plot growth
//
// A quarter of an hour on two cores, which should have nothing else to do. Parts
// of it: -only REGEXP chooses rows by section and name, such as
// 'inference/googlenet', 'torch/', 'passes/', 'cold/', 'gen/', 'share/', 'growth/',
// 'training/', 'directions/'; -list names all. Those with PyTorch (torch/, training/)
// take as long again, and longer where torch.compile does. -quick takes few turns, for a look.
//
// Networks have the weights that the comparison of outputs wants as well: each layer
// is scaled on noise until activations neither fade nor grow (denormal numbers
// would cost time); their standard deviations stand in the tables. ONNX Runtime runs
// the model that incc compile writes. Sides whose results differ are not timed.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
)

// report is one run of the command.
type report struct {
	out     io.Writer
	only    *regexp.Regexp
	list    bool
	quick   bool
	pairs   int
	threads int
	dir     string // for models
	incc    string // the command, once command has built it
	plot    string
	weights map[string]weights
	spreads map[string]string
	errs    []error // of rows that are missing from the tables
}

func main() {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "cold-") {
		if err := coldChild(os.Args[1], os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	r := &report{weights: map[string]weights{}, spreads: map[string]string{}}
	only := flag.String("only", "", "measure the rows whose section/name matches `REGEXP`")
	file := flag.String("o", "", "write the tables to `FILE` as well")
	flag.BoolVar(&r.quick, "quick", false, "take three turns instead of -pairs")
	flag.BoolVar(&r.list, "list", false, "list the rows and measure nothing")
	flag.IntVar(&r.pairs, "pairs", peers.Default.Pairs, "take `N` turns of each side")
	flag.IntVar(&r.threads, "threads", runtime.GOMAXPROCS(0), "use `N` threads, and one")
	flag.StringVar(&r.plot, "plot", "", "draw the growth of time as `PATH`.png and .svg")
	flag.Parse()
	if err := r.run(*only, *file); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func (r *report) run(only, file string) (err error) {
	if r.only, err = regexp.Compile(only); err != nil {
		return err
	}
	if r.quick {
		r.pairs = 3
	}
	if r.pairs < 1 || r.threads < 1 {
		return fmt.Errorf("-pairs %d, -threads %d", r.pairs, r.threads)
	}
	if r.dir, err = os.MkdirTemp("", "incc-report-*"); err != nil {
		return err
	}
	defer os.RemoveAll(r.dir)
	var all bytes.Buffer
	r.out = io.MultiWriter(os.Stdout, &all)
	if !r.list {
		r.machine()
	}
	for _, section := range []func() error{r.inference, r.torchInference, r.share, r.passes, r.cold, r.gen, r.growth, r.training, r.memory, r.directions, r.steps} {
		begin := time.Now()
		if err := section(); err != nil {
			r.errs = append(r.errs, err)
		}
		fmt.Fprintf(os.Stderr, "%.0f s\n", time.Since(begin).Seconds())
	}
	if file != "" && !r.list {
		r.errs = append(r.errs, os.WriteFile(file, all.Bytes(), 0o666))
	}
	return errors.Join(r.errs...)
}

// row measures one row if it is wanted. One that fails is told of and left out:
// what else was measured is worth printing.
func (r *report) row(section, name string, measure func() error) {
	if !r.wants(section, name) {
		return
	}
	if err := measure(); err != nil {
		err = fmt.Errorf("%s/%s: %w", section, name, err)
		fmt.Fprintln(os.Stderr, err)
		r.errs = append(r.errs, err)
	}
}

// counts are the numbers of threads that are compared.
func (r *report) counts() []int {
	if r.threads == 1 {
		return []int{1}
	}
	return []int{r.threads, 1}
}

// wants reports whether a row is to be measured; with -list it prints the row.
func (r *report) wants(section, name string) bool {
	row := section + "/" + name
	if !r.only.MatchString(row) {
		return false
	}
	if r.list {
		fmt.Println(row)
		return false
	}
	fmt.Fprintln(os.Stderr, row)
	return true
}

// machine prints what all figures are of.
func (r *report) machine() {
	model := runtime.GOARCH
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	var tiers []string
	for _, isa := range kernel.Available() {
		if isa != kernel.Portable {
			tiers = append(tiers, fmt.Sprintf("%v %.0f GFLOP/s on one thread, %.0f on %d", isa,
				kernel.Peak(isa, 1, 200*time.Millisecond), kernel.Peak(isa, r.threads, 200*time.Millisecond), r.threads))
		}
	}
	fmt.Fprintf(r.out, "%s, %d processors, %s/%s, %s. Peak of fused multiply-adds: %s. %d turns of each side.\n",
		model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), strings.Join(tiers, "; "), r.pairs)
}

// table is a Markdown table that grows row by row.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes a section, unless none of its rows was asked for.
func (t *table) print(w io.Writer, title, text string) {
	if len(t.rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### %s\n\n%s\n\n| %s |\n|%s\n", title, text, strings.Join(t.head, " | "), strings.Repeat(" --- |", len(t.head)))
	for _, row := range t.rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
}

func millis(times [][]time.Duration) string {
	return millisOf(peers.Quantile(flat(times), 0.5))
}

func millisOf(d time.Duration) string {
	ms := float64(d) / 1e6
	switch {
	case ms < 1:
		return fmt.Sprintf("%.3f", ms)
	case ms < 100:
		return fmt.Sprintf("%.2f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

func flat(times [][]time.Duration) (all []time.Duration) {
	for _, t := range times {
		all = append(all, t...)
	}
	return all
}

// ratio is how many times faster we are, with its interval.
func ratio(r peers.Result) string {
	lo, hi := r.Interval()
	return fmt.Sprintf("**%.2f** (%.2f to %.2f)", r.Ratio(), lo, hi)
}
