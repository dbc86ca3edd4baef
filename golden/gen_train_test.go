package golden

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/gosrc"
	"github.com/incc-lang/incc/specs"
)

// trainDriver is a program that trains every package on the images of a folder, as
// its documentation says, and writes the weights. Half way it stops and goes on
// in another trainer, from a checkpoint.
const trainDriver = `package main

import (
	"fmt"
	"os"
	"path/filepath"

IMPORTS)

type trainer interface {
	Done() bool
	Steps() int
	Next() []int32
	Step(images []float32, labels []int) (float32, error)
	Save(path string) error
	Checkpoint(path string) error
	Resume(path string) error
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	pixels, err := os.ReadFile(filepath.Join(os.Args[1], "train-images-idx3-ubyte"))
	must(err)
	labels, err := os.ReadFile(filepath.Join(os.Args[1], "train-labels-idx1-ubyte"))
	must(err)
	out := os.Args[2]
CALLS}

func run(path string, begin func() trainer, fromPixels func([]float32, []byte) error, pixels, labels []byte, batch, size int) {
	images, classes := make([]float32, batch*size), make([]int, batch)
	t := begin()
	for !t.Done() {
		for i, at := range t.Next() {
			must(fromPixels(images[i*size:(i+1)*size], pixels[int(at)*size:(int(at)+1)*size]))
			classes[i] = int(labels[at])
		}
		_, err := t.Step(images, classes)
		must(err)
		if t.Steps() == 5 {
			must(t.Checkpoint(path + ".checkpoint"))
			t = begin()
			must(t.Resume(path + ".checkpoint"))
		}
	}
	must(t.Save(path))
}
`

// writeImages makes a folder in the format of MNIST, of images of 28x28 that are
// blots, different for each class.
func writeImages(t *testing.T, dir string, n int) {
	t.Helper()
	for _, part := range []struct {
		name string
		n    int
	}{{"train", n}, {"t10k", 8}} {
		var pixels, labels []byte
		for i := range part.n {
			labels = append(labels, byte(i%10))
			for p := range 28 * 28 {
				y, x := p/28, p%28
				v := (y*(i%10+1)+x*(i%7))%97*2 + (i*p)%31
				pixels = append(pixels, byte(v))
			}
		}
		for name, data := range map[string][]byte{"images-idx3-ubyte": append(idxHeader(3, part.n, 28, 28), pixels...), "labels-idx1-ubyte": append(idxHeader(1, part.n), labels...)} {
			if err := os.WriteFile(filepath.Join(dir, part.name+"-"+name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func idxHeader(rank byte, dims ...int) []byte {
	b := []byte{0, 0, 8, rank}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return b
}

// trained are networks that between them train every kind of layer.
var trained = []string{"lenet5", "mnist/deep_heads", "mnist/inception_v3", "maxout_mnist_pi"}

// averagedSpec trains what no built-in network for MNIST does: averages, of weights
// and of running statistics, and RMSProp in PyTorch's form.
const averagedSpec = `net averaged
input image 1x28x28 range=0..1
conv 3x3/2 8 act=relu bn=1e-3 -> conv 3x3/2 16 act=relu bn=1e-3 -> gap -> fc 10 -> softmax
train {
  rmsprop_torch lr=0.002 momentum=0.5
  average ema decay=0.8
  run batch=16 epochs=2
}
`

// TestGeneratedTrainers generates trainers of networks for MNIST into one module.
// They reach the weights of incc train on the same data, byte for byte of the
// file, on every instruction set of this machine and any number of threads, and
// with a checkpoint in between. INCC_LONG=1 takes all networks for MNIST.
func TestGeneratedTrainers(t *testing.T) {
	if *update {
		t.Skip("nothing to update")
	}
	exe, err := inccCommand()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range specs.Names() {
		if long && (strings.Contains(name, "mnist") || name == "lenet5") || slices.Contains(trained, name) {
			names = append(names, name)
		}
	}
	begin := time.Now()
	dir := newModule(t)
	if err := os.WriteFile(filepath.Join(dir, "averaged.incc"), []byte(averagedSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	names = append(names, "averaged.incc")
	packageName := func(name string) string { return gosrc.PackageName(strings.TrimSuffix(name, ".incc")) }
	data := filepath.Join(dir, "idx")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	writeImages(t, data, 150)
	var imports, calls strings.Builder
	for i, name := range names {
		pkg := packageName(name)
		inModule(t, dir, nil, exe, "gen", "go", name, "-o", "./net/"+pkg, sharedKernel, "--train")
		fmt.Fprintf(&imports, "\tn%d \"example.com/user/net/%s\"\n", i, pkg)
		fmt.Fprintf(&calls, "\trun(filepath.Join(out, %q), func() trainer {\n\t\tt, err := n%d.NewTrainer(len(labels) - 8)\n\t\tmust(err)\n\t\treturn t\n\t}, n%d.FromPixels, pixels[16:], labels[8:], n%d.TrainBatch, n%d.ImageLen)\n", pkg, i, i, i, i)
		// Epochs of one or two steps. What is to be overfitted is not augmented.
		inModule(t, dir, nil, exe, "train", name, "--data", data, "--overfit", "150", "--out", "runs/"+pkg)
	}
	if err := os.MkdirAll(filepath.Join(dir, "driver"), 0o755); err != nil {
		t.Fatal(err)
	}
	main := strings.Replace(strings.Replace(trainDriver, "IMPORTS", imports.String(), 1), "CALLS", calls.String(), 1)
	if err := os.WriteFile(filepath.Join(dir, "driver", "main.go"), []byte(main), 0o644); err != nil {
		t.Fatal(err)
	}
	inModule(t, dir, nil, "go", "vet", "./...")
	program := filepath.Join(dir, "driver.exe")
	inModule(t, dir, nil, "go", "build", "-o", program, "./driver")
	t.Logf("generated, trained and compiled after %v", time.Since(begin).Round(time.Millisecond))
	for _, isa := range kernel.Available() {
		if isa == kernel.Portable && len(kernel.Available()) > 1 {
			continue // trains to other bits
		}
		for _, threads := range []string{"1", "2"} {
			if !long && (isa == kernel.AVX2) != (threads == "1") && len(kernel.Available()) > 2 {
				continue // the tiers take turns
			}
			out := t.TempDir()
			inModule(t, dir, []string{"INCC_ISA=" + isa.String(), "GOMAXPROCS=" + threads}, program, data, out)
			for _, name := range names {
				pkg := packageName(name)
				got, err := os.ReadFile(filepath.Join(out, pkg))
				if err != nil {
					t.Fatal(err)
				}
				want, err := os.ReadFile(filepath.Join(dir, "runs", pkg, "last.safetensors"))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s, %v, %s threads: other weights than those of incc train", name, isa, threads)
				}
			}
		}
	}
}
