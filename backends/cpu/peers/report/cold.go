package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/incc-lang/incc/backends/cpu/peers"
)

// cold compares whole processes: the time from their start to the first result, and their
// peak memory. The processes are incc run with weights from a file, a program with the
// package of incc gen go and its embedded weights, and the C program that calls ONNX Runtime
// with the model of the same network.
func (r *report) cold() error {
	t := &table{head: []string{"network", "what", "times faster (95 %)", "ms", "ONNX Runtime, ms", "peak MB", "ONNX Runtime, peak MB"}}
	for _, name := range []string{"googlenet", "inception_v3", "mobilenet_v2", "mnist/inception_v1"} {
		r.row("cold", name, func() error {
			incc, err := r.command()
			if err != nil {
				return err
			}
			return r.coldRow(t, incc, name)
		})
	}
	return r.publish("cold", "Cold starts", fmt.Sprintf("Time from the start of the process to the first result of one image, and peak resident memory; %d threads, ONNX Runtime %s. "+
		"*incc run* parses and compiles the spec, without auxiliary heads, and reads the weights from a safetensors file. *generated* is a program that calls the package of incc gen go once; the package holds its weights. ONNX Runtime is called by a C program that loads the model which incc compile made of the same spec and weights. The three take turns; all files are in the page cache.", r.threads, peers.ORT), t.String())
}

// command builds incc, once, and returns its path.
func (r *report) command() (string, error) {
	if r.incc == "" {
		path := filepath.Join(r.dir, "incc")
		if msg, err := exec.Command("go", "build", "-o", path, "github.com/incc-lang/incc/cmd/incc").CombinedOutput(); err != nil {
			return "", fmt.Errorf("building incc (run the report in a folder of its module): %v: %s", err, msg)
		}
		r.incc = path
	}
	return r.incc, nil
}

func (r *report) coldRow(t *table, incc, name string) error {
	n, err := spec(name)
	if err != nil {
		return err
	}
	source, weights, model := filepath.Join(r.dir, "cold.incc"), filepath.Join(r.dir, "cold.safetensors"), filepath.Join(r.dir, "cold.onnx")
	if err := os.WriteFile(source, []byte(n.text), 0o666); err != nil {
		return err
	}
	for _, args := range [][]string{{"weights", source, "--conditioned", "-o", weights}, {"compile", source, "--weights", weights, "-o", model}} {
		if msg, err := exec.Command(incc, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("incc %s: %v: %s", strings.Join(args, " "), err, msg)
		}
	}
	g, err := n.build()
	if err != nil {
		return err
	}
	shape := g.Inputs[0].Type.Shape.Bind(1)
	threads := strconv.Itoa(r.threads)
	ours := []string{"cold-incc", incc, "run", source, "--weights", weights, "--input", "noise", "--threads", threads}
	theirs := []string{"cold-ort", model, g.Inputs[0].Name, fmt.Sprint(shape[1]), fmt.Sprint(shape[2]), fmt.Sprint(shape[3]), threads}
	program, err := r.generated(incc, name, source, weights)
	if err != nil {
		return err
	}
	printed := []string{"cold-incc", program, threads}
	var memory [3][]float64
	start := func(i int, args []string) peers.Side {
		return func(n int) (times []time.Duration, err error) {
			for range n {
				d, rss, err := coldStart(args)
				if err != nil {
					return nil, err
				}
				times = append(times, d)
				memory[i] = append(memory[i], float64(rss)/1e6)
			}
			return times, nil
		}
	}
	times, err := peers.Rounds(peers.Plan{Pairs: r.pairs, Runs: 1, Settle: peers.Default.Settle}, peers.Runner{Run: start(0, ours)}, peers.Runner{Run: start(1, theirs)}, peers.Runner{Run: start(2, printed)})
	if err != nil {
		return err
	}
	peak := func(i int) string { return fmt.Sprintf("%.0f", peers.Quantile(memory[i], 0.5)) }
	t.add(name, "incc run", ratio(peers.Versus(times[0], times[1])), millis(times[0]), millis(times[1]), peak(0), peak(1))
	t.add("", "generated", ratio(peers.Versus(times[2], times[1])), millis(times[2]), millis(times[1]), peak(2), peak(1))
	return nil
}

// firstResult is a program that computes one image; its argument is the number of threads.
const firstResult = `package main

import (
	"log"
	"os"
	"runtime"
	"strconv"

	network "example.com/cold/network"
)

func main() {
	if n, err := strconv.Atoi(os.Args[1]); err == nil {
		runtime.GOMAXPROCS(n)
	}
	m, err := network.New()
	if err != nil {
		log.Fatal(err)
	}
	x := make([]float32, network.ImageLen)
	for i := range x {
		x[i] = float32(i%255)/127 - 1
	}
	y := make([]float32, network.Classes)
	if err := m.Infer(y, x); err != nil {
		log.Fatal(err)
	}
}
`

// generated builds that program with the generated package of a network, in a module of
// its own, and returns its path.
func (r *report) generated(incc, name, source, weights string) (string, error) {
	dir := filepath.Join(r.dir, "cold-"+strings.ReplaceAll(name, "/", "-"))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	for file, text := range map[string]string{"go.mod": "module example.com/cold\n\ngo 1.26\n", "main.go": firstResult} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o666); err != nil {
			return "", err
		}
	}
	program := filepath.Join(dir, "program")
	for _, args := range [][]string{{incc, "gen", "go", source, "--weights", weights, "-o", filepath.Join(dir, "network")}, {"go", "build", "-o", program, "."}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
		if msg, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %v: %s", strings.Join(args, " "), err, msg)
		}
	}
	return program, nil
}

// coldStart measures a process by starting this program again as a small child that starts
// it (coldChild): a process inherits the peak of resident memory of its parent, and this
// process is large.
func coldStart(args []string) (time.Duration, int64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	var ns, rss int64
	if _, err := fmt.Sscan(string(out), &ns, &rss); err != nil {
		return 0, 0, fmt.Errorf("%q: %w", out, err)
	}
	return time.Duration(ns), rss, nil
}

// coldChild starts the process to be measured and prints its nanoseconds and peak bytes.
func coldChild(what string, args []string) error {
	switch {
	case what == "cold-incc" && len(args) > 1:
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
		begin := time.Now()
		if err := cmd.Run(); err != nil {
			return err
		}
		fmt.Println(time.Since(begin).Nanoseconds(), peakRSS(cmd.ProcessState))
		return nil
	case what == "cold-ort" && len(args) == 6:
		var n [4]int
		for i, s := range args[2:] {
			var err error
			if n[i], err = strconv.Atoi(s); err != nil {
				return err
			}
		}
		x := make([]float32, n[0]*n[1]*n[2])
		for i := range x {
			x[i] = float32(i%255)/127 - 1
		}
		c, err := peers.ColdStartORT(peers.ORT, args[0], n[3], peers.Tensor{Name: args[1], Shape: []int{1, n[0], n[1], n[2]}, Data: x})
		if err != nil {
			return err
		}
		fmt.Println(c.Time.Nanoseconds(), c.PeakRSS)
		return nil
	}
	return fmt.Errorf("unknown command %s with %d arguments", what, len(args))
}
