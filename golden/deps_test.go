package golden

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// depsPolicy says which package may import which: a package, a colon, and what it may
// import besides the standard library. "..." means all folders below. Packages with NONE
// are copied into users' modules, or all others build on them.
//
// Before you add an import that this list does not allow, add it here with the reason.
const depsPolicy = `
# Operators for arrays of any shape: the interpreter and the run time compute with the same code.
ir/nodes: NONE
ir/tensor, ir/recipe, ir/irtest/longtest, ir/irtest/cputime, backends/safetensors, specs: NONE

# How many columns a terminal uses for a character, from the tables of Unicode.
ir/diag:     github.com/mattn/go-runewidth
ir/diag/fit: ir/diag

# The run time: generated packages have what they need of it.
backends/cpu/threads, backends/cpu/memory, backends/cpu/scalar: NONE
backends/cpu/random: backends/cpu/scalar
backends/cpu/epochs: backends/cpu/random
backends/cpu/kernel: ir/nodes, backends/cpu/threads, backends/cpu/memory, backends/cpu/scalar, backends/cpu/random, backends/safetensors
backends/cpu/sources: ir/nodes, backends/cpu/threads, backends/cpu/memory, backends/cpu/scalar, backends/cpu/random, backends/cpu/epochs, backends/cpu/kernel, backends/safetensors

backends/onnx/onnxpb: google.golang.org/protobuf/...

# The IR knows no language, no pass, no backend.
ir:      ir/diag, ir/tensor, ir/recipe
ir/ops:  ir, ir/nodes, ir/tensor
ir/ref:  ir, ir/tensor
ir/irtest: ir, ir/ops, ir/ref, ir/tensor, ir/recipe

# Language, passes and code generation do not know each other.
dsl:                       ir/...
# From a graph back to a text.
dsl/decompile:             dsl, ir/...
# The server for editors.
dsl/lsp:                   dsl, ir/...
# Writes the grammar for editors.
dsl/editors/generate:      dsl
dsl/internal/specgen:      dsl, ir/...
# A tool of tests.
specs/spectest:            dsl, ir, specs
passes:                    ir/..., passes/lowrank
passes/lowrank:            ir/tensor
passes/autodiff:           ir/..., passes/lower
# Layers as convolutions and products, for executors and autodiff.
passes/lower:              ir/...
passes/quantize:           ir/...
passes/compress:           ir/..., passes, passes/lowrank
codegen/plan:              ir/...
codegen/gosrc:             ir/..., codegen/plan, codegen/gosrc/snippet
# Printed into users' packages as it stands.
codegen/gosrc/snippet:     NONE
codegen/gosrc/snippet/server: NONE
# Copies it.
backends/cpu/data/internal/generate: codegen/gosrc/snippet

backends:                  ir/...
# form: a model for a fixed number of images becomes one for any number.
# Fonts, lines and PDF.
backends/draw:             ir/..., codeberg.org/go-pdf/fpdf, github.com/golang/freetype/..., golang.org/x/image/...
# Training needs the logits before a softmax: autodiff says which value that is.
backends/torch:            ir/..., passes/autodiff
backends/onnx:             backends, backends/files, backends/safetensors, backends/weights/arrays, backends/cpu/form, backends/onnx/onnxpb, ir/..., passes/lower, google.golang.org/protobuf/...
# Pictures in, names of classes out: all that incc predict does, for Go programs.
backends/classify:         backends/cpu, backends/cpu/data, backends/cpu/kernel, backends/files, backends/onnx, dsl, ir/..., passes, passes/autodiff
# A model as a program, in the form that fits; and with the calls of onnxruntime_go.
backends/onnx/executor:    backends/cpu, backends/cpu/form, backends/onnx, codegen/plan, ir/..., passes
backends/onnx/ort:         backends/cpu, backends/onnx, backends/onnx/executor, backends/onnx/onnxpb, ir/..., passes
backends/triton:           backends, backends/onnx, backends/onnx/onnxpb, ir, ir/diag
# Tools of tests: ONNX Runtime and the ONNX checker as child processes.
backends/onnx/onnxtest:    backends/onnx, backends/cpu/peers, ir/...
# onnx-go and all that comes with it stay out of everything else.
backends/onnx/onnxgo:      backends/..., codegen/plan, ir/..., passes, github.com/owulveryck/onnx-go/..., gonum.org/v1/gonum/graph/..., gorgonia.org/..., google.golang.org/protobuf/...

# Reads and writes whatever a path names.
backends/files: ir/diag

# Files of weights, a folder for each kind; ONNX models have weights, too.
backends/weights/arrays:   backends/safetensors
backends/weights/zipfile:  ir/diag
backends/weights/pytorch:  backends/safetensors, backends/weights/arrays, backends/weights/zipfile, ir/diag
backends/weights/npz:      backends/safetensors, backends/npy, backends/weights/arrays, backends/weights/zipfile, ir/diag
backends/weights/names:    NONE
backends/weights/hdf5:     backends/safetensors, backends/weights/arrays
backends/keras:            backends/onnx, backends/onnx/onnxpb, backends/safetensors, backends/weights/arrays, backends/weights/hdf5, backends/weights/zipfile, ir/diag
backends/weights:          backends/files, backends/keras, backends/safetensors, backends/onnx, backends/weights/..., ir, ir/diag, ir/ops, ir/tensor

# codegen/plan knows no kernel: the executor hands it the lowering.
backends/npy:              ir/tensor
backends/cpu:              backends/cpu/kernel, backends/cpu/threads, backends/cpu/memory, backends/safetensors, codegen/plan, ir/..., passes/lower
backends/cpu/train:        backends/files, backends/cpu, backends/cpu/data, backends/cpu/epochs, backends/cpu/kernel, backends/safetensors, codegen/plan, ir/..., passes, passes/autodiff, passes/quantize
# Eigenvectors for whitening and colours; BMP, TIFF and WebP.
backends/cpu/data:         backends/files, backends/cpu/epochs, backends/cpu/random, backends/cpu/scalar, backends/cpu/kernel, ir/..., gonum.org/v1/gonum/mat, golang.org/x/image/...
# Text along an axis: freetype is what charts draws with. Names of classes may have
# characters that its font lacks, and letters apart from their accents.
backends/cpu/chart/unifont: NONE
backends/cpu/chart:        backends/cpu/chart/unifont, ir/diag, golang.org/x/text/unicode/norm, github.com/go-analyze/charts/chartdraw/..., github.com/golang/freetype/..., golang.org/x/image/...
# Graphs of fixed shapes, as the executor wants them.
backends/cpu/form:         ir/...
backends/cpu/peers:        NONE
backends/cpu/peers/install: backends/cpu/peers

# Nothing but tests.
golden: NONE

# The page of incc view, which plans and runs networks. Fonts.
cmd/incc/view: backends/cpu, backends/cpu/data, backends/cpu/kernel, backends/draw, codegen/plan, ir/..., passes, golang.org/x/image/font/gofont/...
cmd/incc: cmd/incc/view, backends, backends/classify, backends/draw, backends/files, backends/keras, backends/safetensors, backends/npy, backends/torch, backends/onnx, backends/onnx/executor, backends/onnx/onnxpb, backends/triton, backends/cpu/..., backends/weights, backends/weights/names, codegen/..., dsl, dsl/decompile, dsl/lsp, ir/..., passes/..., specs, github.com/urfave/cli/v2, google.golang.org/protobuf/encoding/protowire, golang.org/x/mod/..., golang.org/x/sys/..., golang.org/x/term, golang.org/x/image/...
`

