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
	paths := map[string]string{} // and the names under which they are imported
	for id, obj := range f.uses {
		if p, ok := obj.(*types.PkgName); ok {
			pos := f.fset.Position(id.Pos())
			if pos.Filename == f.name && contains(kept, pos.Offset) && !contains(cut, pos.Offset) {
				paths[p.Imported().Path()] = p.Name()
			}
		}
	}
	var b bytes.Buffer
	b.Write(f.src[:at(f.ast.Name.End())])
	b.WriteString("\n\n")
	if len(paths) > 0 {
		b.WriteString("import (\n")
		for _, p := range slices.Sorted(maps.Keys(paths)) {
			if name := paths[p]; name != path.Base(p) {
				b.WriteString("\t" + name)
			}
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
