package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
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

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir"
)

// genMain is a program with a generated package. It prints the hash of the first result;
// with a second argument it ends there. Then, for each line of its input with a number n, it
// runs n inferences and prints the nanoseconds of each.
const genMain = `package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log"
	"math"
	"os"
	"strconv"
	"time"

	"example.com/report/net"
)

func main() {
	b, err := os.ReadFile(os.Args[1])
	must(err)
	image := make([]float32, net.ImageLen)
	_, err = binary.Decode(b, binary.LittleEndian, image)
	must(err)
	m, err := net.New()
	must(err)
	s := m.NewSession()
	y := make([]float32, net.Classes)
	must(s.Infer(y, image))
	b = b[:0]
	for _, v := range y {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	fmt.Printf("%x\n", sha256.Sum256(b))
	if len(os.Args) > 2 {
		return
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		n, err := strconv.Atoi(in.Text())
		must(err)
		times := make([]int64, n)
		for i := range times {
			begin := time.Now()
			must(s.Infer(y, image))
			times[i] = time.Since(begin).Nanoseconds()
		}
		for _, t := range times {
			fmt.Println(t)
		}
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
`

// gen compares generated packages with the executor, which runs the same plan, and the start
// of programs with these packages with the start of the C program that calls ONNX Runtime.
func (r *report) gen() error {
	t := &table{head: []string{"network", "GOAMD64", "bits", "latency against the executor (95 %)", "package, ms", "executor, ms", "against GOAMD64=v1",
		"start to first result: times faster than ONNX Runtime (95 %)", "package, ms", "ONNX Runtime, ms", "package, peak MB", "ONNX Runtime, peak MB", "program, MB", "weights, MB", "go build, s"}}
	for _, name := range []string{"googlenet", "inception_v3"} {
		r.row("gen", name, func() error {
			incc, err := r.command()
			if err != nil {
				return err
			}
			return r.genRow(t, incc, name)
		})
	}
	return r.publish("gen", "Generated packages", fmt.Sprintf("Packages of incc gen go with embedded weights, one image, %d threads. Latency: the package in a process of its own against the executor, in turns. "+
		"Start: a program that uses the package against a C program that calls ONNX Runtime %s with the model made of the same spec; all files are in the page cache. "+
		"*bits* says whether package and executor give the same bits. *go build* is the time to build the package, its copy of the run time and the program; the standard library is built before.", r.threads, peers.ORT), t.String())
}

// generated is a running program with a generated package.
type generated struct {
	level   string
	program string
	size    int64
	build   time.Duration
	hash    string // of its result
	side    peers.Side
	close   func() error
}

func (r *report) genRow(t *table, incc, name string) error {
	n, err := spec(name)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(r.dir, "gen")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	g, err := r.graph(n, "O0")
	if err != nil {
		return err
	}
	image := noise(g, 1).Data
	if err := writeGenModule(dir, incc, n, g, image); err != nil {
		return err
	}
	ours, err := r.ours(n, "O2", cpu.Options{Threads: r.threads})
	if err != nil {
		return err
	}
	if _, err := ours.Run(1); err != nil {
		return err
	}
	want := bitsHash(ours.out[0])
	levels := []string{"v1", "v3"}
	if kernel.Available()[len(kernel.Available())-1] == kernel.Portable {
		levels = levels[:1] // v3 has AVX2
	}
	var programs []*generated
	defer func() {
		for _, p := range programs {
			_ = p.close()
		}
	}()
	sides := []peers.Runner{ours.Runner}
	for _, level := range levels {
		p, err := r.startGenerated(dir, level)
		if err != nil {
			return err
		}
		programs = append(programs, p)
		sides = append(sides, peers.Runner{Run: p.side})
	}
	plan := peers.Default
	plan.Pairs, plan.Runs, plan.Warm = r.pairs, 3, 1
	times, err := peers.Rounds(plan, sides...)
	if err != nil {
		return err
	}
	model, _, err := r.model(n, "O1", 1)
	if err != nil {
		return err
	}
	defer os.Remove(model)
	shape := g.Inputs[0].Type.Shape.Bind(1)
	threads := strconv.Itoa(r.threads)
	starts := [][]string{{"cold-ort", model, g.Inputs[0].Name, fmt.Sprint(shape[1]), fmt.Sprint(shape[2]), fmt.Sprint(shape[3]), threads}}
	for _, p := range programs {
		starts = append(starts, []string{"cold-incc", p.program, filepath.Join(dir, "image"), "once"})
	}
	// The programs have no flag for the number of threads.
	before, set := os.LookupEnv("GOMAXPROCS")
	if err := os.Setenv("GOMAXPROCS", threads); err != nil {
		return err
	}
	defer func() {
		if !set {
			_ = os.Unsetenv("GOMAXPROCS")
			return
		}
		_ = os.Setenv("GOMAXPROCS", before)
	}()
	memory := make([][]float64, len(starts))
	var runners []peers.Runner
	for i, args := range starts {
		runners = append(runners, peers.Runner{Run: func(n int) (times []time.Duration, err error) {
			for range n {
				d, rss, err := coldStart(args)
				if err != nil {
					return nil, err
				}
				times = append(times, d)
				memory[i] = append(memory[i], float64(rss)/1e6)
			}
			return times, nil
		}})
	}
	cold, err := peers.Rounds(peers.Plan{Pairs: r.pairs, Runs: 1, Settle: peers.Default.Settle}, runners...)
	if err != nil {
		return err
	}
	weights, err := os.Stat(filepath.Join(dir, "net", "weights.safetensors"))
	if err != nil {
		return err
	}
	for i, p := range programs {
		bits := "the same"
		if p.hash != want {
			bits = "**others**"
			r.errs = append(r.errs, fmt.Errorf("gen/%s, GOAMD64=%s: the results of the package and of the executor differ in their bits", name, p.level))
		}
		t.add(name, p.level, bits, ratio(peers.Versus(times[1+i], times[0])), millis(times[1+i]), millis(times[0]), fmt.Sprintf("%.3f", peers.Versus(times[1+i], times[1]).Ratio()),
			ratio(peers.Versus(cold[1+i], cold[0])), millis(cold[1+i]), millis(cold[0]), fmt.Sprintf("%.0f", peers.Quantile(memory[1+i], 0.5)), fmt.Sprintf("%.0f", peers.Quantile(memory[0], 0.5)),
			fmt.Sprintf("%.1f", float64(p.size)/1e6), fmt.Sprintf("%.1f", float64(weights.Size())/1e6), fmt.Sprintf("%.1f", p.build.Seconds()))
	}
	return nil
}

