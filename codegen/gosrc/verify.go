package gosrc

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// verify parses a generated file and compares its declarations, imports and directives
// with those that were planned, so that no text of a spec can become code.
func verify(path string, src []byte, want []string) error {
	bug := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s (a bug of incc)", path, fmt.Sprintf(format, args...))
	}
	if !IsGenerated(src) {
		return bug("the first line does not say that the file is generated")
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return bug("the generated code is not valid Go: %v", err)
	}
	have := declarations(f)
	want = slices.Clone(want)
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		return bug("it declares\n%v\nwant\n%v", have, want)
	}
	return nil
}

// declaredIn lists what a snippet declares as part of another package.
func declaredIn(snippet, pkg string) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), "snippet", snippet, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f.Name.Name = pkg
	return declarations(f), nil
}

// declarations lists a file's package, imports, top-level names, methods and
// directives.
func declarations(f *ast.File) []string {
	l := []string{"package " + f.Name.Name}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				name = receiver(d.Recv.List[0].Type) + "." + name
			}
			l = append(l, "func "+name)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.ImportSpec:
					l = append(l, "import "+s.Path.Value)
				case *ast.TypeSpec:
					l = append(l, "type "+s.Name.Name)
				case *ast.ValueSpec:
					for _, n := range s.Names {
						l = append(l, d.Tok.String()+" "+n.Name)
					}
				}
			}
		}
	}
	for _, g := range f.Comments {
		for _, c := range g.List {
			// A directive has no space behind the slashes.
			if !strings.HasPrefix(c.Text, "// ") && c.Text != "//" && !strings.HasPrefix(c.Text, "//\t") {
				l = append(l, c.Text)
			}
		}
	}
	return l
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}
