package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/passes/autodiff"
)

// TestSpeed prints how long steps take, beside PyTorch's in turns if INCC_TORCH
// names modes of it (default, channels_last, compile; debian:default for the one
// under /usr/bin/python3):
//
//	INCC_SPEED="nin_cifar10:32 googlenet:16" INCC_TORCH="default channels_last" INCC_THREADS=2 \
//		go test -v -timeout 1h -run TestSpeed ./backends/cpu/train
//
// Both train on the same images by SGD with momentum, without heads. -lrn behind a
// name takes local response normalization out of both. The peak is measured beside every
// figure, in the same minute; on a machine that others use the ratios hold, the
// milliseconds do not.
func TestSpeed(t *testing.T) {
	what := os.Getenv("INCC_SPEED")
	if what == "" {
		t.Skip("INCC_SPEED names no network")
	}
	number := func(name string, def int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return def
	}
	threads := number("INCC_THREADS", runtime.GOMAXPROCS(0))
	for _, w := range strings.Fields(what) {
		name, n, _ := strings.Cut(w, ":")
		batch, err := strconv.Atoi(n)
		if err != nil {
			t.Fatal(err)
		}
		name, lrn := strings.CutSuffix(name, "-lrn")
		g, _, _ := network(t, name)
		if _, err := passes.Run(g, passes.Level(0), passes.Options{Train: true}); err != nil { // without heads
			t.Fatal(err)
		}
		if lrn {
			withoutLRN(t, g)
		}
		opt := autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd", Momentum: 0.9}}
		e, err := NewCPU(g, opt, batch, 1, cpu.Options{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		images, labels := noise(g, batch, e.Classes(), 1)
		step := int64(0)
		once := func() error {
			s, err := e.Step(images, labels, 0.001, step)
			if err == nil && !s.Finite() {
				err = fmt.Errorf("%+v", s)
			}
			step++
			return err
		}
		macs := 3 * float64(ir.Summarize(g).MACs) * float64(batch)
		report := func(times []time.Duration) string {
			at := peers.Quantile(times, .5).Seconds()
			peak := kernel.Peak(kernel.AVX2, threads, 100*time.Millisecond)
			return fmt.Sprintf("%.1f ms a step (least %.1f), %.0f images/s, 3 x MACs at %.0f %% of %.0f GFLOP/s",
				at*1e3, peers.Quantile(times, 0).Seconds()*1e3, float64(batch)/at, 200*macs/at/1e9/peak, peak)
		}
		modes := strings.Fields(os.Getenv("INCC_TORCH"))
		if len(modes) == 0 {
			times, err := peers.Timed(once)(number("INCC_RUNS", 10))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Printf("%s, %d threads: %s\n", w, threads, report(times[1:]))
		}
		for _, mode := range modes {
			version := peers.Torch
			if m, ok := strings.CutPrefix(mode, "debian:"); ok {
				version, mode = "debian", m
			}
			peer := torch(t, g, version, mode, batch, threads, images, labels)
			if peer == nil {
				continue
			}
			p := peers.Plan{Pairs: number("INCC_PAIRS", 8), Runs: 1, Warm: 1, Settle: 5 * time.Millisecond}
			r, err := peers.Interleave(p, peers.Timed(once), peer, peer.Step)
			if err != nil {
				t.Fatal(err)
			}
			lo, hi := r.Interval()
			fmt.Printf("%s, %d threads: %s; %s %s %.1f ms: ratio %.2f (95 %%: %.2f to %.2f, %d pairs)\n", w, threads, report(r.Ours),
				peer.Name, mode, peers.Quantile(r.Theirs, .5).Seconds()*1e3, r.Ratio(), lo, hi, len(r.Ratios))
			_ = peer.Close() // one that was stopped may not end by itself
		}
	}
}

// torch starts PyTorch on a network, ready to step.
func torch(t *testing.T, g *ir.Graph, version, mode string, batch, threads int, images []float32, labels []int32) *peers.Peer {
	t.Helper()
	files, err := onnx.Backend{Path: "model.onnx", Version: "test", Seed: 1, Batch: batch, Dropout: true}.Emit(g)
	if err != nil {
		t.Fatal(err)
	}
	path := ""
	for _, f := range files {
		p := filepath.Join(t.TempDir(), f.Path)
		w, err := os.Create(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteTo(w); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(p, ".onnx") {
			path = p
		}
	}
	peer, err := peers.StartTorch(version)
	var m *peers.MissingError
	if errors.As(err, &m) {
		t.Log(err)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	do := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	do(peer.Threads(threads))
	do(peer.Mode(mode))
	do(peer.Train(true))
	if _, err := peer.Load(path); err != nil {
		t.Fatal(err)
	}
	do(peer.Input(peers.Tensor{Name: g.Inputs[0].Name, Shape: g.Inputs[0].Type.Shape.Bind(batch), Data: images}))
	l := peers.Tensor{Name: "labels", Shape: []int{batch}}
	for _, x := range labels {
		l.Ints = append(l.Ints, int64(x))
	}
	do(peer.Input(l))
	return peer
}

// withoutLRN takes the local response normalizations out: PyTorch is slow there,
// and a comparison should not rest on it.
func withoutLRN(t *testing.T, g *ir.Graph) {
	t.Helper()
	r := ir.Rewrite(g, "test")
	for _, n := range r.Nodes() {
		if _, ok := n.Op.(ops.LRN); ok {
			r.Replace(n.Out[0], n.In[0])
			r.Remove(n)
		}
	}
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
}
