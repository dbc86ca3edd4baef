package peers

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Versions that the install command installs. Results and times are compared with the
// newer ONNX Runtime; the older one is measured too because its LRN is faster.
const (
	ORT    = "1.32.0"
	OldORT = "1.20.1"
	Torch  = "2.15.0"

	OpenVINO = "2026.4.1"
)

// Title returns the name and version of a peer for a table.
func Title(version string) string {
	switch version {
	case OpenVINO:
		return "OpenVINO " + version
	case Torch:
		return "PyTorch " + version
	}
	return "ONNX Runtime " + strings.TrimSuffix(version, "-avx2")
}

// ORTHeldToAVX2 is the newest ONNX Runtime without its AVX-512 kernels: see [HoldToAVX2].
const ORTHeldToAVX2 = ORT + "-avx2"

//go:embed ort/ort.c
var ortSource []byte

//go:embed protocol/protocol.py
var protocolSource string

//go:embed torch/server.py
var torchSource string

//go:embed openvino/server.py
var openvinoSource string

// MissingError says that a peer is not installed and how to install it.
type MissingError struct{ What, How string }

func (e *MissingError) Error() string { return e.What + " is not installed: " + e.How }

// Dir returns the folder that peers are installed into.
func Dir() string {
	if d := os.Getenv("INCC_PEERS"); d != "" {
		return d
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "incc", "peers")
}

// ORTLibrary returns where the library of a version of ONNX Runtime is installed.
func ORTLibrary(version string) string {
	return filepath.Join(Dir(), "ort-"+version, "libonnxruntime.so.1")
}

// TorchPython returns the interpreter of the environment of a version of PyTorch.
func TorchPython(version string) string {
	return filepath.Join(Dir(), "torch-"+version, "bin", "python")
}

// OpenVINOPython returns the interpreter of the environment of OpenVINO.
func OpenVINOPython() string {
	return filepath.Join(Dir(), "openvino-"+OpenVINO, "bin", "python")
}

// Photos returns the folder that photographs are installed into.
func Photos() string { return filepath.Join(Dir(), "photos") }

// Required reports whether a test fails, instead of being skipped, where ONNX Runtime, the
// ONNX checker or the photographs are missing: INCC_PEERS_REQUIRED=1, as in CI.
func Required() bool { return os.Getenv("INCC_PEERS_REQUIRED") == "1" }

// Peer is a running server. Its methods must not be called concurrently. After an error of
// the protocol (but not of a model) only Close may be called.
type Peer struct {
	Name    string // onnxruntime 1.30.0
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	stderr  tail
	stopped bool
}

// StartORT starts a server that calls a version of ONNX Runtime. The error is a
// *MissingError if that version is not installed.
func StartORT(version string) (*Peer, error) {
	lib := ORTLibrary(version)
	if _, err := os.Stat(lib); err != nil {
		return nil, &MissingError{"ONNX Runtime " + version, "go run ./backends/cpu/peers/install"}
	}
	server, err := ortServer()
	if err != nil {
		return nil, err
	}
	return start("onnxruntime "+version, exec.Command(server, lib))
}

// ortServer compiles ort.c, if necessary, and returns the program. Its name has a hash of
// the source, so that a changed source is compiled again.
func ortServer() (string, error) {
	if err := os.MkdirAll(Dir(), 0o777); err != nil {
		return "", err
	}
	path := filepath.Join(Dir(), fmt.Sprintf("ort-server-%x", sha256.Sum256(ortSource))[:11+16])
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", &MissingError{"a C compiler (cc)", "it builds backends/cpu/peers/ort/ort.c"}
	}
	tmp, err := os.MkdirTemp(Dir(), "build")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	src, bin := filepath.Join(tmp, "ort.c"), filepath.Join(tmp, "ort")
	if err := os.WriteFile(src, ortSource, 0o666); err != nil {
		return "", err
	}
	if msg, err := exec.Command(cc, "-O2", "-o", bin, src, "-ldl").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building ort.c: %v: %s", err, msg)
	}
	return path, os.Rename(bin, path)
}

// StartTorch starts a server that calls PyTorch. The version is the constant Torch, or
// "debian" for PyTorch under /usr/bin/python3. The error is a *MissingError if it is not
// installed.
func StartTorch(version string) (*Peer, error) {
	python, how := TorchPython(version), "go run ./backends/cpu/peers/install torch"
	if version == "debian" {
		python, how = "/usr/bin/python3", "apt-get install python3-torch python3-onnx"
	}
	// -I leaves out the current folder, where a folder called torch counts as a package.
	if exec.Command(python, "-I", "-c", "import importlib.util as u; assert u.find_spec('torch') and u.find_spec('onnx')").Run() != nil {
		return nil, &MissingError{"PyTorch " + version, how}
	}
	p, err := start("torch "+version, exec.Command(python, "-c", protocolSource+torchSource))
	if err != nil {
		return nil, err
	}
	v, err := p.command("version")
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.Name = "torch " + v
	return p, nil
}

