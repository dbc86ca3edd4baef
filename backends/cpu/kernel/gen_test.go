package kernel

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// TestAssemblyIsFresh runs the commands of gen.go in a copy of the
// generator and compares what they write with what is checked in.
func TestAssemblyIsFresh(t *testing.T) {
	if !longtest.Enabled() {
		t.Skip("it builds the generator, which takes 20 s: INCC_LONG=1 runs it")
	}
	src, err := os.ReadFile("gen.go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	asm := filepath.Join(dir, "_asm")
	if err := os.Mkdir(asm, 0o777); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob("_asm/*")
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil {
			if err := os.WriteFile(filepath.Join(dir, f), b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := exec.Command("go", "-C", asm, "mod", "download").CombinedOutput(); err != nil {
		t.Skipf("the generator's modules are not to be had here: %v\n%s", err, out)
	}
	if out, err := exec.Command("go", "-C", asm, "build", "-o", "generator", ".").CombinedOutput(); err != nil {
		t.Fatalf("building the generator: %v\n%s", err, out)
	}
	n := 0
	for line := range strings.Lines(string(src)) {
		args, ok := strings.CutPrefix(strings.TrimSpace(line), "//go:generate go -C _asm run . ")
		if !ok {
			continue
		}
		cmd := exec.Command(filepath.Join(asm, "generator"), strings.Fields(args)...)
		cmd.Dir = asm
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
		for _, f := range strings.Fields(args) {
			f, ok := strings.CutPrefix(f, "../")
			if !ok {
				continue
			}
			want, _ := os.ReadFile(filepath.Join(dir, f))
			got, err := os.ReadFile(f)
			// avo's first line names the program's source file or binary.
			if err != nil || !bytes.Equal(afterFirstLine(want), afterFirstLine(got)) {
				t.Errorf("%s is stale: run go generate in backends/cpu/kernel", f)
			}
			n++
		}
	}
	if n < 6 {
		t.Errorf("only %d generated files found", n)
	}
}

// TestMicrokernelsAreFresh runs the generator of the microkernels, which needs no module but its
// own, and compares.
func TestMicrokernelsAreFresh(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	src, err := os.ReadFile("gen.go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	exe := filepath.Join(dir, "generator")
	if out, err := exec.Command("go", "-C", "_asm/micro", "build", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the generator: %v\n%s", err, out)
	}
	n := 0
	for line := range strings.Lines(string(src)) {
		part, ok := strings.CutPrefix(strings.TrimSpace(line), "//go:generate go -C _asm/micro run . -part ")
		if !ok {
			continue
		}
		if out, err := exec.Command(exe, "-part", part, "-dir", dir).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", part, err, out)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*_*64.*"))
	for _, f := range files {
		want, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(f)
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(want, got) {
			t.Errorf("%s is stale: run go generate in backends/cpu/kernel (%v)", name, err)
		}
		n++
	}
	if n < 30 {
		t.Errorf("only %d generated files found", n)
	}
}

// TestAssembler runs the tests of the microkernels' assembler, a module of its own.
func TestAssembler(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	if out, err := exec.Command("go", "-C", "_asm/micro", "test", "./...").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func afterFirstLine(b []byte) []byte {
	_, rest, _ := bytes.Cut(b, []byte("\n"))
	return rest
}
