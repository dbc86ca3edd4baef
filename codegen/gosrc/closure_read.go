package gosrc

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
)

// readRuntime reads the Go files of a runtime, for all targets.
func readRuntime(src map[string][]byte) (*runtimeSource, error) {
	c := &runtimeSource{files: map[string]*sourceFile{}, needs: map[string][]use{}, methods: map[string][]string{}}
	fset := token.NewFileSet()
	names := slices.Sorted(maps.Keys(src))
	for _, name := range names {
		if path.Ext(name) != ".go" {
			continue
		}
		f, err := parser.ParseFile(fset, name, src[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		c.files[name] = &sourceFile{name: name, src: src[name], fset: fset, ast: f}
	}
	for _, t := range targets {
		ctx := build.Default
		ctx.GOOS, ctx.GOARCH = t[0], t[1]
		ctx.OpenFile = func(p string) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(src[path.Base(strings.ReplaceAll(p, `\`, "/"))])), nil
		}
		var files []*ast.File
		var own []*sourceFile
		for _, name := range names {
			f := c.files[name]
			if f == nil {
				continue
			}
			ok, err := ctx.MatchFile(".", name)
			if err != nil {
				return nil, err
			}
			if ok {
				files, own = append(files, f.ast), append(own, f)
			}
		}
		info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
		conf := types.Config{Importer: nothing{}, Error: func(error) {}} // of what was not imported
		pkg, _ := conf.Check("kernel", fset, files, info)
		for _, f := range own {
			if f.uses == nil {
				f.uses = info.Uses
			}
		}
		c.read(pkg, own, info)
	}
	for _, name := range names {
		if f := c.files[name]; f != nil && f.uses == nil {
			return nil, fmt.Errorf("%s of the run time is built for none of %v: add a target (a bug of incc)", name, targets)
		}
	}
	return c, nil
}

// use is what a declaration needs: another one, or the methods of a name of all types.
type use struct {
	name   string
	method bool
}

// read finds what each declaration of a target's files needs.
func (r *runtimeSource) read(pkg *types.Package, files []*sourceFile, info *types.Info) {
	g := r.needs
	for _, f := range files {
		foreign := map[*ast.Ident]bool{} // members of other packages
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok {
					if _, ok := info.Uses[x].(*types.PkgName); ok {
						foreign[sel.Sel] = true
					}
				}
			}
			return true
		})
		for _, d := range f.ast.Decls {
			for _, name := range constants(d) {
				g[name] = append(g[name], use{constants(d)[0], false})
			}
			walk(d, func(owner string, n ast.Node) {
				if t, ok := n.(*ast.InterfaceType); ok { // what has it has all of its methods
					for _, m := range t.Methods.List {
						for _, name := range m.Names {
							g[owner] = append(g[owner], use{name.Name, true})
						}
					}
				}
				id, ok := n.(*ast.Ident)
				if !ok || foreign[id] {
					return
				}
				switch obj := info.Uses[id]; {
				case obj != nil:
					if u, ok := useOf(pkg, obj); ok {
						g[owner] = append(g[owner], u)
					}
				case info.Defs[id] == nil: // perhaps a member of a value that another package returned
					g[owner] = append(g[owner], use{id.Name, true})
				}
			})
		}
	}
	for _, name := range pkg.Scope().Names() {
		if t, ok := pkg.Scope().Lookup(name).(*types.TypeName); ok {
			if n, ok := t.Type().(*types.Named); ok {
				r.methods[name] = nil
				for m := range n.Methods() {
					r.methods[name] = append(r.methods[name], m.Name())
				}
			}
		}
	}
}

// useOf is what an object that a declaration names means.
func useOf(pkg *types.Package, obj types.Object) (use, bool) {
	if obj.Pkg() != pkg {
		return use{}, false
	}
	switch o := obj.(type) {
	case *types.Func:
		o = o.Origin()
		recv := o.Signature().Recv()
		if recv == nil {
			return use{o.Name(), false}, true
		}
		if name := typeName(recv.Type()); name != "" && !types.IsInterface(recv.Type()) {
			return use{name + "." + o.Name(), false}, true
		}
		return use{o.Name(), true}, true
	case *types.Var:
		if o.IsField() {
			for name := range membered {
				if t, ok := pkg.Scope().Lookup(name).(*types.TypeName); ok {
					s := t.Type().Underlying().(*types.Struct)
					for f := range s.Fields() {
						if f == o {
							return use{name + "." + o.Name(), false}, true
						}
					}
				}
			}
			return use{}, false
		}
	}
	if obj.Parent() != pkg.Scope() {
		return use{}, false
	}
	return use{obj.Name(), false}, true
}

func typeName(t types.Type) string {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := t.(*types.Named); ok {
		return n.Obj().Name()
	}
	return ""
}

// constants are the names of a group of constants, which belong together.
func constants(d ast.Decl) (names []string) {
	if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
		for _, s := range g.Specs {
			for _, name := range s.(*ast.ValueSpec).Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

// walk calls visit for the nodes of a declaration, with the name of what they belong to:
// constants to the first of their group, members to their field.
func walk(d ast.Decl, visit func(owner string, n ast.Node)) {
	all := func(owner string, n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if n != nil {
				visit(owner, n)
			}
			return true
		})
	}
	in := members(d)
	split := func(owner string, n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if field, ok := in[n]; ok && n != nil {
				all(field, n)
				return false
			}
			if n != nil {
				visit(owner, n)
			}
			return true
		})
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		split(declName(d), d)
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				split(s.Name.Name, s)
			case *ast.ValueSpec:
				for _, name := range s.Names {
					owner := name.Name
					if d.Tok == token.CONST {
						owner = constants(d)[0]
					}
					split(owner, s)
				}
			}
		}
	}
}

// members are the nodes of a declaration that belong to a field of a membered struct: the
// field itself, statements of init and vectorize... that set it, and elements of portableOps.
// A statement of init that sets an element of a table belongs to the table.
func members(d ast.Decl) map[ast.Node]string {
	m := map[ast.Node]string{}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if name := declName(d); name != "init" && !strings.HasPrefix(name, "vectorize") {
			return nil
		}
		for _, s := range d.Body.List {
			if a, ok := s.(*ast.AssignStmt); ok && a.Tok == token.ASSIGN && len(a.Lhs) == 1 {
				switch l := a.Lhs[0].(type) {
				case *ast.SelectorExpr:
					m[s] = "vecOps." + l.Sel.Name
				case *ast.IndexExpr: // a tier's entry of a table
					if table, ok := l.X.(*ast.Ident); ok {
						m[s] = table.Name
					}
				}
			}
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if st, ok := s.Type.(*ast.StructType); ok && membered[s.Name.Name] {
					for _, f := range st.Fields.List {
						if len(f.Names) == 1 { // several stay, and cost nothing
							m[f] = s.Name.Name + "." + f.Names[0].Name
						}
					}
				}
			case *ast.ValueSpec:
				if s.Names[0].Name != "portableOps" || len(s.Values) != 1 {
					continue
				}
				if l, ok := s.Values[0].(*ast.CompositeLit); ok {
					for _, e := range l.Elts {
						if kv, ok := e.(*ast.KeyValueExpr); ok {
							m[e] = "vecOps." + kv.Key.(*ast.Ident).Name
						}
					}
				}
			}
		}
	}
	return m
}

func declName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + d.Name.Name
		default:
			return d.Name.Name
		}
	}
}
