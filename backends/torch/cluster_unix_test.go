//go:build unix

package torch

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs/spectest"
)

const clusterSpec = `net cluster
input image 1x8x8 range=-1..1
default conv act=relu
c1: conv 3x3 8 pad=same -> maxpool 2x2/2 -> inception 4 4 4 4 4 4
top: gap -> fc 10 -> softmax
train { sgd lr=0.1 momentum=0.9; schedule cosine; run batch=16 epochs=2 seed=3 }
`

// writeIDX writes a data set of the form of MNIST: pictures of 8x8 pixels with a bright row
// or column for each of ten classes, and noise.
func writeIDX(t *testing.T, dir string) {
	t.Helper()
	r := rand.New(rand.NewPCG(8, 9))
	for part, n := range map[string]int{"train": 436, "t10k": 60} {
		var images, labels bytes.Buffer
		images.Write([]byte{0, 0, 8, 3})
		labels.Write([]byte{0, 0, 8, 1})
		for _, x := range []int{n, 8, 8} {
			_ = binary.Write(&images, binary.BigEndian, uint32(x))
		}
		_ = binary.Write(&labels, binary.BigEndian, uint32(n))
		for range n {
			class := r.IntN(10)
			labels.WriteByte(byte(class))
			for p := range 64 {
				v := r.IntN(100)
				if class < 5 && p/8 == class+1 || class >= 5 && p%8 == class-4 {
					v += 150
				}
				images.WriteByte(byte(v))
			}
		}
		for name, b := range map[string]*bytes.Buffer{part + "-images-idx3-ubyte": &images, part + "-labels-idx1-ubyte": &labels} {
			if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// losses notes the loss of every step.
type losses struct{ list []float64 }

func (l *losses) Begin(*train.State, int, float64, bool)     {}
func (l *losses) Step(_ *train.State, st train.Stats, _ int) { l.list = append(l.list, st.Loss) }
func (l *losses) Epoch(train.Row)                            {}
func (l *losses) Note(string)                                {}

// inccLosses trains with incc's executor. It returns the losses of the steps.
func inccLosses(t *testing.T, g *ir.Graph, dir string) []float64 {
	t.Helper()
	src, err := data.ReadMNIST(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	r := *g.Recipe.Train
	rest, _ := src.Train.Stratify(src.Train.Len()/12, r.Run.Seed)
	in, err := data.NewTransform(src.Train, g.Recipe.Input, r.Augment, 1, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	options := autodiff.FromRecipe(&r)
	if r.Loss.Weights.Balanced {
		options.ClassWeights = train.BalancedWeights(rest, 10)
	}
	e, err := train.NewCPU(g, options, r.Run.Batch, r.Run.Seed, cpu.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	l := &losses{}
	if _, err := train.Run(context.Background(), e, train.Config{Dir: t.TempDir(), Recipe: r, Seed: r.Run.Seed, Train: rest, Input: in, Epochs: r.Run.Epochs, Report: l}); err != nil {
		t.Fatal(err)
	}
	return l.list
}

// stepLosses reads the losses of steps.csv.
func stepLosses(t *testing.T, run string) []float64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(run, "steps.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var list []float64
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		f := strings.Split(line, ",")
		if i == 0 {
			continue
		}
		x, err := strconv.ParseFloat(f[2], 64)
		if n, e := strconv.Atoi(f[0]); err != nil || e != nil || n != i-1 {
			t.Fatalf("steps.csv, line %d: %s", i+1, line)
		}
		list = append(list, x)
	}
	return list
}

// sameLosses compares the losses of a run with those of incc.
func sameLosses(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) || len(want) < 50 {
		t.Errorf("%s: %d losses, want %d", what, len(got), len(want))
		return
	}
	worst := 0.0
	for i, w := range want {
		worst = max(worst, math.Abs(got[i]-w)/math.Abs(w))
	}
	t.Logf("%s: %d losses from %.4f to %.4f, the largest difference is %.2g", what, len(got), got[0], got[len(got)-1], worst)
	if !(worst <= 1e-4) {
		t.Errorf("%s: a loss differs by %.2g", what, worst)
	}
}

// cluster is a package and a data set to train with several processes.
type cluster struct {
	t            *testing.T
	py, dir, set string
	g            *ir.Graph
}

// newCluster writes the package of a spec and a data set. It skips the test where it is not
// to run for long.
func newCluster(t *testing.T, spec string) *cluster {
	t.Helper()
	if !longtest.Enabled() {
		t.Skip("it starts PyTorch many times: INCC_LONG=1 runs this")
	}
	c := &cluster{t: t, py: python(t), set: t.TempDir(), g: spectest.Build(t, "cluster.incc", spec)}
	ir.Materialize(c.g, c.g.Recipe.Train.Run.Seed)
	writeIDX(t, c.set)
	c.dir = writePackage(t, c.g, c.g.Recipe.Train)
	return c
}

// command trains with a number of processes under torchrun, which starts them again so many
// times; 0 processes are one without torchrun.
func (c *cluster) command(processes, restarts int, run string, more ...string) *exec.Cmd {
	args := []string{filepath.Join(c.dir, "train.py")}
	if processes > 0 {
		args = append([]string{"-m", "torch.distributed.run", "--standalone", "--max-restarts=" + strconv.Itoa(restarts), "--nproc-per-node=" + strconv.Itoa(processes)}, args...)
	}
	args = append(args, c.set, "--out", run, "--log-steps", "--workers=0", "--threads=1")
	cmd := exec.Command(c.py, append(args, more...)...)
	cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1", "GLOO_SOCKET_IFNAME=lo")
	return cmd
}

// train trains to the end. It returns the losses and what the program said.
func (c *cluster) train(processes int, run string) ([]float64, string) {
	c.t.Helper()
	out, err := c.command(processes, 0, run).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%d processes: %v\n%s", processes, err, out)
	}
	return stepLosses(c.t, run), string(out)
}

// trainAndKill trains with checkpoints and kills one of the processes. It reports whether
// the run was still going on, what the program said and how it ended.
func (c *cluster) trainAndKill(processes, restarts int, run string) (killed bool, text string, err error) {
	c.t.Helper()
	cmd := c.command(processes, restarts, run, "--checkpoint-every=5")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	killed = killWorker(c.t, cmd.Process.Pid, run)
	err = cmd.Wait()
	return killed, out.String(), err
}

// TestProcesses trains with one process, and with one, two and four under torchrun, on CPUs:
// the losses are those of incc train. Of another run one process is killed: the run goes on
// from its checkpoint, to the same losses.
func TestProcesses(t *testing.T) {
	c := newCluster(t, clusterSpec)
	want := inccLosses(t, c.g, c.set)
	for _, n := range []int{0, 1, 2, 4} {
		got, _ := c.train(n, filepath.Join(t.TempDir(), "run"))
		sameLosses(t, fmt.Sprintf("%d processes", n), got, want)
	}
	run := filepath.Join(t.TempDir(), "run")
	killed, out, err := c.trainAndKill(2, 2, run)
	if err != nil {
		t.Fatalf("after the death of a process: %v\n%s", err, out)
	}
	if killed && !strings.Contains(out, "goes on from epoch") {
		t.Errorf("the run did not go on from a checkpoint:\n%s", out)
	}
	sameLosses(t, "after the death of a process", stepLosses(t, run), want)
}

// TestOtherProcesses kills a run of two processes, and goes on from its checkpoint with one;
// and the other way round. The losses are those of incc train.
func TestOtherProcesses(t *testing.T) {
	c := newCluster(t, clusterSpec)
	want := inccLosses(t, c.g, c.set)
	for _, n := range [][2]int{{2, 0}, {1, 2}} {
		what := fmt.Sprintf("%d processes after %d", n[1], n[0])
		run := filepath.Join(t.TempDir(), "run")
		if killed, out, err := c.trainAndKill(n[0], 0, run); !killed || err == nil {
			t.Fatalf("%s: the run came to its end: %v\n%s", what, err, out)
		}
		if before := stepLosses(t, run); len(before) >= len(want) {
			t.Fatalf("%s: the run had all its steps", what)
		}
		got, out := c.train(n[1], run)
		if !strings.Contains(out, "goes on from epoch 1, step ") {
			t.Errorf("%s: it did not go on within the first epoch:\n%s", what, out)
		}
		sameLosses(t, what, got, want)
	}
}

// TestProcessesWeigh trains with weights that balance the classes: the losses of two
// processes are those of incc train.
func TestProcessesWeigh(t *testing.T) {
	c := newCluster(t, strings.Replace(clusterSpec, "train { ", "train { loss xent weights=balanced; ", 1))
	want := inccLosses(t, c.g, c.set)
	for _, n := range []int{0, 2} {
		got, _ := c.train(n, filepath.Join(t.TempDir(), "run"))
		sameLosses(t, fmt.Sprintf("%d processes", n), got, want)
	}
}

// TestProcessesMix trains with mixed pictures, whose draws are PyTorch's: the losses of two
// and four processes are those of one. Eight, which cannot share the pairs, are refused.
func TestProcessesMix(t *testing.T) {
	c := newCluster(t, strings.Replace(clusterSpec, "run batch=16 epochs=2", "loss xent weights=balanced; augment mixup=0.4 cutmix=1 flip=0.5; run batch=24 epochs=4", 1))
	want, _ := c.train(0, filepath.Join(t.TempDir(), "run"))
	for _, n := range []int{2, 4} {
		got, _ := c.train(n, filepath.Join(t.TempDir(), "run"))
		sameLosses(t, fmt.Sprintf("%d processes", n), got, want)
	}
	out, err := c.command(8, 0, filepath.Join(t.TempDir(), "run")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "8 processes cannot share of a batch of 24: take a multiple of 16") {
		t.Errorf("8 processes: %v\n%s", err, out)
	}
}

// killWorker kills a process that torchrun started, after some steps. It reports whether the
// run was still going on.
func killWorker(t *testing.T, torchrun int, run string) bool {
	t.Helper()
	for range 6000 {
		time.Sleep(10 * time.Millisecond)
		b, _ := os.ReadFile(filepath.Join(run, "steps.csv"))
		if bytes.Count(b, []byte("\n")) < 12 {
			continue
		}
		kids, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", torchrun))
		if err != nil {
			t.Skip("no /proc")
		}
		for _, w := range strings.Fields(string(kids)) {
			line, _ := os.ReadFile("/proc/" + w + "/cmdline")
			if pid, err := strconv.Atoi(w); err == nil && bytes.Contains(line, []byte("train.py")) {
				return syscall.Kill(pid, syscall.SIGKILL) == nil
			}
		}
	}
	t.Error("no process to kill")
	return false
}

// TestSpeedFlags trains with --compile, --channels-last and --amp: the losses of ten steps are
// those without, within the precision of the numbers. torch.compile needs a compiler of C++ for
// CPUs.
func TestSpeedFlags(t *testing.T) {
	c := newCluster(t, clusterSpec)
	train := func(what string, processes int, flags ...string) []float64 {
		run := filepath.Join(t.TempDir(), "run")
		cmd := c.command(processes, 0, run, append(flags, "--limit-batches=10", "--epochs=1")...)
		cmd.Env = append(cmd.Env, "TORCHINDUCTOR_COMPILE_THREADS=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, out)
		}
		return stepLosses(t, run)
	}
	want := train("without", 0)
	if len(want) != 10 {
		t.Fatalf("%d losses", len(want))
	}
	for _, x := range []struct {
		flag      string
		processes int
		bound     float64
	}{{"--channels-last", 0, 1e-5}, {"--amp", 0, 1e-2}, {"--compile", 0, 1e-5}, {"--compile", 2, 1e-5}} {
		t.Run(fmt.Sprintf("%s,%d", x.flag, x.processes), func(t *testing.T) {
			if _, err := exec.LookPath("g++"); x.flag == "--compile" && err != nil {
				t.Skip("torch.compile for CPUs needs g++: apt-get install g++")
			}
			got := train(x.flag, x.processes, x.flag)
			if len(got) != len(want) {
				t.Fatalf("%d losses, want %d", len(got), len(want))
			}
			worst := 0.0
			for i, w := range want {
				worst = max(worst, math.Abs(got[i]-w)/math.Abs(w))
			}
			t.Logf("the largest difference of a loss is %.2g", worst)
			if !(worst <= x.bound) {
				t.Errorf("a loss differs by %.2g", worst)
			}
			if x.flag == "--amp" && worst == 0 {
				t.Error("bfloat16 computes the same as float32: the flag does nothing")
			}
		})
	}
}
