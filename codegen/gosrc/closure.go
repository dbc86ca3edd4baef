package gosrc

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"strconv"
	"strings"
)

// The closure of a package in the run time: which of its declarations the package reaches.
// It is found as a linker finds it. A declaration needs those that it names. A method is
// needed if it is called, or if its type is needed and its name is that of a method of an
// interface that is needed, or of one that is called where types are not known here.
//
// Two structs have a member for every kernel: Worker, the arguments of the assembly, and
// vecOps, the vector primitives. Their fields are needed one by one.

// membered are the structs whose fields are needed one by one. What fills them may be left out
// with them: assignments in init and in functions whose names begin
// with vectorize, and elements of composite literals.
var membered = map[string]bool{"Worker": true, "vecOps": true}

// known are methods that packages of the standard library call.
var known = []string{"String", "GoString", "Error", "Unwrap", "Is", "As", "Read", "ReadAt", "Write", "Close", "Len", "Less", "Swap"}

// targets are operating systems and processors. Each file is built for one of them at least.
var targets = [][2]string{{"linux", "amd64"}, {"windows", "arm64"}, {"linux", "386"}}

// runtimeSource is the Go code of a run time, and what its declarations need. Names are those
// of functions, types, variables and constants; T.m is a method of T, or a field of a membered
// struct.
type runtimeSource struct {
	files   map[string]*sourceFile
	needs   map[string][]use
	methods map[string][]string // of a type
}

// closure is what of a run time is needed.
type closure struct {
	*runtimeSource
	called map[string]bool // names of methods that are called without their type being known
	need   map[string]bool
	todo   []string
}

// sourceFile is a file of the run time.
type sourceFile struct {
	name string
	src  []byte
	fset *token.FileSet
	ast  *ast.File
	uses map[*ast.Ident]types.Object // by the first target that builds the file
}

// nothing imports packages without their contents: what is declared there does not matter.
type nothing struct{}

func (nothing) Import(p string) (*types.Package, error) {
	if p == "unsafe" {
		return types.Unsafe, nil
	}
	pkg := types.NewPackage(p, path.Base(p))
	pkg.MarkComplete()
	return pkg, nil
}

// closure finds what some Go files need that import the run time from a path.
func (r *runtimeSource) closure(importPath string, users []File) (*closure, error) {
	c := &closure{runtimeSource: r, called: map[string]bool{}, need: map[string]bool{}}
	if err := c.users(importPath, users); err != nil {
		return nil, err
	}
	c.close()
	return c, nil
}

// want adds a declaration, with what it needs.
func (c *closure) want(name string) {
	if !c.need[name] {
		c.need[name] = true
		c.todo = append(c.todo, name)
	}
}

// users adds what Go files need that import the run time from a path.
func (c *closure) users(importPath string, files []File) error {
	for _, f := range files {
		if path.Ext(f.Path) != ".go" {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f.Path, f.Data, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name, err := importName(tree, importPath)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && name != "" && x.Name == name {
					c.want(sel.Sel.Name)
				} else {
					c.called[sel.Sel.Name] = true
				}
			}
			return true
		})
	}
	return nil
}

// importName returns the name under which a file imports the run time, "" if it does not.
func importName(f *ast.File, importPath string) (string, error) {
	for _, im := range f.Imports {
		if p, err := strconv.Unquote(im.Path.Value); err != nil || p != importPath {
			continue
		}
		switch {
		case im.Name == nil:
			return "kernel", nil
		case im.Name.Name == ".":
			return "", fmt.Errorf("it imports %s under the name ., so that incc cannot see what it needs: import it under another name", importPath)
		case im.Name.Name != "_":
			return im.Name.Name, nil
		}
	}
	return "", nil
}

// close finds all that is needed.
func (c *closure) close() {
	for _, m := range known {
		c.called[m] = true
	}
	c.want("init")
	for {
		for len(c.todo) > 0 {
			name := c.todo[len(c.todo)-1]
			c.todo = c.todo[:len(c.todo)-1]
			if t, _, ok := strings.Cut(name, "."); ok {
				c.want(t) // a method's type
			}
			for _, u := range c.needs[name] {
				if u.method {
					c.called[u.name] = true
				} else {
					c.want(u.name)
				}
			}
		}
		for t, methods := range c.methods {
			if !c.need[t] {
				continue
			}
			for _, m := range methods {
				if c.called[m] {
					c.want(t + "." + m)
				}
			}
		}
		if len(c.todo) == 0 {
			return
		}
	}
}
