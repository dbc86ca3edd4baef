package train

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/passes/autodiff"
)

func cpuEngine(t *testing.T, o cpu.Options) *CPU {
	t.Helper()
	opt := autodiff.FromRecipe(&testRecipe)
	opt.Seed = 3
	e, err := NewCPU(tiny(t), opt, 8, 3, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The executor trains as the reference interpreter does, with the same params.
func TestCPUAgainstReference(t *testing.T) {
	fs := newMemFS()
	ref, exec := testEngine(t), cpuEngine(t, cpu.Options{})
	if !slices.EqualFunc(ref.Params(), exec.Params(), func(a, b Param) bool { return a.Name == b.Name && a.Shape.Equal(b.Shape) && a.Slot == b.Slot }) {
		t.Fatalf("the engines hold %v and %v", ref.Params(), exec.Params())
	}
	c := testConfig(t, fs)
	want, err := Run(context.Background(), ref, c)
	if err != nil {
		t.Fatal(err)
	}
	c.FS = newMemFS()
	got, err := Run(context.Background(), exec, c)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want.Rows {
		g := got.Rows[i]
		if math.Abs(g.TrainLoss-w.TrainLoss) > 1e-4*w.TrainLoss || math.Abs(g.ValLoss-w.ValLoss) > 1e-4*w.ValLoss || g.ValAcc != w.ValAcc || g.TrainAcc != w.TrainAcc {
			t.Errorf("epoch %d: %+v, want %+v", i+1, g, w)
		}
	}
	a, err := readAll(ref)
	if err != nil {
		t.Fatal(err)
	}
	b, err := readAll(exec)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range ref.Params() {
		most, off := 0.0, 0.0
		for j := range a[i] {
			most = max(most, math.Abs(float64(a[i][j])))
			off = max(off, math.Abs(float64(a[i][j]-b[i][j])))
		}
		if !(off <= 1e-4*most+1e-6) {
			t.Errorf("%s differs by %g of %g after %d steps", p.Name, off, most, want.Global)
		}
	}
}

// Interrupted anywhere, on any number of threads, with either instruction set,
// a run ends with the same bits.
func TestCPUResumeToTheSameBits(t *testing.T) {
	e := cpuEngine(t, cpu.Options{Threads: 2})
	if _, err := Run(context.Background(), e, testConfig(t, newMemFS())); err != nil {
		t.Fatal(err)
	}
	want := fingerprint(t, e)
	isas := []string{""}
	best, err := kernel.Best()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range kernel.Available() {
		if i != kernel.Portable && best != kernel.Portable { // INCC_ISA may ask for it; its bits are others
			isas = append(isas, i.String())
		}
	}
	for k, stops := range [][]int64{{1}, {6}, {7}, {17}, {3, 4, 5, 11, 12}} {
		fs := newMemFS()
		for i := 0; i <= len(stops); i++ {
			e = cpuEngine(t, cpu.Options{Threads: 1 + (k+i)%4, ISA: isas[(k+i)%len(isas)]})
			c := testConfig(t, fs)
			c.Resume = i > 0
			if i < len(stops) {
				c.stopHere = func(g int64) bool { return g == stops[i] }
			}
			if _, err := Run(context.Background(), e, c); i < len(stops) && !errors.Is(err, ErrInterrupted) || i == len(stops) && err != nil {
				t.Fatalf("stops %v, part %d: %v", stops, i, err)
			}
		}
		if got := fingerprint(t, e); got != want {
			t.Errorf("interrupted at %v the run ends with other weights", stops)
		}
	}
}

// A step whose loss is no number leaves everything as it was, and says where.
func TestCPUNonFinite(t *testing.T) {
	e := cpuEngine(t, cpu.Options{})
	images, labels := make([]float32, 8*36), make([]int32, 8)
	if s, err := e.Step(images, labels, .1, 0); err != nil || !s.Finite() {
		t.Fatal(s, err)
	}
	before := fingerprint(t, e)
	images[40] = float32(math.Inf(1))
	s, err := e.Step(images, labels, .1, 1)
	if err != nil || s.Finite() || s.Layer == "" {
		t.Fatalf("%+v, %v", s, err)
	}
	if fingerprint(t, e) != before {
		t.Error("the weights have changed")
	}
	images[40] = 0
	if s, err := e.Step(images, labels, .1, 1); err != nil || !s.Finite() {
		t.Errorf("afterwards: %+v, %v", s, err)
	}
	if fingerprint(t, e) == before {
		t.Error("a good step changes nothing")
	}
	if _, err := e.Step(images, []int32{0, 1, 2, 3, 0, 0, 0, 0}, .1, 1); err == nil {
		t.Error("a label of no class is taken")
	}
	if n := testing.AllocsPerRun(20, func() {
		if _, err := e.Step(images, labels, .1, 2); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a step allocates %g times", n)
	}
}
