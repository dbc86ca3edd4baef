package ops_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	_ "github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// inForward lists the training ops that are part of a forward pass and so have a gradient
// themselves. conv_dx is the transposed convolution of one.
var inForward = map[string]bool{"batchnorm_train": true, "conv_dx": true, "dropout_train": true, "fake_quantize": true}

// On its own examples, every op follows the conventions in the package's comment.
func TestEveryOp(t *testing.T) {
	docs := constraints(t)
	for _, d := range ir.Defs() {
		t.Run(d.Name, func(t *testing.T) {
			if _, ok := d.Default().(ir.Differ); ok != (!d.Grad || inForward[d.Name]) {
				t.Errorf("has a gradient: %v", ok)
			}
			tripped := map[int]bool{}
			uses := 0
			for i, e := range d.Examples {
				if e.Violates > 0 {
					tripped[e.Violates] = true
					violates(t, d, i, e)
					continue
				}
				uses++
				roundTrip(t, d, e.Op)
				agrees(t, e)
			}
			if uses == 0 {
				t.Error("no example of its use")
			}
			want := docs[d.Name]
			if len(want) == 0 {
				t.Error("its comment numbers no constraint")
			}
			if got := slices.Sorted(maps.Keys(tripped)); !slices.Equal(got, want) {
				t.Errorf("examples trip constraints %v, the comment has %v", got, want)
			}
		})
	}
}

func violates(t *testing.T, d *ir.Def, i int, e ir.Example) {
	t.Helper()
	_, err := e.Op.Infer(e.In)
	var v *ir.ConstraintError
	if !errors.As(err, &v) {
		t.Errorf("example %d: %v, want a violation of constraint %d", i, err, e.Violates)
		return
	}
	if v.Op != d.Name || v.Num != e.Violates || v.Operand < -1 || v.Operand >= len(e.In) || v.Msg == "" {
		t.Errorf("example %d: %+v, want a violation of constraint %d", i, v, e.Violates)
	}
}

// roundTrip checks that the text of FormatOp reads back as the same op.
func roundTrip(t *testing.T, d *ir.Def, op ir.Op) {
	t.Helper()
	words := strings.Fields(ir.FormatOp(op))
	attrs := map[string]string{}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		attrs[k] = v
	}
	back, err := d.With(attrs)
	if err != nil || back != op || words[0] != d.Name {
		t.Errorf("%q reads back as %#v, %v; it was %#v", strings.Join(words, " "), back, err, op)
	}
}

// agrees checks that the types that Infer returns, for the symbolic batch and for batches
// of 1 and 3, are the types of Eval's results, and that Eval neither changes nor returns
// its inputs.
func agrees(t *testing.T, e ir.Example) {
	t.Helper()
	r := newDraw(1)
	sym, err := e.Op.Infer(e.In)
	if err != nil {
		t.Errorf("%s: %v", ir.FormatOp(e.Op), err)
		return
	}
	for _, n := range []int{1, 3} {
		in := make([]ir.Type, len(e.In))
		for i, x := range e.In {
			in[i] = x.Bind(n)
		}
		bound, err := e.Op.Infer(in)
		if err != nil {
			t.Errorf("%s, batch %d: %v", ir.FormatOp(e.Op), n, err)
			return
		}
		xs := r.values(e.Op, e.In, n)
		for i, v := range xs {
			if in[i].DType == ir.I64 {
				for j := range v.Data {
					v.Data[j] = 1
				}
			}
		}
		before := make([]*tensor.Tensor, len(xs))
		for i, x := range xs {
			before[i] = x.Clone()
		}
		out, err := e.Op.Eval(xs)
		if err != nil {
			t.Errorf("%s, batch %d: %v", ir.FormatOp(e.Op), n, err)
			return
		}
		if len(out) != len(sym) || len(out) != len(bound) {
			t.Errorf("%s: %d outputs inferred, %d evaluated", ir.FormatOp(e.Op), len(sym), len(out))
			return
		}
		for i, y := range out {
			if want := sym[i].Bind(n); !want.Equal(bound[i]) || !want.Shape.Equal(y.Shape) || len(y.Data) != tensor.Size(y.Shape) {
				t.Errorf("%s, batch %d: output %d inferred as %v and %v, evaluates to %v", ir.FormatOp(e.Op), n, i, want, bound[i], ir.Shape(y.Shape))
			}
			for _, x := range xs {
				if &x.Data[0] == &y.Data[0] {
					t.Errorf("%s returns its input", ir.FormatOp(e.Op))
				}
			}
		}
		for i, x := range xs {
			if d, _ := tensor.MaxDiff(x, before[i]); d != 0 {
				t.Errorf("%s changes input %d", ir.FormatOp(e.Op), i)
			}
		}
		if c, ok := e.Op.(ir.Coster); ok {
			if k := c.Cost(in, bound); k.MACs < 0 || k.Ops < 0 || k.MACs+k.Ops == 0 {
				t.Errorf("%s costs %+v", ir.FormatOp(e.Op), k)
			}
		}
	}
}

var numbered = regexp.MustCompile(`(?m)^\s*\((\d+)\)\s+\S`)

// constraints returns, for each op's name, the numbers of the constraints in the comment of
// its type. It reads the source files, because these comments are the documentation.
func constraints(t *testing.T) map[string][]int {
	fset := token.NewFileSet()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	byType := map[string][]int{}
	names := map[string]string{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, e.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					for _, m := range numbered.FindAllStringSubmatch(g.Doc.Text(), -1) {
						n, _ := strconv.Atoi(m[1])
						byType[s.Name.Name] = append(byType[s.Name.Name], n)
					}
				case *ast.ValueSpec:
					ast.Inspect(s, func(n ast.Node) bool {
						c, ok := n.(*ast.CallExpr)
						if !ok {
							return true
						}
						ix, ok := c.Fun.(*ast.IndexExpr)
						if !ok {
							return true
						}
						typ, ok1 := ix.Index.(*ast.Ident)
						lit, ok2 := c.Args[0].(*ast.BasicLit)
						if sel, ok := ix.X.(*ast.SelectorExpr); ok && ok1 && ok2 && sel.Sel.Name == "Define" {
							name, _ := strconv.Unquote(lit.Value)
							names[name] = typ.Name
						}
						return true
					})
				}
			}
		}
	}
	r := map[string][]int{}
	for name, typ := range names {
		r[name] = byType[typ]
	}
	return r
}
