// Package onnxtest checks ONNX models in tests with other programs: the checker of the
// Python package onnx, and ONNX Runtime.
//
// Where such a program is not installed, the test is skipped with the command that
// installs it; with INCC_PEERS_REQUIRED=1, as in CI, the test fails instead.
package onnxtest

import (
	"bufio"
	_ "embed"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// python is Debian's, for which python3-onnx is.
const python = "/usr/bin/python3"

//go:embed check.py
var checkSource string

// missing skips or fails a test that lacks a peer.
func missing(t testing.TB, err error) {
	t.Helper()
	if peers.Required() {
		t.Fatal(err)
	}
	t.Skip(err)
}

// Write emits a graph into a new folder, which goes with the test, and returns
// the model's path.
func Write(t testing.TB, b onnx.Backend, g *ir.Graph) string {
	t.Helper()
	files, err := b.Emit(g)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range files {
		w, err := os.Create(filepath.Join(dir, filepath.Base(f.Path)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteTo(w); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, filepath.Base(files[0].Path))
}

// Checker is the onnx package's checker in a process of its own.
type Checker struct {
	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
}

// NewChecker starts the checker; it ends with the test.
func NewChecker(t testing.TB) *Checker {
	t.Helper()
	if exec.Command(python, "-c", "import onnx").Run() != nil {
		missing(t, &peers.MissingError{What: "the onnx package of " + python, How: "apt-get install python3-onnx"})
	}
	cmd := exec.Command(python, "-c", checkSource)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error("the onnx checker:", err)
		}
	})
	return &Checker{in: in, out: bufio.NewReader(out)}
}

// Check returns what the checker, with full_check, has against a model, nil if
// nothing.
func (c *Checker) Check(path string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(c.in, path+"\n"); err != nil {
		return err
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		return err
	}
	if line = strings.TrimSpace(line); line != "ok" {
		return errors.New(line)
	}
	return nil
}

// StartORT starts ONNX Runtime, the newer one where no version is given; it ends
// with the test.
func StartORT(t testing.TB, version ...string) *peers.Peer {
	t.Helper()
	v := peers.ORT
	if len(version) > 0 {
		v = version[0]
	}
	p, err := peers.StartORT(v)
	return started(t, p, err)
}

// StartTorch starts PyTorch: a version of peers, or "debian".
func StartTorch(t testing.TB, version string) *peers.Peer {
	t.Helper()
	p, err := peers.StartTorch(version)
	var m *peers.MissingError
	if errors.As(err, &m) { // 5 GB: never demanded
		t.Skip(err)
	}
	return started(t, p, err)
}

func started(t testing.TB, p *peers.Peer, err error) *peers.Peer {
	t.Helper()
	var m *peers.MissingError
	if errors.As(err, &m) {
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A peer that died has said why where it did.
		_ = p.Close()
	})
	return p
}

// Run runs a model on inputs by name and returns its outputs by name. Values are
// rounded to float32.
func Run(p *peers.Peer, path string, inputs map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
	if _, err := p.Load(path); err != nil {
		return nil, err
	}
	for name, x := range inputs {
		if err := p.Input(peers.Tensor{Name: name, Shape: x.Shape, Data: tensor.Round(x).Data}); err != nil {
			return nil, err
		}
	}
	if _, err := p.Run(1); err != nil {
		return nil, err
	}
	outs, err := p.Outputs()
	if err != nil {
		return nil, err
	}
	r := map[string]*tensor.Tensor{}
	for _, o := range outs {
		x := tensor.Make[float64](o.Shape)
		for i, v := range o.Data {
			x.Data[i] = float64(v)
		}
		for i, v := range o.Ints {
			x.Data[i] = float64(v)
		}
		r[o.Name] = x
	}
	return r, nil
}

// Infer runs the model that is loaded on its one input and returns the outputs.
func Infer(t testing.TB, p *peers.Peer, input peers.Tensor) []peers.Tensor {
	t.Helper()
	err := p.Input(input)
	if err == nil {
		_, err = p.Run(1)
	}
	var outs []peers.Tensor
	if err == nil {
		outs, err = p.Outputs()
	}
	if err != nil {
		t.Fatal(err)
	}
	return outs
}

// Tolerance is how far a model may be from the reference: max|a-b| <= Tolerance *
// max|b|.
const Tolerance = 1e-4

// Close reports whether got is as near to the reference as Tolerance demands, and
// the largest difference relative to the largest element. Another shape is
// infinitely far.
func Close(got, want *tensor.Tensor) (relative float64, ok bool) {
	if got == nil || !ir.Shape(got.Shape).Equal(want.Shape) {
		return math.Inf(1), false
	}
	diff, scale := tensor.MaxDiff(got, want)
	if diff == 0 {
		return 0, true
	}
	return diff / scale, diff <= Tolerance*scale
}
