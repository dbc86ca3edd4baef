package peers

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// affine writes a model that computes relu(x*w + b) for w of 3 x 2, and softmax of that
// where asked.
func affine(t *testing.T, softmax bool) string {
	t.Helper()
	info := func(name string, n int64) *onnxpb.ValueInfoProto {
		return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: 1, Shape: &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{
				{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "N"}},
				{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: n}}}}}}}}
	}
	m := &onnx.Model{
		Weights: map[string][]float32{"w": {1, 2, 3, 4, 5, 6}, "b": {-10, 1}},
		Proto: &onnxpb.ModelProto{IrVersion: 8, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}, Graph: &onnxpb.GraphProto{
			Name: "affine", Input: []*onnxpb.ValueInfoProto{info("x", 3)}, Output: []*onnxpb.ValueInfoProto{info("y", 2)},
			Initializer: []*onnxpb.TensorProto{{Name: "w", DataType: 1, Dims: []int64{3, 2}}, {Name: "b", DataType: 1, Dims: []int64{2}}},
			Node: []*onnxpb.NodeProto{
				{OpType: "Gemm", Input: []string{"x", "w", "b"}, Output: []string{"h"}},
				{OpType: "Relu", Input: []string{"h"}, Output: []string{"y"}},
			}}},
	}
	if softmax {
		m.Proto.Graph.Node[1].OpType = "Softmax"
	}
	if p := onnx.Verify(m); len(p) > 0 {
		t.Fatal(p)
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "affine.onnx")
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// running skips the test if the peer is not installed, and ends it afterwards.
func running(t *testing.T, p *Peer, err error) *Peer {
	t.Helper()
	var missing *MissingError
	if errors.As(err, &missing) && !(Required() && strings.HasPrefix(missing.What, "ONNX")) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testForward(t *testing.T, p *Peer) {
	must(t, p.Threads(2))
	must(t, p.Fix("N", 2))
	took, err := p.Load(affine(t, false))
	must(t, err)
	if took <= 0 {
		t.Errorf("loading took %v", took)
	}
	must(t, p.Input(Tensor{Name: "x", Shape: []int{2, 3}, Data: []float32{1, 1, 1, -1, 0, 2}}))
	times, err := p.Run(5)
	must(t, err)
	for _, d := range times {
		if d <= 0 || d > 10*time.Second {
			t.Errorf("a run of %v", d)
		}
	}
	out, err := p.Outputs()
	must(t, err)
	if len(out) != 1 || out[0].Name != "y" || len(out[0].Shape) != 2 || out[0].Shape[0] != 2 || out[0].Shape[1] != 2 {
		t.Fatalf("outputs %+v", out)
	}
	// Columns of w: 1 3 5 and 2 4 6.
	want := []float32{0, 13, 0, 11}
	for i, v := range out[0].Data {
		if v != want[i] {
			t.Errorf("y = %v, want %v", out[0].Data, want)
			break
		}
	}
	if rss, err := p.PeakRSS(); err != nil || rss < 1<<20 {
		t.Errorf("peak memory %d, %v", rss, err)
	}
	// An error of a model leaves the peer usable.
	if _, err := p.Load(filepath.Join(t.TempDir(), "missing.onnx")); err == nil {
		t.Error("a missing file loads")
	}
	must(t, p.Pause())
	_, err = p.Load(affine(t, false))
	must(t, err)
	if _, err := p.Outputs(); err == nil {
		t.Error("there are outputs without a run")
	}
}

// TestHoldToAVX2 changes what stands behind every XGETBV that asks, and nothing else.
func TestHoldToAVX2(t *testing.T) {
	xgetbv := "\x0f\x01\xd0"
	lib := []byte("a" + xgetbv + "\x89\xc0b" + xgetbv + "c" + xgetbv + "\x89\xc0")
	must(t, HoldToAVX2(lib))
	if want := "a" + xgetbv + "\x24\x1fb" + xgetbv + "c" + xgetbv + "\x24\x1f"; string(lib) != want {
		t.Errorf("got %q, want %q", lib, want)
	}
	if err := HoldToAVX2([]byte("a" + xgetbv)); err == nil {
		t.Error("a library that asks in no known way is accepted")
	}
}

func TestONNXRuntime(t *testing.T) {
	for _, v := range []string{ORT, OldORT, ORTHeldToAVX2} {
		t.Run(v, func(t *testing.T) {
			p, err := StartORT(v)
			p = running(t, p, err)
			if got, err := p.command("version"); err != nil || got != strings.TrimSuffix(v, "-avx2") {
				t.Errorf("version %q, %v", got, err)
			}
			testForward(t, p)
		})
	}
}

func TestOpenVINO(t *testing.T) {
	for _, avx2 := range []bool{false, true} {
		p, err := StartOpenVINO(avx2)
		p = running(t, p, err)
		if got, err := p.command("version"); err != nil || !strings.HasPrefix(got, OpenVINO) {
			t.Errorf("version %q, %v", got, err)
		}
		testForward(t, p)
	}
}

func TestPyTorch(t *testing.T) {
	versions := []string{Torch}
	if longtest.Enabled() {
		versions = append(versions, "debian")
	}
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			p, err := StartTorch(v)
			p = running(t, p, err)
			testForward(t, p)
			must(t, p.Train(true))
			_, err = p.Load(affine(t, true))
			must(t, err)
			must(t, p.Input(Tensor{Name: "x", Shape: []int{2, 3}, Data: []float32{.1, .2, .3, -.1, 0, .2}}))
			must(t, p.Input(Tensor{Name: "labels", Shape: []int{2}, Ints: []int64{0, 1}}))
			must(t, p.Backward())
			grads, err := p.Grads()
			must(t, err)
			// Cross-entropy's gradient at the logits is softmax - one-hot, over the batch.
			logits := [2][2]float64{{.1 + .6 + 1.5 - 10, .2 + .8 + 1.8 + 1}, {-.1 + 1 - 10, -.2 + 1.2 + 1}}
			var db [2]float64
			for i, l := range logits {
				p1 := 1 / (1 + math.Exp(l[0]-l[1]))
				db[0] += (1 - p1 - float64(1-i)) / 2
				db[1] += (p1 - float64(i)) / 2
			}
			found := false
			for _, g := range grads {
				if g.Name == "b" {
					found = true
					for i := range db {
						if math.Abs(float64(g.Data[i])-db[i]) > 1e-6 {
							t.Errorf("db = %v, want %v", g.Data, db)
						}
					}
				}
			}
			if !found {
				t.Errorf("no gradient of b among %d", len(grads))
			}
			// SGD with momentum: the first step is lr times the gradient.
			_, err = p.Step(1)
			must(t, err)
			w, err := p.Weights()
			must(t, err)
			for _, x := range w {
				if x.Name == "b" && math.Abs(float64(x.Data[0])-(-10-0.01*db[0])) > 1e-5 {
					t.Errorf("b after a step: %v", x.Data)
				}
			}
		})
	}
}