// writeGenModule writes a module with the generated package, a program that uses it, and an
// image.
func writeGenModule(dir, incc string, n net, g *ir.Graph, image []float32) error {
	source, weights := filepath.Join(dir, "net.incc"), filepath.Join(dir, "weights")
	var infos []safetensors.TensorInfo
	for _, v := range g.Params {
		if v.Param.Kind != ir.Constant {
			infos = append(infos, safetensors.TensorInfo{Name: v.Name, Shape: v.Type.Shape})
		}
	}
	if err := safetensors.WriteTensors(safetensors.Disk{}, weights, nil, infos, func(dst []float32, i int) error {
		copy(dst, g.Data[infos[i].Name].Data)
		return nil
	}); err != nil {
		return err
	}
	var b []byte
	for _, v := range image {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{source, []byte(n.text)}, {filepath.Join(dir, "image"), b}, {filepath.Join(dir, "go.mod"), []byte("module example.com/report\n\ngo 1.26\n")}, {filepath.Join(dir, "main.go"), []byte(genMain)}} {
		if err := os.WriteFile(f.name, f.data, 0o666); err != nil {
			return err
		}
	}
	cmd := exec.Command(incc, "gen", "go", "net.incc", "--weights", "weights", "-o", "./net")
	cmd.Dir = dir
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("incc gen go: %v: %s", err, msg)
	}
	return nil
}

// startGenerated builds the program with GOAMD64 set to level, and starts it.
func (r *report) startGenerated(dir, level string) (*generated, error) {
	p := &generated{level: level, program: filepath.Join(dir, "program-"+level)}
	// Only the standard library may come from the build cache: the flag -I with a folder that
	// is new in each run makes the other packages miss it.
	fresh := "-gcflags=example.com/report/...=-I=" + dir
	for _, args := range [][]string{{"build", "std"}, {"build", fresh, "-o", p.program, "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOAMD64="+level, "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
		begin := time.Now()
		if msg, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go %s: %v: %s", strings.Join(args, " "), err, msg)
		}
		p.build = time.Since(begin)
	}
	info, err := os.Stat(p.program)
	if err != nil {
		return nil, err
	}
	p.size = info.Size()
	cmd := exec.Command(p.program, filepath.Join(dir, "image"))
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(r.threads))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.close = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	out := bufio.NewReader(stdout)
	line := func() (string, error) {
		s, err := out.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("the generated program: %w: %s", err, strings.TrimSpace(stderr.String()))
		}
		return strings.TrimSpace(s), nil
	}
	if p.hash, err = line(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	p.side = func(n int) ([]time.Duration, error) {
		if _, err := io.WriteString(in, strconv.Itoa(n)+"\n"); err != nil {
			return nil, err
		}
		times := make([]time.Duration, n)
		for i := range times {
			s, err := line()
			if err != nil {
				return nil, err
			}
			ns, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return nil, err
			}
			times[i] = time.Duration(ns)
		}
		return times, nil
	}
	return p, nil
}

func bitsHash(x []float32) string {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}
