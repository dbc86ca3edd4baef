package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/codegen/gosrc"
	"github.com/incc-lang/incc/ir/diag"
)

// genFile is a file to be.
type genFile struct {
	path    string
	data    []byte
	weights bool
}

func (f *genFile) writeTo(w io.Writer) error {
	_, err := w.Write(f.data)
	return err
}

// destination is where a package and its run time go.
type destination struct {
	dir, importPath, pkg    string
	runtimeDir, runtimePath string
}

// findDestination looks for the module that the folder lies in, and names the
// package after the Go files that stand there, or after the folder.
func findDestination(dir, runtimeDir, pkg string) (*destination, error) {
	m, err := findModule(dir)
	if err != nil {
		return nil, err
	}
	d := &destination{}
	if d.dir, d.importPath, err = m.locate(dir); err != nil {
		return nil, err
	}
	own := runtimeDir == ""
	if own {
		runtimeDir = filepath.Join(dir, "internal", "kernel")
	}
	if d.runtimeDir, d.runtimePath, err = m.locate(runtimeDir); err != nil {
		return nil, fmt.Errorf("--kernel: %w", err)
	}
	if d.runtimeDir == d.dir {
		return nil, usagef("--kernel names the folder of the package")
	}
	if err := d.visible(); err != nil {
		return nil, err
	}
	standing, err := packageIn(d.dir)
	if err != nil {
		return nil, err
	}
	switch {
	case pkg != "":
		if !token.IsIdentifier(pkg) || !packageName.MatchString(pkg) {
			return nil, usagef("--package=%s is not the name of a Go package", diag.Printable(pkg))
		}
		if standing != "" && standing != pkg {
			return nil, fmt.Errorf("%s holds package %s, not %s", dir, standing, pkg)
		}
		d.pkg = pkg
	case standing != "":
		d.pkg = standing
	default:
		d.pkg = gosrc.PackageName(path.Base(d.importPath))
	}
	return d, nil
}

// visible reports an error if the package may not import the run time.
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

// packageIn is the name of the package whose files, other than generated ones,
// stand in a folder; "" if there are none.
func packageIn(dir string) (string, error) {
	l, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, e := range l {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		src, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		if gosrc.IsGenerated(src) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), src, parser.PackageClauseOnly)
		if err != nil || f.Name.Name == "documentation" {
			continue
		}
		return f.Name.Name, nil
	}
	return "", nil
}

// goModule is a Go module on the disk.
type goModule struct{ root, path string }

var (
	moduleLine = regexp.MustCompile(`(?m)^[ \t]*module[ \t]+("[^"\n]*"|` + "`[^`\n]*`" + `|[^\s"/]\S*)[ \t]*(?://.*)?\r?$`)
	goLine     = regexp.MustCompile(`(?m)^[ \t]*go[ \t]+1\.(\d+)(\S*)`)
)

// leastGo is the minor version of the language that the run time is written in.
const leastGo = 22

// findModule walks up from a folder, which need not be there yet, to a go.mod.
func findModule(dir string) (*goModule, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for at := abs; ; at = filepath.Dir(at) {
		b, err := readLimited(filepath.Join(at, "go.mod"))
		if err == nil {
			m := moduleLine.FindSubmatch(b)
			if m == nil {
				return nil, fmt.Errorf("%s has no module line", filepath.Join(at, "go.mod"))
			}
			name := string(m[1])
			if s, err := strconv.Unquote(name); err == nil {
				name = s
			}
			if v := goLine.FindSubmatch(b); v != nil {
				if n, err := strconv.Atoi(string(v[1])); err == nil && n < leastGo {
					return nil, fmt.Errorf("%s says go 1.%d; generated packages are written in go 1.%d: go mod edit -go=1.26", filepath.Join(at, "go.mod"), n, leastGo)
				}
			}
			return &goModule{at, name}, nil
		}
		if !os.IsNotExist(err) {
			return nil, err
		}
		if filepath.Dir(at) == at {
			return nil, fmt.Errorf("%s lies in no Go module: run go mod init NAME where it should begin", diag.Printable(dir))
		}
	}
}

var packageName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

var importElement = regexp.MustCompile(`^[A-Za-z0-9._~+-]+$`)

// locate returns the absolute path of a folder of the module and its import path.
func (m *goModule) locate(dir string) (abs, importPath string, err error) {
	if abs, err = filepath.Abs(dir); err != nil {
		return "", "", err
	}
	rel, err := filepath.Rel(m.root, abs)
	if err != nil || !filepath.IsLocal(rel) && rel != "." {
		return "", "", fmt.Errorf("%s lies outside of the module %s", diag.Printable(dir), m.path)
	}
	importPath = m.path
	if rel == "." {
		return abs, importPath, nil
	}
	for _, e := range strings.Split(filepath.ToSlash(rel), "/") {
		switch {
		case e == "testdata" || e == "vendor" || e[0] == '_' || e[0] == '.':
			return "", "", fmt.Errorf("%s: go build ignores folders called %s", diag.Printable(dir), diag.Printable(e))
		case !importElement.MatchString(e) || strings.HasSuffix(e, "."):
			return "", "", fmt.Errorf("%s: %s cannot be part of an import path", diag.Printable(dir), diag.Quote(e))
		}
		importPath += "/" + e
	}
	return abs, importPath, nil
}

// stale lists files that were generated before and that files no longer has.
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
			ext := filepath.Ext(p)
			if now[p] || !e.Type().IsRegular() || ext != ".go" && ext != ".s" {
				continue
			}
			b, err := os.ReadFile(p)
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
