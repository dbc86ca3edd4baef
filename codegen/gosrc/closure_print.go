package gosrc

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/token"
	"go/types"
	"maps"
	"path"
	"slices"
	"strings"
)

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

// excerpt is what is needed of a Go file: the declarations that are kept, without the parts
// of them that are cut.
type excerpt struct {
	c         *closure
	f         *sourceFile
	comments  ast.CommentMap
	kept, cut []span
}

// print returns what is needed of a Go file, nil if that is nothing.
func (c *closure) print(f *sourceFile) ([]byte, error) {
	x := &excerpt{c: c, f: f, comments: ast.NewCommentMap(f.fset, f.ast, f.ast.Comments)}
	for _, d := range f.ast.Decls {
		for n, field := range members(d) {
			if !c.need[field] {
				x.drop(n)
			}
		}
		switch d := d.(type) {
		case *ast.FuncDecl:
			if c.need[declName(d)] && !c.empty(d) {
				x.keep(d.Doc, d)
			}
		case *ast.GenDecl:
			x.general(d)
		}
	}
	if len(x.kept) == 0 {
		return nil, nil
	}
	src, err := format.Source(x.text())
	if err != nil {
		return nil, fmt.Errorf("what was kept of %s is not Go (a bug of incc): %w", f.name, err)
	}
	return src, nil
}

// at returns a position as an offset in the file.
func (x *excerpt) at(p token.Pos) int { return x.f.fset.Position(p).Offset }

// keep keeps a declaration with the comments before and behind it.
func (x *excerpt) keep(doc *ast.CommentGroup, n ast.Node) {
	s := span{x.at(n.Pos()), x.at(n.End())}
	if doc != nil {
		s.from = x.at(doc.Pos())
	}
	for s.to < len(x.f.src) && x.f.src[s.to] != '\n' {
		s.to++
	}
	x.kept = append(x.kept, s)
}

// drop cuts a part of a declaration, with its comments and a comma behind it.
func (x *excerpt) drop(n ast.Node) {
	s := span{x.at(n.Pos()), x.at(n.End())}
	for _, g := range x.comments[n] {
		s.from, s.to = min(s.from, x.at(g.Pos())), max(s.to, x.at(g.End()))
	}
	if s.to < len(x.f.src) && x.f.src[s.to] == ',' {
		s.to++
	}
	x.cut = append(x.cut, x.f.lines(s))
}

// general keeps what is needed of a declaration of imports, constants, types or variables.
func (x *excerpt) general(d *ast.GenDecl) {
	if d.Tok == token.CONST {
		if x.c.need[constants(d)[0]] {
			x.keep(d.Doc, d)
		}
		return
	}
	var others []ast.Spec
	for _, s := range d.Specs {
		if !x.needed(s) {
			others = append(others, s)
		}
	}
	if len(others) == len(d.Specs) {
		return
	}
	for _, s := range others {
		x.drop(s)
	}
	x.keep(d.Doc, d)
}

// needed reports whether a name of a type or of variables is needed. The imports of a file
// are written anew.
func (x *excerpt) needed(s ast.Spec) bool {
	switch s := s.(type) {
	case *ast.TypeSpec:
		return x.c.need[s.Name.Name]
	case *ast.ValueSpec:
		return slices.ContainsFunc(s.Names, func(name *ast.Ident) bool { return x.c.need[name.Name] })
	}
	return false
}

// imports returns the paths of the packages that the excerpt names, and the names under
// which it imports them.
func (x *excerpt) imports() map[string]string {
	names := map[string]string{}
	for id, obj := range x.f.uses {
		if p, ok := obj.(*types.PkgName); ok {
			pos := x.f.fset.Position(id.Pos())
			if pos.Filename == x.f.name && contains(x.kept, pos.Offset) && !contains(x.cut, pos.Offset) {
				names[p.Imported().Path()] = p.Name()
			}
		}
	}
	return names
}

// text returns the excerpt as a file, before it is formatted.
func (x *excerpt) text() []byte {
	var b bytes.Buffer
	b.Write(x.f.src[:x.at(x.f.ast.Name.End())])
	b.WriteString("\n\n")
	if names := x.imports(); len(names) > 0 {
		b.WriteString("import (\n")
		for _, p := range slices.Sorted(maps.Keys(names)) {
			if name := names[p]; name != path.Base(p) {
				b.WriteString("\t" + name)
			}
			fmt.Fprintf(&b, "\t%q\n", p)
		}
		b.WriteString(")\n\n")
	}
	for _, k := range x.kept {
		for i := k.from; i < k.to; i++ {
			if !contains(x.cut, i) {
				b.WriteByte(x.f.src[i])
			}
		}
		b.WriteString("\n\n")
	}
	return b.Bytes()
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
