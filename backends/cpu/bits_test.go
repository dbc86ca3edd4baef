package cpu

import (
	"flag"
	"fmt"
	"hash/crc64"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/specs"
	"github.com/incc-lang/incc/specs/spectest"
)

var update = flag.Bool("update", false, "write testdata/bits.txt")

// bitsFile holds the checksums of all cases of TestNetworkBits, a line each.
const bitsFile = "testdata/bits.txt"

const bitsHead = `# Checksums (CRC-64) of what networks of specs/ compute, the same on AVX2, AVX-512 and NEON:
# the outputs for one image, or all parameters after five training steps on two images.
# Made by: INCC_LONG=1 go test ./backends/cpu -run TestNetworkBits -update
`

// bitsTraining are the networks that train: one of each kind of layer, optimizer and loss.
var bitsTraining = []string{"lenet5", "mnist/nin", "mnist/inception_v1", "mnist/inception_v3", "mnist/conv", "mnist/deep_heads",
	"maxout_mnist_pi", "fashion/inception_bn", "nin_cifar10", "maxout_cifar10"}

// TestNetworkBits compares what every vector tier of this machine computes with checksums
// in the repository: so a run on arm64 is compared with one on amd64. Portable Go is not
// here: it has no fused multiply-add and rounds otherwise.
func TestNetworkBits(t *testing.T) {
	pinned := readBits(t)
	got := map[string]string{}
	var cases []string
	run := func(name string, compute func(isa string) (string, error)) {
		cases = append(cases, name)
		for _, isa := range kernel.Available() {
			if isa == kernel.Portable {
				continue
			}
			sum, err := compute(isa.String())
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if *update && got[name] == "" {
				got[name], pinned[name] = sum, sum
			}
			if sum != pinned[name] {
				t.Errorf("%s, %v: checksum %s, want %s as in %s; if the order of additions was changed on purpose, write the file anew with -update", name, isa, sum, pinned[name], bitsFile)
			}
		}
	}
	for _, name := range specs.Names() {
		if macs := ir.Summarize(spectest.Load(t, name)).MACs; !longtest.Enabled() && macs > 20e6 || testing.Short() && macs > 2e6 {
			continue
		}
		g := load(t, name, 2)
		run("forward "+name, func(isa string) (string, error) { return forwardBits(g, isa) })
	}
	for i, name := range bitsTraining {
		if testing.Short() && i > 0 || !longtest.Enabled() && i > 2 {
			break
		}
		g := loadTraining(t, name)
		run("training "+name, func(isa string) (string, error) { return trainingSum(g, isa) })
	}
	if *update {
		writeBits(t, cases, got)
	}
}

// forwardBits is the checksum of the outputs for one image.
func forwardBits(g *ir.Graph, isa string) (string, error) {
	p, err := Compile(g, Options{ISA: isa, Threads: 2})
	if err != nil {
		return "", err
	}
	defer p.pool.Close()
	_, in := draw(g, 1, 1)
	out := outputs(p, 1)
	err = p.NewSession().Run(in, out)
	return checksum(out), err
}

// trainingSum is the checksum of all parameters after five steps on two images.
func trainingSum(g *ir.Graph, isa string) (string, error) {
	const batch = 2
	p, err := Compile(g, Options{ISA: isa, Threads: 2, Batch: batch})
	if err != nil {
		return "", err
	}
	defer p.pool.Close()
	s, out := p.NewSession(), outputs(p, batch)
	for step := range 5 {
		_, in := trainInputs(g, batch, step)
		if err := s.Run(in, out); err != nil {
			return "", err
		}
	}
	var all [][]float32
	for _, name := range p.Params() {
		v, err := s.Param(name)
		if err != nil {
			return "", err
		}
		all = append(all, v)
	}
	return checksum(all), nil
}

var bitsTable = crc64.MakeTable(crc64.ECMA)

// checksum is that of the bits of all elements, low byte first.
func checksum(l [][]float32) string {
	sum := uint64(0)
	buf := make([]byte, 0, 4096)
	for _, v := range l {
		for _, x := range v {
			b := math.Float32bits(x)
			if buf = append(buf, byte(b), byte(b>>8), byte(b>>16), byte(b>>24)); len(buf) == cap(buf) {
				sum, buf = crc64.Update(sum, bitsTable, buf), buf[:0]
			}
		}
	}
	return fmt.Sprintf("%016x", crc64.Update(sum, bitsTable, buf))
}

// readBits returns the checksums by the names of cases.
func readBits(t *testing.T) map[string]string {
	m := map[string]string{}
	text, err := os.ReadFile(bitsFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if f := strings.Fields(l); len(f) == 3 && f[0] != "#" {
			m[f[1]+" "+f[2]] = f[0]
		}
	}
	return m
}

// writeBits writes the file anew. It must hold all cases, so it asks for the long form.
func writeBits(t *testing.T, cases []string, sums map[string]string) {
	if !longtest.Enabled() || testing.Short() {
		t.Fatal("-update writes all cases: run it with INCC_LONG=1 and without -short")
	}
	var b strings.Builder
	b.WriteString(bitsHead)
	for _, name := range cases {
		fmt.Fprintln(&b, sums[name], name)
	}
	if err := os.WriteFile(bitsFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
