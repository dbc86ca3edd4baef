package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:      "bench",
		Usage:     "measure the speed of a network, and compare it with ONNX Runtime",
		UsageText: "incc bench SPEC [--batch N] [--compare ort] [--layers]",
		Description: `Example:

   incc bench mnist/nin
   incc bench mnist/nin --layers --batch 4

Prints percentiles of the time of a batch and the rate in GFLOP/s, for which all
convolutions count as direct. The rate is compared with the peak of fused
multiply-adds, which is measured before and after (the larger value is used).
--compare ort runs incc and ONNX Runtime in turns, the latter on the model that incc
compile writes. The ratio is the median of pairs of runs. The command go run
./backends/cpu/peers/install installs ONNX Runtime.`,
		Flags: append(append([]cli.Flag{
			&cli.IntFlag{Name: "batch", Value: 1, Usage: "`N` images at once"},
			&cli.StringSliceFlag{Name: "compare", Usage: "compare with `PEER`: ort, or a version such as ort-1.20.1; can be repeated"},
			&cli.IntFlag{Name: "pairs", Value: 30, Usage: "compare `N` pairs of runs"},
			&cli.DurationFlag{Name: "time", Value: 2 * time.Second, Usage: "measure for `DURATION`, if nothing is compared"},
			&cli.BoolFlag{Name: "layers", Usage: "print the time of each step"},
			&cli.StringFlag{Name: "tune", Usage: "time every algorithm for every convolution and write the fastest ones to `FILE`, for --tuning"},
			&cli.BoolFlag{Name: "benchstat", Usage: "print lines that benchstat reads"},
			&cli.StringFlag{Name: "trace", Usage: "write a trace of one run to `FILE`, for ui.perfetto.dev or chrome://tracing"},
			profileFlag,
			defineFlag, jsonFlag, seedFlag, weightsFlag, mapFlag, roomFlag,
		}, executorFlags()...), append(pipelineFlags(), modelFlags()...)...),
		Action: bench,
	}
}

// benchResult holds the results of a benchmark. All times are of one batch, in
// milliseconds.
type benchResult struct {
	Name       string       `json:"name"`
	Batch      int          `json:"batch"`
	Threads    int          `json:"threads"`
	ISA        string       `json:"isa"`
	Runs       int          `json:"runs"`
	P50        float64      `json:"p50_ms"`
	P90        float64      `json:"p90_ms"`
	P99        float64      `json:"p99_ms"`
	GFLOPS     float64      `json:"gflops"`
	Peak       float64      `json:"peak_gflops"`
	PeakShare  float64      `json:"peak_share"`
	ArenaBytes int64        `json:"arena_bytes"`
	Weights    int64        `json:"weight_bytes"`
	Allocs     float64      `json:"allocs"`
	Compare    []peerResult `json:"compare,omitempty"`
	// Plan and Seconds are the steps and the time of each, with --layers.
	Plan    *plan.Plan `json:"plan,omitempty"`
	Seconds []float64  `json:"seconds,omitempty"`
}

// peerResult compares incc with another runtime. Ratio is the median of the ratios
// (time of the peer / time of incc) of the pairs; Low and High are its 95 %
// confidence interval.
type peerResult struct {
	Peer  string  `json:"peer"`
	P50   float64 `json:"p50_ms"`
	Ours  float64 `json:"ours_p50_ms"`
	Ratio float64 `json:"ratio"`
	Low   float64 `json:"ratio_low"`
	High  float64 `json:"ratio_high"`
	Pairs int     `json:"pairs"`
}

