// Package onnxtest checks ONNX models in tests with other programs: the checker of the
// Python package onnx, and ONNX Runtime.
//
// If such a program is not installed, the test is skipped with a message that says how to
// install it. With INCC_PEERS_REQUIRED=1, as in CI, the test fails instead.
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

// python is Debian's Python, for which the package python3-onnx exists.
const python = "/usr/bin/python3"

//go:embed check.py
var checkSource string

// missing skips or fails a test because a program is not installed; see the package
// documentation.
func missing(t testing.TB, err error) {
	t.Helper()
	if peers.Required() {
		t.Fatal(err)
	}
	t.Skip(err)
}

// Write emits a graph into a new folder, which is deleted after the test, and returns the
// path of the model.
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

// Checker runs the checker of the Python package onnx in a child process.
type Checker struct {
	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
}

// NewChecker starts the checker. It is stopped at the end of the test.
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

// Check checks a model with full_check and returns the checker's error, nil if there is
// none.
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

// StartORT starts ONNX Runtime in the given version, by default peers.ORT. It is stopped at
// the end of the test.
func StartORT(t testing.TB, version ...string) *peers.Peer {
	t.Helper()
	v := peers.ORT
	if len(version) > 0 {
		v = version[0]
	}
	p, err := peers.StartORT(v)
	return started(t, p, err)
}

// StartTorch starts PyTorch. version is a version in package peers, or "debian". If it is
// not installed, the test is skipped.
func StartTorch(t testing.TB, version string) *peers.Peer {
	t.Helper()
	p, err := peers.StartTorch(version)
	var m *peers.MissingError
	if errors.As(err, &m) { // never required, because it takes 5 GB
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
		// If the peer ended early, an earlier error has said why.
		_ = p.Close()
	})
	return p
}

// Run runs a model in p. inputs and the result are by name. The inputs are rounded to
// float32.
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

// Infer runs the model that p has loaded, which must have one input, and returns the
// outputs.
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

// Tolerance is the largest allowed error of a result a against the reference b:
// max|a-b| <= Tolerance * max|b|.
const Tolerance = 1e-4

// Close reports whether got is within Tolerance of the reference want. It also returns the
// largest difference, relative to the largest element of want. If the shapes differ, that
// is infinity.
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
