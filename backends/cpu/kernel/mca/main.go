// Command mca predicts how fast the NEON microkernels run, with the models of
// processors that llvm-mca has. It is for those who change a microkernel and have no
// arm64 machine:
//
//	go run ./backends/cpu/kernel/mca          # the table of the kernel's README
//	go run ./backends/cpu/kernel/mca -write   # and writes it there
//
// It builds the tests of package kernel for arm64, disassembles the inner loop of
// each microkernel as the linker wrote it, and counts instructions and cycles. It needs
// llvm-mca and llvm-objdump (Debian: apt install llvm-22).
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// readmeFile is where -write puts the table, from the root of the repository.
const readmeFile = "backends/cpu/kernel/README.md"

// The table stands between these lines of the README.
const (
	tableBegin = "<!-- go run ./backends/cpu/kernel/mca -write -->\n"
	tableEnd   = "<!-- end of the table of mca -->\n"
)

// models are processors with two, four and four vector pipes, as llvm-mca names them.
// LLVM has no model of Apple's M1: it takes that of the A7, which has three pipes
// (the M1 has four).
var models = []string{"neoverse-n1", "neoverse-n2", "neoverse-v1", "neoverse-v2", "apple-m1"}

// microkernels are the rows of the table.
var microkernels = []struct{ symbol, what string }{
	{"tileNEONp6o1", "tile of direct convolution, 6 pixels"},
	{"tileNEONp4o1", "the same, 4 pixels"},
	{"winoProductNEONp6o1", "products of Winograd, 6 tiles"},
	{"winoInNEON", "input transform of Winograd"},
	{"winoOutNEONm4", "output transform of Winograd F(4x4, 3x3)"},
	{"n16ConvNEONp4o4", "convolution of 16 images side by side"},
	{"bwdWeightsNEONp6o1", "backward weights"},
	{"depthwiseNEON", "depthwise convolution"},
	{"matVecNEONw16", "dense layer of one image"},
	{"int8TileNEONp2o1", "convolution of bytes, products of 16 bits, 2 pixels"},
	{"int8DotsNEONp6o1", "the same with dotprod, 6 pixels"},
	{"int8MixedNEONp6o1", "the same with i8mm, 6 pixels"},
}

func main() {
	write := flag.Bool("write", false, "write the table into "+readmeFile)
	mca := flag.String("llvm-mca", "", "the llvm-mca to use (default: the newest on the path)")
	flag.Parse()
	if flag.NArg() > 0 {
		fail(fmt.Errorf("no arguments are expected, but there is %q", flag.Arg(0)))
	}
	t, err := tools(*mca)
	if err != nil {
		fail(err)
	}
	table, err := t.table()
	if err != nil {
		fail(err)
	}
	fmt.Print(table)
	if *write {
		if err := replaceTable(readmeFile, table); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "mca:", err)
	os.Exit(1)
}

// toolset holds the paths of LLVM's programs.
type toolset struct{ mca, objdump string }

// tools finds llvm-mca, the newest where it is not named, and llvm-objdump beside it.
func tools(mca string) (toolset, error) {
	if mca == "" {
		for v := 40; v >= oldest && mca == ""; v-- {
			if p, err := exec.LookPath(fmt.Sprintf("llvm-mca-%d", v)); err == nil {
				mca = p
			}
		}
	}
	if mca == "" {
		mca = "llvm-mca"
	}
	path, err := exec.LookPath(mca)
	if err != nil {
		return toolset{}, fmt.Errorf("%w; install LLVM %d or newer (Debian: apt install llvm-22), or name the program with -llvm-mca", err, oldest)
	}
	objdump := filepath.Join(filepath.Dir(path), strings.Replace(filepath.Base(path), "mca", "objdump", 1))
	if _, err := exec.LookPath(objdump); err != nil {
		return toolset{}, fmt.Errorf("%w; it is part of the same package as llvm-mca", err)
	}
	t := toolset{path, objdump}
	var major int
	if _, rest, ok := strings.Cut(t.version(), "version "); ok {
		fmt.Sscanf(rest, "%d", &major)
	}
	if major > 0 && major < oldest {
		return toolset{}, fmt.Errorf("%s is LLVM %d; install LLVM %d or newer (Debian: apt install llvm-22), or name the program with -llvm-mca", path, major, oldest)
	}
	return t, nil
}

// oldest is the first version of LLVM that has models of all the processors.
const oldest = 16

// version is the line of llvm-mca that names its version.
func (t toolset) version() string {
	out, err := exec.Command(t.mca, "--version").Output()
	if err != nil {
		return "llvm-mca of an unknown version"
	}
	for l := range strings.Lines(string(out)) {
		if strings.Contains(l, "version") {
			return strings.TrimSpace(l)
		}
	}
	return "llvm-mca of an unknown version"
}

// table returns the Markdown table of all microkernels and models.
func (t toolset) table() (string, error) {
	dir, err := os.MkdirTemp("", "incc-mca")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "kernel.test")
	build := exec.Command("go", "test", "-c", "-o", binary, "./backends/cpu/kernel")
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go test -c ./backends/cpu/kernel for arm64 (run this in the root of the repository): %w\n%s", err, out)
	}
	pipes := map[string]float64{}
	for _, m := range models {
		if pipes[m], err = t.pipes(m); err != nil {
			return "", err
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| inner loop of | vector operations |")
	for _, m := range models {
		fmt.Fprintf(&b, " %s |", m)
	}
	fmt.Fprintf(&b, "\n| --- | --- |%s\n", strings.Repeat(" --- |", len(models)))
	for _, k := range microkernels {
		loop, err := t.loop(binary, k.symbol)
		if err != nil {
			return "", err
		}
		n := count(loop, arithmetic)
		fmt.Fprintf(&b, "| %s (`%s`) | %d |", k.what, k.symbol, n)
		for _, m := range models {
			c, err := t.cycles(m, loop)
			if errors.Is(err, errLacking) {
				b.WriteString(" none |")
				continue
			}
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, " %.1f, %.0f %% |", c, 100*float64(n)/c/pipes[m])
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "| *limit: vector operations a cycle* | |")
	for _, m := range models {
		fmt.Fprintf(&b, " %.0f |", pipes[m])
	}
	fmt.Fprintf(&b, "\n\n%s.\n", t.version())
	return b.String(), nil
}

// pipes returns how many vector multiply-adds a cycle the model can begin: the rate of
// 24 that do not depend on each other.
func (t toolset) pipes(model string) (float64, error) {
	var block []string
	for i := range 24 {
		block = append(block, fmt.Sprintf("fmla v%d.4s, v30.4s, v31.s[0]", i))
	}
	c, err := t.cycles(model, block)
	return float64(int(24/c + 0.5)), err
}

// replaceTable puts the table between its two marks in the file.
func replaceTable(file, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, ok1 := bytes.Cut(text, []byte(tableBegin))
	_, tail, ok2 := bytes.Cut(rest, []byte(tableEnd))
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", file, tableBegin, tableEnd)
	}
	out := string(head) + tableBegin + table + tableEnd + string(tail)
	return os.WriteFile(file, []byte(out), 0o644)
}