// StartOpenVINO starts a server that calls OpenVINO. With avx2, oneDNN, which has its
// convolutions and matrix products, is held to AVX2, with AVX-VNNI unless INCC_VNNI=off, as incc;
// a few of OpenVINO's own smaller kernels are not. The error is a *MissingError if OpenVINO is not installed.
func StartOpenVINO(avx2 bool) (*Peer, error) {
	python := OpenVINOPython()
	if _, err := os.Stat(python); err != nil {
		return nil, &MissingError{"OpenVINO " + OpenVINO, "go run ./backends/cpu/peers/install openvino"}
	}
	cmd := exec.Command(python, "-I", "-c", protocolSource+openvinoSource)
	if avx2 {
		isa := "AVX2_VNNI"
		if os.Getenv("INCC_VNNI") == "off" {
			isa = "AVX2"
		}
		cmd.Env = append(os.Environ(), "ONEDNN_MAX_CPU_ISA="+isa)
	}
	return start("openvino "+OpenVINO, cmd)
}

func start(name string, cmd *exec.Cmd) (*Peer, error) {
	p := &Peer{Name: name, cmd: cmd}
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReaderSize(out, 1<<20)
	cmd.Stderr = &p.stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// tail keeps the end of what a child process writes to standard error.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b...)
	if len(t.b) > 4096 {
		t.b = append(t.b[:0], t.b[len(t.b)-2048:]...)
	}
	return len(b), nil
}

// command sends a line and returns what follows ok.
func (p *Peer) command(format string, args ...any) (string, error) {
	return p.send(fmt.Sprintf(format, args...), nil)
}

func (p *Peer) send(line string, payload []byte) (string, error) {
	if strings.ContainsAny(line, "\r\n") {
		return "", fmt.Errorf("%s: cannot send %q: it has a line break", p.Name, line)
	}
	if err := p.Resume(); err != nil {
		return "", err
	}
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return "", p.died(err)
	}
	if payload != nil {
		if _, err := p.in.Write(payload); err != nil {
			return "", p.died(err)
		}
	}
	reply, err := p.out.ReadString('\n')
	if err != nil {
		return "", p.died(err)
	}
	reply = strings.TrimSuffix(reply, "\n")
	if msg, bad := strings.CutPrefix(reply, "error "); bad {
		return "", fmt.Errorf("%s: %s", p.Name, msg)
	}
	if reply != "ok" && !strings.HasPrefix(reply, "ok ") {
		return "", fmt.Errorf("%s: unexpected answer %q (want ok or error)", p.Name, reply)
	}
	return strings.TrimPrefix(reply[2:], " "), nil
}

func (p *Peer) died(err error) error {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	return fmt.Errorf("%s ended: %w: %s", p.Name, err, strings.TrimSpace(string(p.stderr.b)))
}

// Threads sets the number of threads of the next Load.
func (p *Peer) Threads(n int) error {
	_, err := p.command("threads %d", n)
	return err
}

// Mode sets how PyTorch runs the next Load: default, channels_last, compile, or
// double, which computes in float64.
func (p *Peer) Mode(mode string) error {
	_, err := p.command("mode %s", mode)
	return err
}

// Train switches PyTorch's BN to batch statistics and dropout on.
func (p *Peer) Train(on bool) error {
	_, err := p.command("train %d", map[bool]int{true: 1}[on])
	return err
}

// Rate sets the learning rate of Step, from the next Load on; the default is 0.01.
func (p *Peer) Rate(rate float64) error {
	_, err := p.command("lr %g", rate)
	return err
}

// HeadWeights sets the weights of the outputs after the first in the loss of Step
// and Backward.
func (p *Peer) HeadWeights(w ...float64) error {
	text := "heads"
	for _, x := range w {
		text += fmt.Sprintf(" %g", x)
	}
	_, err := p.command("%s", text)
	return err
}

// Fix gives a symbolic axis a value in the next Load: a runtime may plan better
// when it knows the batch.
func (p *Peer) Fix(axis string, n int) error {
	_, err := p.command("dim %s %d", axis, n)
	return err
}

// Load loads an ONNX file instead of the one before and returns how long that took. It
// removes all inputs.
func (p *Peer) Load(path string) (time.Duration, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return 0, err
	}
	s, err := p.command("load %s", path)
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(s, 10, 64)
	return time.Duration(ns), err
}

// Tensor is an input or output, of float32 or, where Ints is set, of int64.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
	Ints  []int64
}

const (
	typeFloat = 1
	typeInt64 = 7
	maxRank   = 8
)