func TestMissingPeerNamesItsInstallation(t *testing.T) {
	t.Setenv("INCC_PEERS", t.TempDir())
	_, err := StartORT(ORT)
	var missing *MissingError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "go run ./backends/cpu/peers/install") {
		t.Errorf("%v", err)
	}
}

func TestInterleave(t *testing.T) {
	p, err := StartORT(ORT)
	p = running(t, p, err)
	_, err = p.Load(affine(t, false))
	must(t, err)
	must(t, p.Input(Tensor{Name: "x", Shape: []int{1, 3}, Data: []float32{1, 1, 1}}))
	inTurn := false
	theirs := func(n int) ([]time.Duration, error) {
		inTurn = true
		return p.Run(n)
	}
	r, err := Interleave(Plan{Pairs: 6, Runs: 2, Warm: 1}, Timed(func() error {
		if inTurn && !p.stopped {
			t.Error("the peer may run in our turn")
		}
		return nil
	}), p, theirs)
	must(t, err)
	if len(r.Ratios) != 6 || len(r.Ours) != 12 || len(r.Theirs) != 12 || r.Ratio() <= 1 {
		t.Errorf("%d ratios, %v", len(r.Ratios), r)
	}
}

func TestColdStart(t *testing.T) {
	x := Tensor{Name: "x", Shape: []int{1, 3}, Data: []float32{1, 1, 1}}
	cold, err := ColdStartORT(ORT, affine(t, false), 1, x)
	var missing *MissingError
	if errors.As(err, &missing) && !Required() {
		t.Skip(err)
	}
	must(t, err)
	if cold.Time <= 0 || cold.Time > time.Minute || cold.PeakRSS < 1<<20 || len(cold.Outputs) != 1 {
		t.Errorf("%+v", cold)
	}
}

func TestQuantiles(t *testing.T) {
	v := []float64{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 1: 5, 0.25: 2, 0.9: 4.6} {
		if got := Quantile(v, q); math.Abs(got-want) > 1e-12 {
			t.Errorf("quantile %g = %g, want %g", q, got, want)
		}
	}
	// For 30 pairs the interval runs from the 10th to the 21st (binomial tables).
	var r Result
	for i := range 30 {
		r.Ratios = append(r.Ratios, float64(i+1))
	}
	if lo, hi := r.Interval(); lo != 10 || hi != 21 {
		t.Errorf("interval %g to %g, want 10 to 21", lo, hi)
	}
}
