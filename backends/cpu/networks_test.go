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
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs/spectest"
)

// load builds a network of specs/ and runs the passes of a level over it.
func load(t testing.TB, name string, level int) *ir.Graph {
	t.Helper()
	g := spectest.Load(t, name)
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
		var g *ir.Graph
		if os.Getenv("INCC_TRAIN") != "" {
			g = loadTraining(t, name)
		} else {
			g = load(t, name, env("INCC_LEVEL", 2))
		}
		begin := time.Now()
		p, err := Compile(g, Options{Batch: batch, Threads: threads, Direct: os.Getenv("INCC_DIRECT") != "", oneByOne: os.Getenv("INCC_ONEBYONE") != "", lanes: n16Choice(env("INCC_LANES", 0))})
		if err != nil {
			t.Fatal(err)
		}
		compile := time.Since(begin)
		if err := plan.Check(p.Plan()); err != nil {
			t.Error(err)
		}
		s := p.NewSession()
		_, in := draw(g, batch, 1)
		if os.Getenv("INCC_TRAIN") != "" {
			_, in = trainInputs(g, batch, 1)
		}
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

// TestNetworks compares networks of full size, at the level that people run, with
// the reference on the graph as the spec has it: outputs and labelled parts.
func TestNetworks(t *testing.T) {
	names, levels := []string{"lenet5", "nin_cifar10", "googlenet"}, []int{2}
	if longtest.Enabled() {
		levels = []int{0, 2}
		names = append(names, "googlenet_bn", "inception_v2", "inception_v3", "maxout_cifar10", "maxout_mnist_pi", "mnist/nin", "mnist/inception_v1", "inception_v4", "inception_resnet_v2", "vgg16", "alexnet")
	}
	for _, name := range names {
		t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) {
			for _, level := range levels {
				g := load(t, name, level)
				begin := time.Now()
				wide, in := draw(g, 1, 1)
				var keep []*ir.Value
				for _, part := range g.Parts {
					keep = append(keep, part.Out)
				}
				want, err := ref.Run(g, wide, ref.Options{Keep: keep})
				if err != nil {
					t.Fatal(err)
				}
				took := time.Since(begin)
				var first [][]float32
				for _, opt := range []Options{{Direct: true}, {}, {Threads: 3, ISA: "avx2"}} {
					opt.KeepParts = true
					if opt.ISA != "" && !slices.ContainsFunc(kernel.Available(), func(i kernel.ISA) bool { return i.String() == opt.ISA }) {
						continue
					}
					p, err := Compile(g, opt)
					if err != nil {
						t.Fatal(err)
					}
					if err := plan.Check(p.Plan()); err != nil {
						t.Error(err)
					}
					s := p.NewSession()
					out := outputs(p, 1)
					if err := s.Run(in, out); err != nil {
						t.Fatal(err)
					}
					worst := 0.0
					for i, v := range g.Outputs {
						worst = max(worst, near(out[i], want[v]))
					}
					for _, part := range g.Parts {
						worst = max(worst, near(s.Part(part.Name, 1), want[part.Out]))
					}
					tol := directTol
					if !opt.Direct {
						tol = winogradTol
					}
					t.Logf("-O%d %+v: %v, differs by %.2g (reference: %v)", level, opt, p.ISA(), worst, took.Round(time.Millisecond))
					if worst > tol {
						t.Errorf("-O%d %+v: differs by %.3g of the largest", level, opt, worst)
					}
					if opt.Direct || p.ISA() == kernel.Portable { // INCC_ISA may ask for it; its bits are others
						continue
					}
					if first != nil && !sameBits(first[0], out[0]) {
						t.Errorf("-O%d %+v: other bits than on %v", level, opt, kernel.Available())
					}
					first = out
				}
			}
		})
	}
}
