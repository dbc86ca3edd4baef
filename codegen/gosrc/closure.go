package gosrc

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/format"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"path"
	"slices"
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

// closure finds what some Go files need that import the run time from a path.
func (r *runtimeSource) closure(importPath string, users []File) (*closure, error) {
	c := &closure{runtimeSource: r, called: map[string]bool{}, need: map[string]bool{}}
	if err := c.users(importPath, users); err != nil {
		return nil, err
	}
	c.close()
	return c, nil
}

// file returns what is needed of a file, nil if that is nothing.
func (c *closure) file(name string, src []byte) ([]byte, error) {
	switch f := c.files[name]; {
	case f != nil:
		return c.print(f)
	case path.Ext(name) == ".s":
		return c.assembly(src), nil
	}
	return src, nil
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

// empty reports whether a function is an init of which nothing is needed.
func (c *closure) empty(d *ast.FuncDecl) bool {
	if declName(d) != "init" {
		return false
	}
	in := members(d)
	for _, s := range d.Body.List {
		if name, ok := in[s]; !ok || c.need[name] {
			return false
		}
	}
	return true
}

// span is a part of a file, in bytes.
type span struct{ from, to int }

// print returns what is needed of a Go file, nil if that is nothing.
func (c *closure) print(f *sourceFile) ([]byte, error) {
	var kept, cut []span
	comments := ast.NewCommentMap(f.fset, f.ast, f.ast.Comments)
	at := func(p token.Pos) int { return f.fset.Position(p).Offset }
	keep := func(doc *ast.CommentGroup, n ast.Node) span {
		s := span{at(n.Pos()), at(n.End())}
		if doc != nil {
			s.from = at(doc.Pos())
		}
		for s.to < len(f.src) && f.src[s.to] != '\n' { // with the comment behind it
			s.to++
		}
		return s
	}
	for _, d := range f.ast.Decls {
		for n, field := range members(d) {
			if c.need[field] {
				continue
			}
			s := span{at(n.Pos()), at(n.End())}
			for _, g := range comments[n] {
				s.from, s.to = min(s.from, at(g.Pos())), max(s.to, at(g.End()))
			}
			if s.to < len(f.src) && f.src[s.to] == ',' {
				s.to++
			}
			cut = append(cut, f.lines(s))
		}
		switch d := d.(type) {
		case *ast.FuncDecl:
			if c.need[declName(d)] && !c.empty(d) {
				kept = append(kept, keep(d.Doc, d))
			}
		case *ast.GenDecl:
			if d.Tok == token.CONST {
				if c.need[constants(d)[0]] {
					kept = append(kept, keep(d.Doc, d))
				}
				continue
			}
			var specs []span
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if c.need[s.Name.Name] {
						specs = append(specs, keep(s.Doc, s))
					}
				case *ast.ValueSpec:
					for _, name := range s.Names {
						if c.need[name.Name] {
							specs = append(specs, keep(s.Doc, s))
							break
						}
					}
				}
			}
			switch {
			case len(specs) == 0:
			case len(specs) == len(d.Specs):
				kept = append(kept, keep(d.Doc, d))
			default:
				whole := keep(d.Doc, d)
				for _, s := range d.Specs {
					if contains(specs, at(s.Pos())) {
						continue
					}
					gone := span{at(s.Pos()), at(s.End())}
					for _, g := range comments[s] {
						gone.from, gone.to = min(gone.from, at(g.Pos())), max(gone.to, at(g.End()))
					}
					cut = append(cut, f.lines(gone))
				}
				kept = append(kept, whole)
			}
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	paths := map[string]bool{}
	for id, obj := range f.uses {
		if p, ok := obj.(*types.PkgName); ok {
			pos := f.fset.Position(id.Pos())
			if pos.Filename == f.name && contains(kept, pos.Offset) && !contains(cut, pos.Offset) {
				paths[p.Imported().Path()] = true
			}
		}
	}
	var b bytes.Buffer
	b.Write(f.src[:at(f.ast.Name.End())])
	b.WriteString("\n\n")
	if len(paths) > 0 {
		b.WriteString("import (\n")
		for _, p := range slices.Sorted(maps.Keys(paths)) {
			fmt.Fprintf(&b, "\t%q\n", p)
		}
		b.WriteString(")\n\n")
	}
	for _, k := range kept {
		for i := k.from; i < k.to; i++ {
			if !contains(cut, i) {
				b.WriteByte(f.src[i])
			}
		}
		b.WriteString("\n\n")
	}
	src, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("what was kept of %s is not Go (a bug of incc): %w", f.name, err)
	}
	return src, nil
}

// lines extends a span to whole lines, if nothing else is on them.
func (f *sourceFile) lines(s span) span {
	from, to := s.from, s.to
	for from > 0 && (f.src[from-1] == ' ' || f.src[from-1] == '\t') {
		from--
	}
	for to < len(f.src) && (f.src[to] == ' ' || f.src[to] == '\t') {
		to++
	}
	if from > 0 && f.src[from-1] == '\n' && to < len(f.src) && f.src[to] == '\n' {
		return span{from, to + 1}
	}
	return s
}

func contains(l []span, at int) bool {
	for _, s := range l {
		if s.from <= at && at < s.to {
			return true
		}
	}
	return false
}

// assembly returns the functions of a file of assembly that are needed, with the constants
// that they name, nil if there are none.
func (c *closure) assembly(src []byte) []byte {
	var head, data, text, comment []string // lines
	inside, needed := false, false         // a function
	for line := range strings.Lines(string(src)) {
		begins := strings.HasPrefix(line, "// func")
		switch {
		case strings.HasPrefix(line, "DATA "), strings.HasPrefix(line, "GLOBL "):
			data, inside = append(data, line), false
		case strings.HasPrefix(line, "TEXT "):
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "TEXT ·"), "(")
			inside, needed = true, c.need[name]
			if needed {
				text = append(append(append(text, "\n"), comment...), line)
			}
			comment = nil
		case begins:
			comment, inside = []string{line}, false
		case comment != nil:
			comment = append(comment, line)
		case inside && needed:
			text = append(text, line)
		case !inside && text == nil && data == nil:
			head = append(head, line)
		}
	}
	if text == nil {
		return nil
	}
	all := strings.Join(text, "")
	out := strings.Join(head, "")
	for _, line := range data {
		if name, _, _ := strings.Cut(strings.Fields(line)[1], "<>"); strings.Contains(all, name+"<>") {
			out += line
		}
	}
	return []byte(out + strings.TrimRight(all, "\n") + "\n")
}
