// Command report measures the speed of incc beside ONNX Runtime and PyTorch and
// prints the results as Markdown tables.
//
//	go run ./backends/cpu/peers/report -list
//	go run ./backends/cpu/peers/report -only '^inference/googlenet'
//	go run ./backends/cpu/peers/report -write backends/cpu/peers/report/README.md
//
// -list names the rows, as section/row; -only REGEXP chooses some of them. -write FILE
// replaces the sections of FILE that were measured completely and leaves the others as
// they are. The results of incc's own machine are in README.md of this folder.
//
// All rows take about a quarter of an hour on two cores, which should have nothing else
// to do; those with PyTorch (torch/, training/) take as long again. -quick takes three
// turns instead of thirty, for a look.
//
// Both programs run in one session and take turns, and the processor's peak is measured
// around each row. Weights are scaled until the activations of every layer neither fade
// nor grow, because denormal numbers would cost time. ONNX Runtime runs the model that
// incc compile writes. Programs whose results differ are not timed.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
)

// report is one run of the command.
type report struct {
	out        io.Writer
	only       *regexp.Regexp
	list       bool
	quick      bool
	pairs      int
	threads    int
	dir        string // for models
	incc       string // the command, once command has built it
	models     string // the folder of the models of section torchvision
	timmModels string // the folder of those of section timm
	python     string // makes them; "" for nothing
	plot       string // path of the figure of section growth, without an extension
	readme     string // the file whose sections are replaced, "" for none
	rows       map[string]progress
	weights    map[string]weights
	errs       []error // of rows that are missing from the tables
}

func main() {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "cold-") {
		if err := coldChild(os.Args[1], os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	r := &report{weights: map[string]weights{}, rows: map[string]progress{}}
	only := flag.String("only", "", "measure the rows whose section/name matches `REGEXP`")
	file := flag.String("o", "", "write the tables to `FILE` as well")
	flag.BoolVar(&r.quick, "quick", false, "take three turns instead of -pairs")
	flag.BoolVar(&r.list, "list", false, "list the rows and measure nothing")
	flag.IntVar(&r.pairs, "pairs", peers.Default.Pairs, "take `N` turns of each side")
	flag.IntVar(&r.threads, "threads", runtime.GOMAXPROCS(0), "use `N` threads, and one")
	flag.StringVar(&r.plot, "plot", "", "draw the growth of time as `PATH`.png")
	flag.StringVar(&r.readme, "write", "", "replace the sections of the Markdown `FILE` that are measured completely")
	flag.StringVar(&r.models, "models", filepath.Join(os.TempDir(), "incc-torchvision"), "keep the models of section torchvision in `DIR`")
	flag.StringVar(&r.timmModels, "timm", filepath.Join(os.TempDir(), "incc-timm"), "keep the models of section timm in `DIR`")
	flag.StringVar(&r.python, "python", "", "make these models with `PYTHON`, which has torch, torchvision, timm, onnx and onnxruntime; without it, models in -models are measured")
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
		return fmt.Errorf("-pairs is %d, -threads %d (want 1 or more)", r.pairs, r.threads)
	}
	if r.dir, err = os.MkdirTemp("", "incc-report-*"); err != nil {
		return err
	}
	defer os.RemoveAll(r.dir)
	if r.readme != "" {
		if _, err := os.Stat(r.readme); err != nil {
			return err // known before an hour of measurements
		}
		if r.plot == "" {
			r.plot = filepath.Join(filepath.Dir(r.readme), "growth")
		}
	}
	var all bytes.Buffer
	r.out = io.MultiWriter(os.Stdout, &all)
	if !r.list {
		fmt.Fprintln(r.out, r.machine())
	}
	for _, name := range sections {
		begin := time.Now()
		if err := r.measure(name); err != nil {
			r.errs = append(r.errs, err)
		}
		if d := time.Since(begin); d > time.Second {
			fmt.Fprintf(os.Stderr, "%s: %.0f s\n", name, d.Seconds())
		}
	}
	if file != "" && !r.list {
		r.errs = append(r.errs, os.WriteFile(file, all.Bytes(), 0o666))
	}
	return errors.Join(r.errs...)
}

// row measures one row if it is wanted. A row that fails is reported and left out; the
// others are still printed.
func (r *report) row(section, name string, measure func() error) {
	p := r.rows[section]
	p.rows++
	defer func() { r.rows[section] = p }()
	if !r.wants(section, name) {
		return
	}
	if err := measure(); err != nil {
		err = fmt.Errorf("%s/%s: %w", section, name, err)
		fmt.Fprintln(os.Stderr, err)
		r.errs = append(r.errs, err)
		return
	}
	p.measured++
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

// machine names the processor, its vector tiers with their peaks, and the versions.
func (r *report) machine() string {
	var tiers []string
	for _, isa := range kernel.Available() {
		if isa != kernel.Portable {
			tiers = append(tiers, fmt.Sprintf("%v %.0f GFLOP/s on one thread, %.0f on %d", isa,
				kernel.Peak(isa, 1, 200*time.Millisecond), kernel.Peak(isa, r.threads, 200*time.Millisecond), r.threads))
		}
	}
	return fmt.Sprintf("%s. Peak of fused multiply-adds: %s. %d turns of each side.", processor(), strings.Join(tiers, "; "), r.pairs)
}

// processor names the processor, the system and the version of Go.
func processor() string {
	model := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := processorName(string(b)); m != "" {
			model = m
		}
	}
	return fmt.Sprintf("%s, %d processors, %s/%s, %s", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// processorName returns the name in the text of /proc/cpuinfo with family and model,
// because a cloud's name, as "AMD EPYC", does not say which generation it is.
func processorName(cpuinfo string) string {
	first, _, _ := strings.Cut(cpuinfo, "\n\n")
	field := map[string]string{}
	for _, line := range strings.Split(first, "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok {
			field[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	name := field["model name"]
	if name != "" && field["cpu family"] != "" && field["model"] != "" {
		name += fmt.Sprintf(" (family %s, model %s)", field["cpu family"], field["model"])
	}
	return name
}

// table is a Markdown table that grows row by row.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String is the table as Markdown.
func (t *table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(t.head, " | "), strings.Repeat(" --- |", len(t.head)))
	for _, row := range t.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	return b.String()
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
