package main

import (
	"errors"
	"fmt"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/codegen/gosrc"
	"github.com/incc-lang/incc/ir/diag"
)

// destination says where a package and its copy of the runtime are written.
type destination struct {
	module                  *goModule
	dir, importPath, pkg    string
	runtimeDir, runtimePath string
}

var packageName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// findDestination finds the module of a folder and the name of the package in it. The
// name is pkg if that is not empty, else the package name in the Go files of the folder,
// else one made from the import path. runtimeDir may be empty: dir/internal/kernel.
func findDestination(dir, runtimeDir, pkg string) (*destination, error) {
	m, err := findModule(dir)
	if err != nil {
		return nil, err
	}
	d := &destination{module: m}
	if d.dir, d.importPath, err = m.locate(dir); err != nil {
		return nil, err
	}
	if runtimeDir == "" {
		runtimeDir = filepath.Join(dir, "internal", "kernel")
	}
	if d.runtimeDir, d.runtimePath, err = m.locate(runtimeDir); err != nil {
		return nil, fmt.Errorf("--kernel: %w", err)
	}
	if d.runtimeDir == d.dir {
		return nil, usagef("--kernel must name a folder other than that of the package")
	}
	if err := d.visible(); err != nil {
		return nil, err
	}
	have, err := packageIn(d.dir)
	if err != nil {
		return nil, err
	}
	switch {
	case pkg != "":
		if !token.IsIdentifier(pkg) || !packageName.MatchString(pkg) || strings.HasSuffix(pkg, "_test") || pkg == "init" || pkg == "documentation" {
			return nil, usagef("--package=%s is not a valid name for a Go package that other packages import", diag.Printable(pkg))
		}
		if have != "" && have != pkg {
			return nil, fmt.Errorf("%s holds package %s, not %s", diag.Printable(dir), have, pkg)
		}
		d.pkg = pkg
	case have != "":
		d.pkg = have
	default:
		d.pkg = packageNameOf(d.importPath)
	}
	return d, nil
}

// visible returns an error if Go does not allow the package to import the runtime,
// because that is in the internal folder of another package.
func (d *destination) visible() error {
	i := strings.LastIndex("/"+d.runtimePath+"/", "/internal/")
	if i < 0 {
		return nil
	}
	parent := strings.TrimSuffix(("/" + d.runtimePath + "/")[1:max(i, 1)], "/")
	if d.importPath == parent || strings.HasPrefix(d.importPath, parent+"/") || parent == "" {
		return nil
	}
	return fmt.Errorf("package %s may not import %s, which is internal to %s", d.importPath, d.runtimePath, parent)
}

// packageIn returns the package name in the Go files of a folder that incc did not
// generate, or "" if there are no such files. It ignores tests.
func packageIn(dir string) (string, error) {
	l, err := goFiles(dir)
	for _, f := range l {
		if !strings.HasSuffix(f.file, "_test.go") {
			return f.ast.Name.Name, err
		}
	}
	return "", err
}

// checkWeights returns an error if the generated file of weights would replace weights
// that incc gen did not write. These are the file of --weights, which is read, and any
// file of weights in a folder without a generated package.
func (d *destination) checkWeights(files []genFile, read string) error {
	for _, f := range files {
		if f.weights == nil {
			if filepath.Base(f.path) == goldenFile && !isGolden(f.path) {
				return fmt.Errorf("%s was not written by incc gen go --test: move it away", shortPath(f.path))
			}
			continue
		}
		there, err := os.Stat(f.path)
		if err != nil {
			return nil
		}
		if f.onDisk() {
			return nil
		}
		if info, err := os.Stat(read); read != "" && err == nil && os.SameFile(info, there) {
			return fmt.Errorf("%s is also the file of --weights, and would be replaced by a smaller one that holds only the weights of the package: move it away and name it with --weights", shortPath(f.path))
		}
		if b, err := readOutput(filepath.Join(d.dir, "model_incc.go")); err != nil || !gosrc.IsGenerated(b) {
			return fmt.Errorf("%s holds other weights and no package was generated here: move it away and name it with --weights", shortPath(f.path))
		}
	}
	return nil
}

// goldenFile holds the outputs that the test of --test expects.
const goldenFile = "golden_incc.safetensors"

// isGolden reports whether a file is one of expected outputs, or is missing: it has the
// output of the network, the losses of a training, and nothing else.
func isGolden(path string) bool {
	f, size, err := files.Open(path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	t, err := safetensors.OpenTensors(f, size)
	if err != nil {
		return false
	}
	for _, x := range t.All() {
		if x.Name != "output" && x.Name != "losses" {
			return false
		}
	}
	return len(t.All()) > 0
}

// stale lists the files that an earlier incc gen go wrote and that are not in files.
func (d *destination) stale(files []genFile) ([]string, error) {
	now := map[string]bool{}
	for _, f := range files {
		now[f.path] = true
	}
	var old []string
	for _, dir := range []string{d.dir, filepath.Join(d.dir, "cmd", d.pkg), d.runtimeDir} {
		l, err := os.ReadDir(dir)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range l {
			p := filepath.Join(dir, e.Name())
			if now[p] || !e.Type().IsRegular() || !isSource(p) {
				continue
			}
			b, err := readOutput(p)
			if err != nil {
				return nil, err
			}
			if gosrc.IsGenerated(b) && strings.Contains(strings.SplitN(string(b), "\n", 2)[0], " gen go") {
				old = append(old, p)
			}
		}
	}
	return old, nil
}

// isSource reports whether a file, by its name, is one of the texts that gen go writes. Their
// first lines say that they are generated.
func isSource(file string) bool {
	switch filepath.Base(file) {
	case "README.md", "Dockerfile", "Dockerfile.dockerignore", "kubernetes.yaml":
		return true
	}
	ext := filepath.Ext(file)
	return ext == ".go" || ext == ".s"
}