// Input sets an input, until the next Load.
func (p *Peer) Input(t Tensor) error {
	var b strings.Builder
	typ, n := typeFloat, len(t.Data)
	if t.Ints != nil {
		typ, n = typeInt64, len(t.Ints)
	}
	if strings.ContainsAny(t.Name, " \t") {
		return fmt.Errorf("%s: input name %q has a space", p.Name, t.Name)
	}
	fmt.Fprintf(&b, "in %s %d %d", t.Name, typ, len(t.Shape))
	size := 1
	for _, d := range t.Shape {
		fmt.Fprintf(&b, " %d", d)
		size *= d
	}
	if size != n {
		return fmt.Errorf("%s: input %s: %d values for shape %v", p.Name, t.Name, n, t.Shape)
	}
	payload := make([]byte, 0, 8*n)
	for _, v := range t.Data {
		payload = binary.LittleEndian.AppendUint32(payload, math.Float32bits(v))
	}
	for _, v := range t.Ints {
		payload = binary.LittleEndian.AppendUint64(payload, uint64(v))
	}
	_, err := p.send(b.String(), payload)
	return err
}

// Run runs the model n times on the inputs and returns the time of each, as the
// peer measured it.
func (p *Peer) Run(n int) ([]time.Duration, error) { return p.timed("run", n) }

// Step makes n training steps: forward, cross-entropy against the input
// "labels", backward, update.
func (p *Peer) Step(n int) ([]time.Duration, error) { return p.timed("step", n) }

func (p *Peer) timed(what string, n int) ([]time.Duration, error) {
	s, err := p.command("%s %d", what, n)
	if err != nil {
		return nil, err
	}
	var r []time.Duration
	for _, f := range strings.Fields(s) {
		ns, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: unexpected answer %q to %s (want times in nanoseconds)", p.Name, s, what)
		}
		r = append(r, time.Duration(ns))
	}
	if len(r) != n {
		return nil, fmt.Errorf("%s: %d times for %d runs", p.Name, len(r), n)
	}
	return r, nil
}

// Outputs returns the outputs of the last run.
func (p *Peer) Outputs() ([]Tensor, error) { return p.tensors("out") }

// Backward computes gradients: of sum(output * input "grad:OUTPUT"), or of the
// mean cross-entropy against the int64 input "labels". Grads returns them, for
// inputs and weights by name.
func (p *Peer) Backward() error {
	_, err := p.command("backward")
	return err
}

// Grads returns the gradients that Backward computed.
func (p *Peer) Grads() ([]Tensor, error) { return p.tensors("grads") }

// Weights returns PyTorch's weights as they are now.
func (p *Peer) Weights() ([]Tensor, error) { return p.tensors("weights") }

func (p *Peer) tensors(what string) ([]Tensor, error) {
	s, err := p.command("%s", what)
	if err != nil {
		return nil, err
	}
	count, err := strconv.Atoi(s)
	if err != nil || count < 0 {
		return nil, p.died(fmt.Errorf("unexpected answer %q (want a number of tensors)", s))
	}
	var ts []Tensor
	for range count {
		line, err := p.out.ReadString('\n')
		if err != nil {
			return nil, p.died(err)
		}
		t, err := p.tensor(strings.Fields(line))
		if err != nil {
			return nil, p.died(err)
		}
		ts = append(ts, t)
	}
	return ts, nil
}

func (p *Peer) tensor(f []string) (t Tensor, err error) {
	if len(f) < 3 {
		return t, fmt.Errorf("unexpected description of a tensor %q (want name, type, rank and axes)", f)
	}
	n := 1
	for _, s := range f[3:] {
		d, err := strconv.Atoi(s)
		if err != nil || d < 0 || d > 1<<30 {
			return t, fmt.Errorf("a tensor has axis %q (want a number, 0 or more)", s)
		}
		t.Shape = append(t.Shape, d)
		if d > 0 && n > 1<<30/d {
			return t, errors.New("a tensor has more than 2^30 elements")
		}
		n *= d
	}
	if f[2] != strconv.Itoa(len(t.Shape)) || len(t.Shape) > maxRank {
		return t, fmt.Errorf("a tensor of rank %s has shape %v", f[2], t.Shape)
	}
	t.Name = f[0]
	switch f[1] {
	case strconv.Itoa(typeFloat):
		b := make([]byte, 4*n)
		if _, err := io.ReadFull(p.out, b); err != nil {
			return t, err
		}
		t.Data = make([]float32, n)
		for i := range t.Data {
			t.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case strconv.Itoa(typeInt64):
		b := make([]byte, 8*n)
		if _, err := io.ReadFull(p.out, b); err != nil {
			return t, err
		}
		t.Ints = make([]int64, n)
		for i := range t.Ints {
			t.Ints[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
		}
	default:
		return t, fmt.Errorf("a tensor has element type %s (want 1, float32, or 7, int64)", f[1])
	}
	return t, nil
}

// PeakRSS returns the largest resident set the peer had so far, in bytes.
func (p *Peer) PeakRSS() (int64, error) {
	s, err := p.command("rss")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(s, 10, 64)
}

// Close ends the peer.
func (p *Peer) Close() error {
	if err := p.Resume(); err != nil {
		return err
	}
	_, _ = io.WriteString(p.in, "quit\n")
	_ = p.in.Close()
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		<-done
		return fmt.Errorf("%s did not exit after quit and was killed", p.Name)
	}
}