// checkBench refuses flags that exclude each other or would have no effect.
func checkBench(c *cli.Context) error {
	if c.Bool("json") && c.Bool("benchstat") {
		return usagef("--json and --benchstat exclude each other")
	}
	if c.Bool("benchstat") && c.Bool("layers") {
		return usagef("--benchstat and --layers exclude each other: benchstat does not read the table")
	}
	if len(c.StringSlice("compare")) == 0 {
		return worksOnly(c, "with --compare", "pairs")
	}
	return worksOnly(c, "without --compare", "time")
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func bench(c *cli.Context) error {
	if toStdout(c.String("tune")) && toStdout(c.String("trace")) {
		return usagef("--tune and --trace cannot both go to standard output")
	}
	if err := checkBench(c); err != nil {
		return err
	}
	out := messages(c, c.String("tune"), c.String("trace"))
	g, o, err := loadForExecutor(c)
	if err != nil {
		return err
	}
	if file := c.String("tune"); file != "" {
		t, err := cpu.Tune(g, o, 20)
		if err != nil {
			return err
		}
		if err := writeOutput(c, file, jsonFile, func(w io.Writer) error { return writeJSON(w, t) }); err != nil {
			return err
		}
		note := out
		if c.Bool("json") {
			note = c.App.ErrWriter
		}
		sayf(note, "wrote %s: %s", diag.Name(file), diag.Count(len(t.Algorithm), "convolution"))
		o.Tuning = t
	}
	p, err := compileRoom(c, g, o)
	if err != nil {
		return err
	}
	s := p.NewSession()
	in, results := operands(g, o.Batch, o.Seed)
	once := func() error { return s.Run(in, results) }
	for range 3 {
		if err := once(); err != nil {
			return err
		}
	}
	for _, y := range results[0] {
		if math.IsNaN(float64(y)) {
			return &numericalError{"the network computes NaN for an input of noise: use trained weights (--weights FILE)"}
		}
	}
	stop, err := profile(c)
	if err != nil {
		return err
	}
	defer stop()
	r := benchResult{Name: g.Name, Batch: o.Batch, Threads: p.Threads(), ISA: p.ISA().String(),
		ArenaBytes: 4 * int64(p.Plan().Arena), Weights: 4 * int64(p.Plan().Packed), Allocs: allocs(once)}
	r.Peak = kernel.Peak(p.ISA(), p.Threads(), 150*time.Millisecond)
	var times []time.Duration
	if names := c.StringSlice("compare"); len(names) > 0 {
		for _, name := range names {
			res, ours, err := compare(c, c.Args().First(), name, in, once)
			if err != nil {
				return err
			}
			times = append(times, ours...)
			r.Compare = append(r.Compare, res)
		}
	} else {
		for end := time.Now().Add(c.Duration("time")); time.Now().Before(end) || len(times) < 10; {
			t := time.Now()
			if err := once(); err != nil {
				return err
			}
			times = append(times, time.Since(t))
		}
	}
	r.Peak = max(r.Peak, kernel.Peak(p.ISA(), p.Threads(), 150*time.Millisecond))
	r.Runs = len(times)
	r.P50, r.P90, r.P99 = ms(peers.Quantile(times, .5)), ms(peers.Quantile(times, .9)), ms(peers.Quantile(times, .99))
	// The rate counts the MACs of the spec before any pass, as direct convolution.
	spec, _, err := load(c, c.Args().First())
	if err != nil {
		return err
	}
	r.GFLOPS = 2 * float64(ir.Summarize(spec).MACs) * float64(o.Batch) / (r.P50 * 1e6)
	r.PeakShare = r.GFLOPS / r.Peak
	var steps []float64
	if c.Bool("layers") {
		if steps, err = s.StepTimes(in, results, 30); err != nil {
			return err
		}
		if c.Bool("json") {
			r.Plan, r.Seconds = p.Plan(), steps
		}
	}
	if err := writeBench(c, out, r); err != nil {
		return err
	}
	if c.Bool("layers") && !c.Bool("json") {
		fmt.Fprintln(out)
		if err := p.Plan().Table(out, plan.TableOptions{Measured: steps, Peak: r.Peak, Columns: columns(out)}); err != nil {
			return err
		}
	}
	if file := c.String("trace"); file != "" {
		events, err := s.RunTraced(in, results)
		if err != nil {
			return err
		}
		return writeOutput(c, file, jsonFile, func(w io.Writer) error { return writeTrace(w, p.Plan(), events) })
	}
	return nil
}

// allocs returns the average number of heap allocations of a call of f.
func allocs(f func() error) float64 {
	const runs = 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		if f() != nil {
			return math.NaN()
		}
	}
	runtime.ReadMemStats(&after)
	return math.Floor(float64(after.Mallocs-before.Mallocs) / runs)
}

func writeBench(c *cli.Context, w io.Writer, r benchResult) error {
	switch {
	case c.Bool("json"):
		return writeLineJSON(w, r)
	case c.Bool("benchstat"):
		fmt.Fprintf(w, "BenchmarkInfer/net=%s/batch=%d/isa=%s-%d %d %.0f ns/op %.1f GFLOP/s %.4f peak-share %.0f allocs/op\n",
			r.Name, r.Batch, r.ISA, r.Threads, r.Runs, r.P50*1e6, r.GFLOPS, r.PeakShare, r.Allocs)
		for _, p := range r.Compare {
			fmt.Fprintf(w, "BenchmarkInfer/net=%s/batch=%d/peer=%s-%d %d %.0f ns/op\n", r.Name, r.Batch, p.Peer, r.Threads, p.Pairs, p.P50*1e6)
		}
		return nil
	}
	sayf(w, "%s, batch %d, %d threads, %s", r.Name, r.Batch, r.Threads, r.ISA)
	sayf(w, "  p50 %.3f ms, p90 %.3f, p99 %.3f over %d runs", r.P50, r.P90, r.P99, r.Runs)
	say(w, "  "+rateText(r))
	sayf(w, "  arena %s, weights %s, %.0f allocations a run", bytesText(r.ArenaBytes), bytesText(r.Weights), r.Allocs)
	for _, p := range r.Compare {
		sayf(w, "  %s: p50 %.3f ms against our %.3f in turns; ratio %.2f (95 %%: %.2f to %.2f, %d pairs)", p.Peer, p.P50, p.Ours, p.Ratio, p.Low, p.High, p.Pairs)
	}
	return nil
}

