package dsl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/diag"
)

func parse(t *testing.T, src string) *File {
	t.Helper()
	f, l := Parse("x.incc", []byte(src))
	if len(l) > 0 {
		t.Fatalf("%s\n%s", src, show("x.incc", []byte(src), l))
	}
	return f
}

func code(t *testing.T, src, code string) {
	t.Helper()
	_, l := Parse("x.incc", []byte(src))
	if len(l) == 0 || l[len(l)-1].Code != code {
		t.Errorf("%s expected, told %v", code, l)
	}
}

func TestLimits(t *testing.T) {
	parse(t, "net a\n#"+strings.Repeat("x", MaxFile-7))
	code(t, "net a\n#"+strings.Repeat("x", MaxFile-6), "E0109")
	parse(t, "# c\n\ngraph a\n#"+strings.Repeat("x", MaxFile))
	code(t, "graph a\n#"+strings.Repeat("x", MaxGraphFile), "E0109")

	parse(t, "graph a\nx = c 1"+strings.Repeat(",1", MaxGraphTokens/2-10))
	code(t, "graph a\nx = c 1"+strings.Repeat(",1", MaxGraphTokens/2), "E0111")
	parse(t, "net a\nx 1"+strings.Repeat(",1", MaxTokens/2-10))
	code(t, "net a\nx 1"+strings.Repeat(",1", MaxTokens/2), "E0111")

	deep := func(n int) string {
		return "net a\n" + strings.Repeat("repeat 1 { ", n) + "relu" + strings.Repeat(" }", n)
	}
	parse(t, deep(MaxNesting))
	code(t, deep(MaxNesting+1), "E0216")
	keys := strings.Repeat("residual proj={ ", MaxNesting+1) + "relu" + strings.Repeat(" }", MaxNesting+1)
	code(t, "net a\n"+keys, "E0216")

	parse(t, "net "+strings.Repeat("n", MaxName))
	code(t, "net "+strings.Repeat("n", MaxName+1), "E0108")
	parse(t, "graph a\n"+strings.Repeat("n/", MaxPath/2-1)+"n = b")
	code(t, "graph a\n"+strings.Repeat("n/", MaxPath/2)+"n = b", "E0108")

	_, l := Parse("x.incc", []byte("net a\n"+strings.Repeat("conv 3x3 -> 5\n", MaxProblems+5)))
	if len(l) != MaxProblems+1 || l[MaxProblems].Code != "E0110" {
		t.Errorf("%d problems, the last %v", len(l), l[len(l)-1])
	}
}

// TestSpans lists the text that every span of a syntax tree covers.
func TestSpans(t *testing.T) {
	src := "\ufeffnet  demo\r\n" +
		"\tinput image 3x4x5 range=0..1 mean = 1, 2 ,3\r\n" +
		"labels { \"a\"  \"ü\" }\r\n" +
		"let   classes =\n  10\r\n" +
		"block b n np=32 = conv n np act= relu\n" +
		"3a: b 3x3 64 -> residual proj={ gap } {\n  relu\n}\n"
	f := parse(t, src)
	lines := strings.Split(strings.TrimPrefix(src, "\ufeff"), "\n")
	text := func(s diag.Span) string {
		if s.File != "x.incc" {
			t.Errorf("a span in %q", s.File)
		}
		return lines[s.Line-1][s.Col-1 : s.Col-1+s.Len]
	}
	var got []string
	say := func(what string, s diag.Span) { got = append(got, fmt.Sprintf("%s %d: %s", what, s.Line, text(s))) }
	say("name", f.Name.Span)
	Inspect(f, func(n any) bool {
		switch n := n.(type) {
		case *Input:
			say("input", n.Where())
			say("name", n.Name.Span)
		case *Labels:
			say("open", n.Names.Open)
			say("close", n.Names.Close)
		case *Let:
			say("let", n.Where())
		case *Block:
			say("block", n.Where())
		case *Param:
			say("param", n.Name.Span)
		case *Body:
			if n.Braced() {
				say("open", n.Open)
				say("close", n.Close)
			}
		case *Line:
			say("line", n.Span())
		case *Call:
			say("call", n.Span())
			if n.Arrow.IsValid() {
				say("arrow", n.Arrow)
			}
		case *Arg:
			say("arg", n.Span())
			say("value", n.Value.Span)
			if n.Key != nil {
				say("key", n.Key.Span)
				say("eq", n.Eq)
			}
		case *Lit:
			say("lit", n.Span)
		}
		return true
	})
	golden(t, "testdata/spans.txt", strings.Join(got, "\n")+"\n")
}

func TestLiterals(t *testing.T) {
	f := parse(t, `net a
x 64 -1 0.5 2e-4 1E3 .5 5. 007 9007199254740993 3x0 7x7/2 3x3/2x1 3x224x224 -1..0.5 1e-3..2e+1 relu k/2 k/2x1 3x3/s k/s "a\tb"
`)
	var got strings.Builder
	for _, a := range f.Stmts[0].(*Line).Calls[0].Args {
		l := a.Value.Lit()
		n, whole := l.Int()
		dims, shaped := l.Shape()
		fmt.Fprintf(&got, "%s: %v, text %q, by %q, num %v..%v, dims %v/%v, int %v %v, shape %v %v\n",
			l.Raw, l.Kind, l.Text, l.By, l.Num, l.Hi, l.Dims, l.Stride, n, whole, dims, shaped)
	}
	golden(t, "testdata/literals.txt", got.String())
}

func TestParseLit(t *testing.T) {
	for _, s := range []string{"10", "-0.5", "3x3/2", "relu", "2e-4"} {
		if l, err := ParseLit(s); err != nil || l.Raw != s {
			t.Errorf("%s: %v, %v", s, l, err)
		}
	}
	for _, s := range []string{"", "a b", "1/2", "1e999", "-x", "a,b", `"s"`, "a/b", "x-", ".", "é", "1\x1b"} {
		if l, err := ParseLit(s); err == nil {
			t.Errorf("%q is %v %v", s, l.Kind, l.Raw)
		}
	}
}

// TestGraphName writes names of values and parses them.
func TestGraphName(t *testing.T) {
	for _, s := range []string{"x", "3a/inception/conv_3x3", "c5.w", "a b", "3x3", "4e1", "-inf", "inf", "", "/x", "x/", "a//b", "n-1", "#", `"`, "ü", "a\nb", "\u202e", "output", "..", "0..1", strings.Repeat("n", MaxPath), "1e999", "k/2"} {
		src := "graph g\n" + GraphName(s) + " = relu a\n"
		f, l := Parse("x.incc", []byte(src))
		if s == "" {
			if !l.HasErrors() {
				t.Error("an empty name is read")
			}
			continue
		}
		if len(l) > 0 {
			t.Errorf("%q: %v", s, l)
		} else if got := f.Stmts[0].(*Assign).Outs[0].Name; got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	}
}

func TestIsName(t *testing.T) {
	for s, want := range map[string]bool{"conv": true, "3a": true, "4e": true, "a.b": true, "4e1": false, "3x3": false, "0..1": false, "": false, "a/b": false, "a-b": false, "a.": false, "1": false, "3X3": false, strings.Repeat("n", 129): false} {
		if IsName(s) != want {
			t.Errorf("IsName(%q) = %v", s, !want)
		}
	}
}