const module = "github.com/incc-lang/incc/"

// allowedImports reads the policy into patterns by package.
func allowedImports(t *testing.T) map[string][]string {
	m := map[string][]string{}
	for _, line := range strings.Split(depsPolicy, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		who, what, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("policy line without a colon: %s", line)
		}
		for _, w := range strings.Split(who, ",") {
			w = strings.TrimSpace(w)
			m[w] = []string{}
			for _, p := range strings.Split(what, ",") {
				if p = strings.TrimSpace(p); p != "NONE" {
					m[w] = append(m[w], p)
				}
			}
		}
	}
	return m
}

func matches(pattern, pkg string) bool {
	if stem, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == stem || strings.HasPrefix(pkg, stem+"/")
	}
	return pattern == pkg
}

func TestImports(t *testing.T) {
	policy := allowedImports(t)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			// Other modules, test data and hidden folders are not checked.
			if p != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(p))
		if err != nil {
			return err
		}
		pkg := path.Clean(filepath.ToSlash(rel))
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		if f.Name.Name == "main" && !strings.HasPrefix(pkg, "cmd/") {
			return nil // a generator or tool
		}
		files++
		allowed, known := policy[pkg]
		if !known {
			t.Errorf("%s is not in the import policy of golden/deps_test.go", pkg)
			return nil
		}
		for _, im := range f.Imports {
			ip, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				return err
			}
			if first, _, _ := strings.Cut(ip, "/"); !strings.Contains(first, ".") {
				if ip == "C" {
					t.Errorf("%s uses cgo", p)
				}
				continue
			}
			local := strings.TrimPrefix(ip, module)
			if !slices.ContainsFunc(allowed, func(pat string) bool { return matches(pat, local) }) {
				t.Errorf("%s/%s imports %s, which the policy does not allow to %s", pkg, name, ip, pkg)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("only %d files were looked at", files)
	}
}

// TestTopLevel reports files and folders at the top level that are not in its list.
func TestTopLevel(t *testing.T) {
	allowed := []string{"LICENSE", "README.md", "backends", "cmd", "codegen", "dsl", "go.mod", "go.sum", "golden", "ir", "passes", "specs"}
	es, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("unknown file or folder %s at the top level (want %v)", e.Name(), allowed)
		}
	}
}

// TestNoFilesTouched checks that the language, the IR, the passes and the code generators
// open no files: they take bytes and return bytes. Only cmd/incc, the trainer and the data
// sets read and write files.
func TestNoFilesTouched(t *testing.T) {
	for _, dir := range []string{"../ir", "../dsl", "../passes", "../codegen"} {
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && slices.Contains([]string{
				"../codegen/gosrc/snippet/server", // copied into users' commands; incc does not link it
				"../ir/irtest",                    // imported by tests only
				"../dsl/editors/generate",         // a command of the repository
			}, filepath.ToSlash(p)) {
				return filepath.SkipDir
			}
			if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, im := range f.Imports {
				if im.Path.Value == `"os"` || im.Path.Value == `"net"` || im.Path.Value == `"os/exec"` {
					t.Errorf("%s imports %s", p, im.Path.Value)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
