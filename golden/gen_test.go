package golden

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/codegen/gosrc"
	"github.com/incc-lang/incc/codegen/gosrc/snippet"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs"
	"github.com/incc-lang/incc/specs/spectest"
)

// long asks for the long forms of the tests.
var long = longtest.Enabled()

// scratch is a folder for the files of a test run.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "incc-golden-*"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(scratch)
		return m.Run()
	}())
}

// inccCommand builds incc, once.
var inccCommand = sync.OnceValues(func() (string, error) {
	exe := filepath.Join(scratch, "incc")
	out, err := exec.Command("go", "build", "-o", exe, "github.com/incc-lang/incc/cmd/incc").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return exe, nil
})

// inModule runs a command in a folder and returns what it prints.
func inModule(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out, err := moduleCommand(dir, env, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// moduleCommand is a command in a folder that takes nothing from elsewhere: no proxy,
// no workspace and, with INCC_LONG=1, no cgo (which compiles net and its like anew).
func moduleCommand(dir string, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS=")
	if long {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
	}
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// sharedKernel is the flag that puts the run time where the packages of
// [TestGeneratedNetworks] have it.
const sharedKernel = "--kernel=./net/internal/inccrt"

// newModule returns a user's empty module. Its folder is the same in every test, so that
// Go takes what it compiled for one test from the build cache for another. The go line is the oldest that gen
// go takes, so that go vet reports what is newer.
func newModule(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(scratch, "module")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/user\n\ngo 1.25.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// hashBits is the SHA-256 of the bits of numbers.
func hashBits(x []float32) string {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// driver is a program that runs packages on an image of noise and prints the
// hashes of the results.
const driver = `package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"runtime/debug"

IMPORTS)

func main() {
	for _, name := range os.Args[1:] {
		debug.FreeOSMemory()
		switch name {
CALLS		default:
			must(fmt.Errorf("no package is called %s", name))
		}
	}
}

type session interface{ Infer(dst, image []float32) error }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(name string, s session, in, out int) {
	y := make([]float32, out)
	must(s.Infer(y, Noise(in)))
	var b []byte
	for _, v := range y {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	fmt.Printf("%s %x\n", name, sha256.Sum256(b))
}

`

// genSpecs are networks that between them have every kind of step and of weights:
// with batch norms, merged siblings, maxout, dense layers over vectors and maps, an
// output that is a map. The number behind @ is the batch; in the second network images are
// stored side by side.
var genSpecs = []string{"mnist/inception_v3", "mnist/inception_v1@32", "maxout_mnist_pi", "nin_cifar10", "googlenet_bn"}

// genSpec is a name of genSpecs and its batch, 1 where none is said.
func genSpec(s string) (name string, batch int) {
	name, b, _ := strings.Cut(s, "@")
	batch, err := strconv.Atoi(b)
	if err != nil {
		batch = 1
	}
	return name, batch
}

// largeSpec is a network whose package is large.
const largeSpec = "inception_resnet_v2"

// TestGeneratedPackages generates packages of networks into one module, where they
// share a run time. They build, pass go vet, type-check for other platforms, and
// compute the bits of the executor on every vector tier of this machine. INCC_LONG=1
// takes all networks instead of genSpecs and largeSpec, builds for the other platforms,
// and adds their tests and commands, the portable tier, staticcheck and GOAMD64=v3.
func TestGeneratedPackages(t *testing.T) {
	if *update {
		t.Skip("nothing to update")
	}
	exe, err := inccCommand()
	if err != nil {
		t.Fatal(err)
	}
	names := append(slices.Clone(genSpecs), largeSpec)
	if long {
		for _, name := range specs.Names() {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	dir := newModule(t)
	begin := time.Now()
	lap := func(what string) {
		t.Logf("%s: %v", what, time.Since(begin).Round(time.Millisecond))
		begin = time.Now()
	}
	var imports, calls strings.Builder
	weights := map[string]string{}
	for i, name := range names {
		spec, batch := genSpec(name)
		pkg := gosrc.PackageName(name)
		args := []string{"gen", "go", spec, "-o", "./net/" + pkg, sharedKernel}
		if batch > 1 {
			args = append(args, "--batch", strconv.Itoa(batch))
		}
		begin := fmt.Sprintf("n%d.New()", i)
		if i >= len(genSpecs) {
			// All weights together would be too much for one program.
			weights[name] = filepath.Join(dir, "net", pkg, pkg+".safetensors")
			begin = fmt.Sprintf("n%d.Load(%q)", i, weights[name])
			args = append(args, "--store", "file")
		}
		if long {
			args = append(args, "--test", "--main")
		}
		inModule(t, dir, nil, exe, args...)
		if long || i == 0 {
			inModule(t, dir, nil, exe, append(args, "--check")...)
		}
		fmt.Fprintf(&imports, "\tn%d \"example.com/user/net/%s\"\n", i, pkg)
		fmt.Fprintf(&calls, "\t\tcase %q:\n\t\t\tm, err := %s\n\t\t\tmust(err)\n\t\t\trun(name, m.NewSession(), n%d.ImageLen, %d)\n", name, begin, i, spectest.Load(t, spec).Outputs[0].Type.Shape.Size())
	}
	lap("generated")
	main := strings.Replace(strings.Replace(driver, "IMPORTS", imports.String(), 1), "CALLS", calls.String(), 1) + snippet.NoiseFunc()
	if err := os.MkdirAll(filepath.Join(dir, "driver"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "driver", "main.go"), []byte(main), 0o644); err != nil {
		t.Fatal(err)
	}
	inModule(t, dir, nil, "go", "build", "./net/"+gosrc.PackageName(names[0]))
	checkBuildTime(t, dir, "./net/"+gosrc.PackageName(largeSpec))
	inModule(t, dir, nil, "go", "build", "./...")
	lap(fmt.Sprintf("%d packages and their run time built", len(names)))
	inModule(t, dir, nil, "go", "vet", "./...")
	if mod, err := os.ReadFile(filepath.Join(dir, "go.mod")); err != nil || strings.Contains(string(mod), "require") {
		t.Errorf("go.mod has become\n%s", mod)
	}
	lap("vetted")
	for _, target := range []string{"linux/arm64", "darwin/arm64", "windows/amd64", "linux/386"} {
		goos, goarch, _ := strings.Cut(target, "/")
		if target == runtime.GOOS+"/"+runtime.GOARCH {
			continue
		}
		if long {
			inModule(t, dir, []string{"GOOS=" + goos, "GOARCH=" + goarch}, "go", "build", "./...")
		} else {
			typeCheck(t, dir, goos, goarch)
		}
		lap(target)
	}
	if long {
		// From the module cache, where the project's own checks have put it.
		cache := strings.TrimSpace(inModule(t, dir, nil, "go", "env", "GOMODCACHE"))
		inModule(t, dir, []string{"GOPROXY=file://" + filepath.ToSlash(cache) + "/cache/download", "GOSUMDB=off"}, "go", "run", "honnef.co/go/tools/cmd/staticcheck@v0.8.2", "./...")
		lap("staticcheck")
	}
	levels := []string{""}
	if long && runtime.GOARCH == "amd64" {
		levels = append(levels, "v3")
	}
	for _, level := range levels {
		program := filepath.Join(dir, "driver.exe")
		inModule(t, dir, []string{"GOAMD64=" + level}, "go", "build", "-o", program, "./driver")
		for _, isa := range kernel.Available() {
			if isa == kernel.Portable && !long {
				continue // slow; TestGeneratedNetworks runs it
			}
			out := inModule(t, dir, []string{"INCC_ISA=" + isa.String()}, program, names...)
			lap(fmt.Sprintf("packages run on %v", isa))
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if len(lines) != len(names) {
				t.Fatalf("%v: the program printed\n%s", isa, out)
			}
			for i, name := range names {
				spec, batch := genSpec(name)
				g := spectest.Load(t, spec)
				if file := weights[name]; file != "" {
					readWeights(t, g, file)
				}
				if want := name + " " + hashBits(executorOutput(t, g, isa, batch)); lines[i] != want {
					t.Errorf("%v, GOAMD64=%s: the package printed\n%s, the executor computes\n%s", isa, level, lines[i], want)
				}
			}
			lap(fmt.Sprintf("executor run on %v", isa))
		}
	}
	if long {
		inModule(t, dir, nil, "go", "test", "./net/...")
		lap("tests of the packages")
	}
}

// checkBuildTime builds a package whose run time was built before, in less than ten
// seconds of processor time, which other work on the machine changes little.
func checkBuildTime(t *testing.T, dir, pkg string) {
	t.Helper()
	build := moduleCommand(dir, nil, "go", "build", pkg)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if used := build.ProcessState.UserTime() + build.ProcessState.SystemTime(); used > 8*time.Second {
		t.Errorf("%s takes %v to build", pkg, used)
	} else {
		t.Logf("%s takes %v of processor time to build", pkg, used.Round(10*time.Millisecond))
	}
}

// readWeights gives a network the weights of a file.
func readWeights(t *testing.T, g *ir.Graph, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	tensors, err := safetensors.OpenTensors(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range g.Params {
		if _, ok := tensors.Info(v.Name); !ok {
			continue // of a head
		}
		x, err := tensors.Float32s(v.Name)
		if err != nil {
			t.Fatal(err)
		}
		g.Data[v.Name] = tensor.Of(x, v.Type.Shape...)
	}
}

// executorOutput is what the executor, planned for a batch, computes for an image of
// noise, with the weights that incc draws where the graph has none, after all passes.
func executorOutput(t *testing.T, g *ir.Graph, isa kernel.ISA, batch int) []float32 {
	t.Helper()
	g.Heads = nil
	ir.Rewrite(g, "drop-heads").Sweep()
	ir.Materialize(g, 1)
	if _, err := passes.Run(g, passes.Level(2), passes.Options{}); err != nil {
		t.Fatal(err)
	}
	p, err := cpu.Compile(g, cpu.Options{ISA: isa.String(), Seed: 1, Batch: batch})
	if err != nil {
		t.Fatal(err)
	}
	y := make([]float32, p.Plan().Outputs[0].Size)
	if err := p.NewSession().Run([][]float32{snippet.Noise(p.Plan().Inputs[0].Size)}, [][]float32{y}); err != nil {
		t.Fatal(err)
	}
	return y
}

// TestGeneratedNetworks compares the packages of small networks with gen/*.txtar, which hold
// the spec, the command and the generated files. Then it compiles the packages in a module
// of their own and runs their tests on every instruction set.
func TestGeneratedNetworks(t *testing.T) {
	exe, err := inccCommand()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("gen/*.txtar")
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Files) < 1 || a.Files[0].Name != "spec.incc" {
				t.Fatal("spec.incc does not come first")
			}
			dir := newModule(t)
			if err := os.WriteFile(filepath.Join(dir, "spec.incc"), a.Files[0].Data, 0o644); err != nil {
				t.Fatal(err)
			}
			// The command is on the last line of the comment.
			comment := strings.Split(strings.TrimSpace(string(a.Comment)), "\n")
			words := strings.Fields(comment[len(comment)-1])
			if len(words) < 4 || words[0] != "incc" || !slices.Contains(words, "--test") {
				t.Fatalf("the comment ends in no command with --test: %q", words)
			}
			inModule(t, dir, nil, exe, words[1:]...)
			got := &txtar.Archive{Comment: a.Comment, Files: a.Files[:1]}
			err = filepath.WalkDir(filepath.Join(dir, "net"), func(p string, d os.DirEntry, err error) error {
				if err != nil {
					return err
				}
				if d.IsDir() && d.Name() == "internal" {
					return filepath.SkipDir
				}
				if d.IsDir() || filepath.Ext(p) != ".go" {
					return nil
				}
				rel, err := filepath.Rel(dir, p)
				if err != nil {
					return err
				}
				b, err := os.ReadFile(p)
				got.Files = append(got.Files, txtar.File{Name: filepath.ToSlash(rel), Data: b})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if text := txtar.Format(got); *update {
				if err := os.WriteFile(file, text, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if want, err := os.ReadFile(file); err != nil || !bytes.Equal(text, want) {
				t.Errorf("the generated package differs from %s (go test ./golden -update writes it anew): %v", file, err)
			}
			if filepath.Base(file) == "nodes.txtar" && !long {
				return // the text is the same as when the package was last compiled
			}
			inModule(t, dir, nil, "go", "vet", "./...")
			inModule(t, dir, nil, "go", "test", "-vet=off", "./...")
		})
	}
}

// TestGoGenerate follows the line that users write: a tool in go.mod, a comment of
// go generate, and a ten-line program that uses the package.
func TestGoGenerate(t *testing.T) {
	if *update {
		t.Skip("nothing to update")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := newModule(t)
	ours, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, requires, ok := strings.Cut(string(ours), "\nrequire")
	if !ok {
		t.Fatal("go.mod requires nothing")
	}
	mod := "module example.com/user\n\ngo 1.26.0\n\ntool github.com/incc-lang/incc/cmd/incc\n\n" +
		"require github.com/incc-lang/incc v0.0.0\n\nreplace github.com/incc-lang/incc => " + filepath.ToSlash(root) + "\n\nrequire" + requires
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod":     mod,
		"go.sum":     string(sum),
		"net/doc.go": "package net\n\n//go:generate go tool incc gen go mnist/nin -o .\n",
		"main.go": `package main

import (
	"fmt"
	"log"

	"example.com/user/net"
)

func main() {
	m, err := net.New()
	if err != nil {
		log.Fatal(err)
	}
	top, err := m.NewSession().Classify(make([]float32, net.ImageLen), 3)
	fmt.Println(len(top), err)
}
`,
	} {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	inModule(t, dir, nil, "go", "generate", "./...")
	if out := inModule(t, dir, nil, "go", "run", "."); strings.TrimSpace(out) != "3 <nil>" {
		t.Errorf("the program prints %s", out)
	}
}
