package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestFlagsAreRead: the code that a command can reach reads the value of every flag
// that the command declares. A flag that no code reads would be accepted and ignored.
func TestFlagsAreRead(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var code flagReads
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			code.parse(t, name, string(text))
		}
	}
	for _, line := range code.unread(t, commands()) {
		t.Error(line)
	}
}

// TestFlagsAreReadFinds: the test above reports a flag that no code reads, and no other.
func TestFlagsAreReadFinds(t *testing.T) {
	var code flagReads
	code.parse(t, "made.go", `package main
func oneCommand() *cli.Command {
	return &cli.Command{Name: "one", Flags: shared(), Action: func(c *cli.Context) error { return act(c, &job{}) }}
}
func twoCommand() *cli.Command {
	return &cli.Command{Name: "two", Flags: shared(), Action: func(c *cli.Context) error { return c.Int("level") }}
}
func shared() []cli.Flag { return []cli.Flag{&cli.StringFlag{Name: "name"}, &cli.IntFlag{Name: "level"}} }
func act(c *cli.Context, j *job) error { return j.do(c) }
func (j *job) do(c *cli.Context) error {
	for _, n := range []string{"level", "depth"} {
		c.Int(n)
	}
	return c.String("name")
}
func commands() []*cli.Command { return []*cli.Command{oneCommand(), twoCommand()} }
`)
	flags := []cli.Flag{&cli.StringFlag{Name: "name"}, &cli.IntFlag{Name: "level"}, &cli.IntFlag{Name: "depth", Aliases: []string{"d"}}}
	got := code.unread(t, []*cli.Command{{Name: "one", Flags: flags}, {Name: "two", Flags: flags}})
	if want := []string{"incc two reads no --name", "incc two reads no --depth"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// flagReads lists the flags that each function of a package reads, and the functions that
// it refers to. Methods are distinguished only by their names.
type flagReads struct {
	funcs, methods map[string][]*ast.FuncDecl
}

func (r *flagReads) parse(t *testing.T, name, text string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if r.funcs == nil {
		r.funcs, r.methods = map[string][]*ast.FuncDecl{}, map[string][]*ast.FuncDecl{}
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			into := r.funcs
			if fn.Recv != nil {
				into = r.methods
			}
			into[fn.Name.Name] = append(into[fn.Name.Name], fn)
		}
	}
}

// unread lists the flags that are not read by any code that their command can reach.
func (r *flagReads) unread(t *testing.T, commands []*cli.Command) (list []string) {
	var check func(prefix string, c *cli.Command)
	check = func(prefix string, c *cli.Command) {
		reads := r.reachedFrom(t, c.Name)
		for _, f := range c.Flags {
			if !slices.ContainsFunc(f.Names(), func(n string) bool { return reads[n] }) {
				list = append(list, prefix+" "+c.Name+" reads no --"+f.Names()[0])
			}
		}
		for _, s := range c.Subcommands {
			check(prefix+" "+c.Name, s)
		}
	}
	for _, c := range commands {
		check("incc", c)
	}
	return list
}

// reachedFrom returns the names of the flags that are read by the function that makes a
// command, and by all functions that it refers to, directly or not.
func (r *flagReads) reachedFrom(t *testing.T, command string) map[string]bool {
	t.Helper()
	// These lead to all commands.
	seen := map[*ast.FuncDecl]bool{}
	for _, name := range []string{"commands", "newApp"} {
		for _, fn := range r.funcs[name] {
			seen[fn] = true
		}
	}
	reads := map[string]bool{}
	var visit func(fn *ast.FuncDecl)
	visit = func(fn *ast.FuncDecl) {
		if seen[fn] {
			return
		}
		seen[fn] = true
		addReads(reads, fn.Body)
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				for _, to := range r.funcs[n.Name] {
					visit(to)
				}
			case *ast.SelectorExpr:
				for _, to := range r.methods[n.Sel.Name] {
					visit(to)
				}
			}
			return true
		})
	}
	found := false
	for _, fns := range r.funcs {
		for _, fn := range fns {
			if makesCommand(fn, command) {
				found = true
				visit(fn)
			}
		}
	}
	if !found {
		t.Fatalf("no function makes the command %s", command)
	}
	return reads
}

// makesCommand reports whether a function has a literal of a cli.Command with a given name.
func makesCommand(fn *ast.FuncDecl, name string) bool {
	found := false
	if fn.Type.Results == nil {
		return false
	}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok && isIdent(kv.Key, "Name") && literal(kv.Value) == name {
				// The literal of a flag also has a name, but no Action and no Subcommands.
				found = found || slices.ContainsFunc(lit.Elts, func(e ast.Expr) bool {
					kv, ok := e.(*ast.KeyValueExpr)
					return ok && (isIdent(kv.Key, "Action") || isIdent(kv.Key, "Subcommands"))
				})
			}
		}
		return true
	})
	return found
}

// readers are the methods of a cli.Context that return the value of a flag.
var readers = []string{"String", "Bool", "Int", "Int64", "Float64", "Duration", "StringSlice", "Value"}

// isContext reports whether an expression is the context of a command: c, or a field c.
func isContext(e ast.Expr) bool {
	if sel, ok := e.(*ast.SelectorExpr); ok {
		e = sel.Sel
	}
	return isIdent(e, "c")
}

// addReads adds the flags that a function reads by name. If a name is not a literal, all
// string literals of the function count as names.
func addReads(reads map[string]bool, body *ast.BlockStmt) {
	byVariable := false
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(readers, sel.Sel.Name) && isContext(sel.X) {
			if name := literal(call.Args[0]); name != "" {
				reads[name] = true
			} else {
				byVariable = true
			}
		}
		return true
	})
	if byVariable {
		ast.Inspect(body, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok && literal(e) != "" {
				reads[literal(e)] = true
			}
			return true
		})
	}
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

// literal returns the text of a string literal, or "" for other expressions.
func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		s, _ := strconv.Unquote(l.Value)
		return s
	}
	return ""
}
