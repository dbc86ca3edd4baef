package dsl

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/cputime"
	"github.com/incc-lang/incc/specs"
)

// buildSeeds returns small nets and graphs that build.
func buildSeeds(t testing.TB) [][]byte {
	var all [][]byte
	for _, name := range specs.Names() {
		if src, _, _ := specs.Source(name); strings.HasPrefix(name, "mnist/") || strings.HasPrefix(name, "nin_") || name == "lenet5" || strings.HasPrefix(name, "maxout_") {
			all = append(all, src)
			if g, _ := Load(name, src, Options{}); strings.HasPrefix(name, "mnist/") {
				all = append(all, Print(g))
			}
		}
	}
	g := newNetGen(7)
	for range 60 {
		all = append(all, []byte(g.net()))
	}
	return all
}

// loads checks what must hold for every text: loading it takes little time, and gives a
// valid graph or errors with places.
func loads(t *testing.T, src []byte) (parsed, built bool) {
	t.Helper()
	since := cputime.Start()
	g, l := Load("x.incc", src, Options{})
	if d := since(); d > 5*time.Second {
		t.Fatalf("%v for %d bytes\n%s", d, len(src), src[:min(len(src), 2000)])
	}
	if g == nil != l.HasErrors() {
		t.Fatalf("graph %v with problems %v", g != nil, l)
	}
	if g != nil {
		if err := ir.Verify(g); err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		return true, true
	}
	parsed = true
	for _, d := range l {
		parsed = parsed && !(strings.HasPrefix(d.Code, "E01") || strings.HasPrefix(d.Code, "E02"))
		if d.Code == "" || d.Summary == "" || d.Span.Line < 1 || d.Span.File != "x.incc" {
			t.Fatalf("bad problem %+v of\n%s", d, src)
		}
		if strings.Contains(d.Error(), "%!") {
			t.Fatalf("%s", d.Error())
		}
	}
	if len(src)%8 == 0 {
		show("x.incc", src, l)
	}
	return parsed, false
}

// TestMutatedBuild loads texts with small changes.
func TestMutatedBuild(t *testing.T) {
	t.Parallel()
	all, broken := buildSeeds(t), seeds(t)
	m := mutator{rand.New(rand.NewPCG(3, 9))}
	n, parsed, built := 2_000*long(), 0, 0
	for i := range n {
		src := all[m.IntN(len(all))]
		if i%8 == 0 {
			src = broken[m.IntN(len(broken))]
		}
		p, b := loads(t, m.mutate(src))
		if p {
			parsed++
		}
		if b {
			built++
		}
	}
	t.Logf("of %d texts %d parse and %d build", n, parsed, built)
	if parsed < n/5 || built < n/20 {
		t.Errorf("of %d texts only %d parse and %d build", n, parsed, built)
	}
}

func FuzzLoad(f *testing.F) {
	for _, s := range buildSeeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) < 1<<16 {
			loads(t, src)
		}
	})
}

