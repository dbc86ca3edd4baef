package cpu

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs"
)

// load builds a network of specs/ and runs the passes of a level over it.
func load(t testing.TB, name string, level int) *ir.Graph {
	t.Helper()
	text, file, ok := specs.Source(name)
	if !ok {
		t.Fatalf("no spec is called %s", name)
	}
	g, diags := dsl.Load(file, text, dsl.Options{})
	if g == nil {
		t.Fatal(diags)
	}
	if _, err := passes.Run(g, passes.Level(level), passes.Options{}); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestMeasure prints where the time of a network goes:
//
//	INCC_MEASURE=googlenet INCC_BATCH=1 INCC_THREADS=1 go test -run Measure ./backends/cpu
func TestMeasure(t *testing.T) {
	names := os.Getenv("INCC_MEASURE")
	if names == "" {
		t.Skip("INCC_MEASURE names no network")
	}
	env := func(name string, def int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return def
	}
	batch, threads := env("INCC_BATCH", 1), env("INCC_THREADS", 1)
	for _, name := range strings.Fields(names) {
		g := load(t, name, env("INCC_LEVEL", 2))
		begin := time.Now()
		p, err := Compile(g, Options{Batch: batch, Threads: threads, Direct: os.Getenv("INCC_DIRECT") != ""})
		if err != nil {
			t.Fatal(err)
		}
		compile := time.Since(begin)
		if err := plan.Check(p.Plan()); err != nil {
			t.Error(err)
		}
		s := p.NewSession()
		_, in := draw(g, batch, 1)
		out := outputs(p, batch)
		var runs []time.Duration
		peak := 0.0
		for i := range env("INCC_RUNS", 30) {
			begin := time.Now()
			if err := s.Run(in, out); err != nil {
				t.Fatal(err)
			}
			runs = append(runs, time.Since(begin))
			if i%10 == 0 {
				peak = max(peak, kernel.Peak(p.ISA(), threads, 20*time.Millisecond))
			}
		}
		slices.Sort(runs)
		times, err := s.StepTimes(in, out, 20)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := p.Plan().Table(&b, plan.TableOptions{Measured: times, Peak: peak}); err != nil {
			t.Fatal(err)
		}
		macs := float64(ir.Summarize(g).MACs) * float64(batch)
		at := runs[len(runs)/2].Seconds()
		if os.Getenv("INCC_TABLE") != "" {
			fmt.Println(b.String())
		}
		fmt.Printf("%s b%d, %d threads: median %.2f ms, least %.2f, %.0f%% of the peak of %.0f GFLOP/s; arena %.1f MB, compiled in %v\n", name, batch, threads, at*1e3,
			runs[0].Seconds()*1e3, 2*macs/at/1e9/peak*100, peak, float64(p.Plan().Arena)*4e-6, compile.Round(time.Millisecond))
	}
}
