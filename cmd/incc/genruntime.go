package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/incc-lang/incc/backends/cpu/sources"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/codegen/gosrc"
)

// inccModule is the module whose packages are the run time.
const inccModule = "github.com/incc-lang/incc"

// withRuntime returns the files of a package together with those of its copy of the run time;
// or, with module, the files changed so that they import the run time from the module of incc.
func (d *destination) withRuntime(pkg []gosrc.File, module bool) ([]genFile, error) {
	var out []genFile
	var err error
	if module {
		if pkg, err = gosrc.ImportRuntime(pkg, d.runtimePath, sources.Runtime()); err != nil {
			return nil, err
		}
	}
	for _, f := range pkg {
		out = append(out, genFile{path: filepath.Join(d.dir, filepath.FromSlash(f.Path)), data: f.Data})
	}
	if module {
		return out, nil
	}
	others, err := d.others()
	if err != nil {
		return nil, err
	}
	runtime, err := gosrc.Runtime(version, d.runtimePath, append(others, pkg...), sources.Runtime())
	if err != nil {
		return nil, err
	}
	for _, f := range runtime {
		out = append(out, genFile{path: filepath.Join(d.runtimeDir, f.Path), data: f.Data})
	}
	return out, nil
}

// others returns the Go files of the module that share the copy of the run time: those that
// import it, without the generated files of the package, which are about to be replaced.
func (d *destination) others() ([]gosrc.File, error) {
	if d.runtimeDir == filepath.Join(d.dir, "internal", "kernel") {
		// Only what lies in the folder of the package may import it.
		return d.importers(d.dir)
	}
	return d.importers(d.module.root)
}

// importers returns the Go files in a folder of the module, and in the folders below, that
// import the copy of the run time.
func (d *destination) importers(root string) ([]gosrc.File, error) {
	var out []gosrc.File
	quoted := []byte(`"` + d.runtimePath + `"`)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if path == root && errors.Is(err, fs.ErrNotExist) {
				return fs.SkipAll
			}
			return err
		}
		if e.IsDir() {
			switch name := e.Name(); {
			case path == root:
			case name[0] == '.' || name[0] == '_' || name == "testdata" || name == "vendor" || path == d.runtimeDir:
				return fs.SkipDir
			default:
				if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
					return fs.SkipDir // another module
				}
			}
			return nil
		}
		if filepath.Ext(path) != ".go" || !e.Type().IsRegular() {
			return nil
		}
		src, err := files.Read(path, maxGoFile)
		if err != nil {
			return err
		}
		own := filepath.Dir(path) == d.dir || filepath.Dir(path) == filepath.Join(d.dir, "cmd", d.pkg)
		if !bytes.Contains(src, quoted) || own && gosrc.IsGenerated(src) {
			return nil
		}
		out = append(out, gosrc.File{Path: shortPath(path), Data: src})
		return nil
	})
	return out, err
}