// TestBuildBombs loads small texts that expand to very much. Each takes less than a second
// on an idle machine and gives an error that names the limit.
func TestBuildBombs(t *testing.T) {
	t.Parallel()
	chain := func(n int, body string) string {
		var b strings.Builder
		b.WriteString("net bomb\ninput x 3x8x8\nblock b0 = conv 1x1 3\n")
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, "block b%d = %s\n", i, strings.ReplaceAll(body, "B", fmt.Sprintf("b%d", i-1)))
		}
		fmt.Fprintf(&b, "b%d\n", n-1)
		return b.String()
	}
	deepLabels := "net bomb\ninput x 3x8x8\n"
	for range 12 {
		deepLabels += "residual {\n" + strings.Repeat("a", 120) + ": "
	}
	deepLabels += "conv 1x1 3" + strings.Repeat("\n}", 12) + "\n"
	most := strconv.Itoa(math.MaxInt) // depends on the machine: 2^31-1 on 32 bits
	for name, c := range map[string]struct{ text, code string }{
		"blocks that double":      {chain(60, "B -> B"), "E0505"},
		"branches that double":    {chain(60, "add { B; B }"), "E0505"},
		"blocks in a chain":       {chain(5000, "B"), "E0506"},
		"residuals in a chain":    {chain(2000, "residual { residual { B } }"), "E0506"},
		"repeat of repeats":       {"net bomb\ninput x 3x8x8\nrepeat 10000 { repeat 10000 { conv 1x1 3 } }\n", "E0505"},
		"repeat of nothing":       {"net bomb\ninput x 3x8x8\nrepeat 16000000 { repeat 16000000 { identity } }\nconv 1x1 3\n", "E0505"},
		"repeat of heads":         {"net bomb\ninput x 3x8x8\nrepeat 16000000 { head { gap } }\nconv 1x1 3\n", "E0505"},
		"repeat of what is wrong": {"net bomb\ninput x 3x8x8\nrepeat 16000000 { repeat 16000000 { head { fnord } } }\nconv 1x1 3\n", "E0505"},
		"paths that grow":         {deepLabels, "E0507"},
		"weights":                 {"net bomb\ninput x 3x8x8\nconv 7x7 16000000 pad=3 -> conv 7x7 16000000 pad=3\n", "E0309"},
		"kernel":                  {"net bomb\ninput x 3x8x8\nconv 16000000x16000000 2 pad=same\n", "E0309"},
		"padding":                 {"net bomb\ninput x 3x8x8\nconv 1x1 3 pad=16000000\n", "E0309"},
		"stride":                  {"net bomb\ninput x 3x8x8\nconv 2147483647x2147483647/2147483647 3 pad=same\n", "E0405"},
		"pieces":                  {"net bomb\ninput x 3x8x8\nconv 1x1 16000000 maxout=16000000\n", "E0309"},
		"units":                   {"net bomb\ninput x 16x4096x4096\nconv 1x1 1 -> fc 16000000\n", "E0309"},
		"flat shape":              {"graph bomb\nx = input 16000000x16000000x16000000\ny = relu x\noutput y\n", "E0706"},
		"flat reshape":            {"graph bomb\nx = input 3x8x8\ny = reshape x shape=Nx999999999999x8\noutput y\n", "E0703"},
		"flat product":            {"graph bomb\nx = input 3x8x8\na = param 65535x32768 init=he\nb = param 32768x65535 init=he\nc = matmul a b\noutput c\n", "E0703"},
		"flat slice":              {"graph bomb\nx = input 3x8x8\ny = slice x start=-9223372036854775808 stop=9223372036854775807\noutput y\n", "E0703"},
		"flat transpose":          {"graph bomb\nx = input 3x8x8\ny = transpose x perm=0,0,99999999999,-1\noutput y\n", "E0703"},
		"flat split":              {"graph bomb\nx = input 3x8x8\ny = split x sizes=" + strings.TrimRight(strings.Repeat("0,", 5000), ",") + "\noutput y\n", "E0703"},
		"flat pool":               {"graph bomb\nx = input 3x8x8\ny = maxpool x kernel=" + most + " stride=0 pad=" + most + "\noutput y\n", "E0703"},
		"flat conv":               {"graph bomb\nx = input 3x8x8\nw = param 1x3x1x1 init=he\ny = conv x w pad=" + most + " dilation=" + most + " groups=-1\noutput y\n", "E0703"},
	} {
		since := cputime.Start()
		g, l := Load("bomb.incc", []byte(c.text), Options{})
		if d := since(); d > 15*time.Second {
			t.Errorf("%s: %v", name, d)
		}
		if g != nil || !has(l, c.code) {
			t.Errorf("%s: no %s but %v", name, c.code, l)
		}
	}
}

// TestGoldenTextsLoad loads all texts in testdata; loads must hold for them.
func TestGoldenTextsLoad(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.incc")
	if err != nil || len(files) < 100 {
		t.Fatal(len(files), err)
	}
	for _, src := range seeds(t) {
		loads(t, src)
	}
}
