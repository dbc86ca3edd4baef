package gosrc

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// ImportRuntime changes the Go files of a package so that they import the packages of the run
// time themselves and not a copy. importPath is that of the copy, for which the files were
// generated; sources are the packages, by import path.
func ImportRuntime(files []File, importPath string, sources map[string]fs.FS) ([]File, error) {
	owner, err := declaredBy(sources, token.IsExported)
	if err != nil {
		return nil, err
	}
	var out []File
	for _, f := range files {
		if path.Ext(f.Path) == ".go" {
			if f.Data, err = importRuntime(f, importPath, owner); err != nil {
				return nil, fmt.Errorf("%s: %w", f.Path, err)
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// declaredBy returns the import path of the package that declares each name of the run time that
// is wanted.
func declaredBy(sources map[string]fs.FS, wanted func(name string) bool) (map[string]string, error) {
	owner := map[string]string{}
	for _, pkg := range slices.Sorted(maps.Keys(sources)) {
		list, err := fs.ReadDir(sources[pkg], ".")
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if path.Ext(e.Name()) != ".go" || e.Name() == "sources.go" {
				continue
			}
			src, err := fs.ReadFile(sources[pkg], e.Name())
			if err != nil {
				return nil, err
			}
			f, err := parser.ParseFile(token.NewFileSet(), e.Name(), src, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			for _, d := range declarations(f) {
				kind, name, _ := strings.Cut(d, " ")
				if kind != "package" && kind != "import" && token.IsIdentifier(name) && wanted(name) {
					owner[name] = pkg
				}
			}
		}
	}
	return owner, nil
}

func importRuntime(file File, importPath string, owner map[string]string) ([]byte, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file.Path, file.Data, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	name, err := importName(f, importPath)
	if name == "" || err != nil {
		return file.Data, err
	}
	declared := map[string]bool{} // in the file
	ast.Inspect(f, func(n ast.Node) bool {
		if x, ok := n.(*ast.Ident); ok && x.Obj != nil {
			declared[x.Name] = true
		}
		return true
	})
	local := func(pkg string) string { // the name under which the file imports a package
		if base := path.Base(pkg); !declared[base] {
			return base
		}
		return "incc" + path.Base(pkg)
	}
	e := editor{fset: fset, src: file.Data}
	used := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == name && x.Obj == nil {
			pkg := owner[sel.Sel.Name]
			if pkg == "" {
				err = fmt.Errorf("no package of the run time declares %s (a bug of incc)", sel.Sel.Name)
				return false
			}
			used[pkg] = true
			e.replace(x.Pos(), x.End(), local(pkg))
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	var imports []string
	for _, pkg := range slices.Sorted(maps.Keys(used)) {
		line := strconv.Quote(pkg)
		if local(pkg) != path.Base(pkg) {
			line = local(pkg) + " " + line
		}
		imports = append(imports, line)
	}
	for _, im := range f.Imports {
		if p, err := strconv.Unquote(im.Path.Value); err == nil && p == importPath {
			e.replace(im.Pos(), im.End(), strings.Join(imports, "\n\t"))
		}
	}
	return format.Source(e.bytes())
}