// rateText is the rate, with its share of the peak where that says something: Winograd convolutions
// multiply less than the rate counts, integers have a peak of their own, and other programs lower
// the peak while it is measured, so that the share can be above 100 %.
func rateText(r benchResult) string {
	if r.PeakShare > 1 {
		return fmt.Sprintf("%.1f GFLOP/s; the peak of float32 multiply-adds, %.1f, is no measure of this network", r.GFLOPS, r.Peak)
	}
	return fmt.Sprintf("%.1f GFLOP/s, %.1f %% of the peak of %.1f", r.GFLOPS, 100*r.PeakShare, r.Peak)
}

// compare times a peer and incc in turns. The peer runs the model that incc compile
// writes. It also returns the times of incc.
func compare(c *cli.Context, arg, name string, in [][]float32, once func() error) (peerResult, []time.Duration, error) {
	var none peerResult
	versionOf := map[string]string{"ort": peers.ORT, "ort-old": peers.OldORT}
	v, ok := versionOf[name]
	if !ok {
		if len(name) < 5 || name[:4] != "ort-" {
			return none, nil, usagef("unknown peer %s (want ort, ort-old or ort-VERSION)", diag.Quote(name))
		}
		v = name[4:]
	}
	g, src, err := load(c, arg)
	if err != nil {
		return none, nil, err
	}
	if !src.trained(c) {
		steady(g)
	}
	if err := fillWeights(c, g); err != nil {
		return none, nil, err
	}
	if _, err := passes.Run(g, passes.Level(1), passes.Options{}); err != nil {
		return none, nil, err
	}
	dir, err := os.MkdirTemp("", "incc-bench-*")
	if err != nil {
		return none, nil, err
	}
	defer os.RemoveAll(dir)
	batch := c.Int("batch")
	path := filepath.Join(dir, "model.onnx")
	files, err := onnx.Backend{Path: "model.onnx", Version: version, Seed: c.Int64("seed"), Batch: batch}.Emit(g)
	if err == nil {
		err = writeFiles(writeFile, dir, files)
	}
	if err != nil {
		return none, nil, err
	}
	peer, err := peers.StartORT(v)
	if err != nil {
		return none, nil, err
	}
	defer peer.Close()
	threads := c.Int("threads")
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	if err := peer.Threads(threads); err != nil {
		return none, nil, err
	}
	if _, err := peer.Load(path); err != nil {
		return none, nil, err
	}
	for i, v := range g.Inputs {
		if err := peer.Input(peers.Tensor{Name: v.Name, Shape: v.Type.Shape.Bind(batch), Data: in[i]}); err != nil {
			return none, nil, err
		}
	}
	pl := peers.Default
	pl.Pairs = c.Int("pairs")
	res, err := peers.Interleave(pl, peers.Timed(once), peer, peer.Run)
	if err != nil {
		return none, nil, err
	}
	if len(res.Ours) == 0 {
		return none, nil, errors.New("no pairs were run")
	}
	lo, hi := res.Interval()
	return peerResult{Peer: peer.Name, P50: ms(peers.Quantile(res.Theirs, .5)), Ours: ms(peers.Quantile(res.Ours, .5)), Ratio: res.Ratio(), Low: lo, High: hi, Pairs: len(res.Ratios)}, res.Ours, nil
}

// writeTrace writes the events as JSON in the trace event format of Chrome, with one
// row for each worker.
func writeTrace(w io.Writer, p *plan.Plan, events []cpu.Event) error {
	type event struct {
		Name string         `json:"name"`
		Cat  string         `json:"cat"`
		Ph   string         `json:"ph"`
		Ts   float64        `json:"ts"`
		Dur  float64        `json:"dur"`
		Pid  int            `json:"pid"`
		Tid  int            `json:"tid"`
		Args map[string]any `json:"args"`
	}
	list := []event{}
	for _, e := range events {
		s := p.Steps[e.Step]
		list = append(list, event{s.Name, s.Algo, "X", float64(e.Start) / 1e3, float64(e.End-e.Start) / 1e3, 1, e.Worker,
			map[string]any{"step": e.Step, "shape": s.Shape.String(), "MACs": s.Cost.MACs, "algorithm": s.Algo}})
	}
	return writeLineJSON(w, map[string]any{"traceEvents": list, "displayTimeUnit": "ms"})
}
