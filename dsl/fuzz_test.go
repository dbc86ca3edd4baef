package dsl

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/dsl/internal/specgen"
	"github.com/incc-lang/incc/ir/irtest/cputime"
)

// survives checks what must hold for every text: parsing it takes little time, and gives a
// complete tree or problems that can be printed.
func survives(t *testing.T, src []byte) (ok bool) {
	t.Helper()
	since := cputime.Start()
	f, l := Parse("x.incc", src)
	if d := since(); d > 5*time.Second {
		t.Fatalf("%v for %d bytes", d, len(src))
	}
	if !l.HasErrors() {
		roundTrip(t, f, src)
		Vet(f, nil)
		return true
	}
	lines := strings.Count(string(src), "\n") + 1
	for _, d := range l {
		if d.Code == "" || d.Summary == "" || d.Span.Line < 1 || d.Span.Line > lines || d.Span.Col < 1 || d.Span.Len < 0 {
			t.Fatalf("bad problem %+v of\n%s", d, src)
		}
		if _, known := ExplainCode(d.Code); !known {
			t.Fatalf("nobody explains %s", d.Code)
		}
	}
	shown := show("x.incc", src, l)
	if i := strings.IndexFunc(shown, func(r rune) bool { return r != '\n' && forbidden(r) || r == '\t' }); i >= 0 {
		t.Fatalf("%q reaches the terminal in\n%s", shown[i:min(i+4, len(shown))], shown)
	}
	return false
}

// seeds returns texts to mutate: valid ones and ones with errors.
func seeds(t testing.TB) [][]byte {
	var all [][]byte
	for _, pattern := range []string{"testdata/fmt/*.incc", "testdata/broken/*.incc"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal("no seeds in", pattern)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if len(src) < 8192 {
				all = append(all, src)
			}
		}
	}
	return all
}

// mutator makes small changes to texts, of bytes and of words.
type mutator struct{ *rand.Rand }

var spare = strings.Fields(`-> -> { } { } = : ; , # " \n \n concat add max residual repeat 10 head weight=0.3 block b n let default
	conv 3x3 3x3/2 1x7 k/2 64 0.5 2e-4 -1 0..1 0.1,0.2 act=relu proj={ 3a: 4e 4e1 input labels train net graph x.w a/b "s" .. / - e
	output update part 1e999 99999999999x9 (`)

func (m mutator) mutate(src []byte) []byte {
	out := append([]byte(nil), src...)
	for n := 1 + m.IntN(2); n > 0 && len(out) > 0; n-- {
		if m.IntN(3) > 0 {
			out = m.words(out)
		} else {
			out = m.bytes(out)
		}
	}
	return out
}

func (m mutator) bytes(b []byte) []byte {
	i := m.IntN(len(b))
	switch m.IntN(6) {
	case 0:
		b[i] ^= 1 << m.IntN(8)
	case 1:
		b[i] = byte(m.IntN(256))
	case 2:
		b = append(b[:i], b[i+1:]...)
	case 3:
		b = append(b[:i], append([]byte{b[m.IntN(len(b))]}, b[i:]...)...)
	case 4: // copy a piece to another place
		j := min(len(b), i+m.IntN(40))
		k := m.IntN(len(b))
		b = append(b[:k], append(append([]byte(nil), b[i:j]...), b[k:]...)...)
	case 5:
		b = b[:i]
	}
	return b
}

func (m mutator) words(b []byte) []byte {
	s := newSource("", b)
	toks := s.scan(MaxTokens)
	if len(toks) < 3 {
		return m.bytes(b)
	}
	i, j := m.IntN(len(toks)-1), m.IntN(len(toks)-1)
	a, c := toks[i], toks[j]
	text := func(t token) string { return string(b[t.off:t.end]) }
	swap := func(t token, with string) []byte {
		return []byte(string(b[:t.off]) + with + string(b[t.end:]))
	}
	switch m.IntN(6) {
	case 0:
		return swap(a, "")
	case 1:
		return swap(a, text(a)+" "+text(a))
	case 2: // replace it by another token of the same kind
		for range 50 {
			if j = m.IntN(len(toks) - 1); toks[j].kind == a.kind {
				break
			}
		}
		return swap(a, text(toks[j]))
	case 3:
		return swap(a, text(c))
	case 4:
		w := spare[m.IntN(len(spare))]
		return swap(a, text(a)+" "+strings.ReplaceAll(w, `\n`, "\n")+" ")
	default:
		if a.off > c.off {
			a, c = c, a
		}
		if a.end > c.off {
			return swap(a, "")
		}
		return []byte(string(b[:a.off]) + text(c) + string(b[a.end:c.off]) + text(a) + string(b[c.end:]))
	}
}

// TestMutated parses texts that are almost valid. A fifth of them must still be valid, or
// the mutations would only test the first error.
func TestMutated(t *testing.T) {
	t.Parallel()
	m := mutator{rand.New(rand.NewPCG(2, 3))}
	g := specgen.New(4, ops)
	real := seeds(t)
	const n = 5_000
	right := 0
	for i := range n * long() {
		src := real[m.IntN(len(real))]
		if i%4 != 0 {
			src = []byte(g.Any().Source)
		}
		src = m.mutate(src)
		if survives(t, src) {
			right++
		}
	}
	if right < n*long()/5 {
		t.Errorf("only %d of %d mutated texts are still right", right, n*long())
	}
	t.Logf("%d of %d are still right", right, n*long())
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	g := specgen.New(5, ops)
	for range 50 {
		f.Add([]byte(g.Any().Source))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) < 1<<16 {
			survives(t, src)
		}
	})
}

// TestBombs parses texts that could take much time or memory. They have a sixteenth of the
// allowed size, or all of it with INCC_LONG=1. Parsing takes linear time, less than a second
// on an idle machine; the limit here is longer, for a busy one.
func TestBombs(t *testing.T) {
	t.Parallel()
	size := MaxFile / 16
	if long() > 1 {
		size = MaxFile - 1000
	}
	many := func(s string) string { return strings.Repeat(s, size/len(s)) }
	manyNames := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			b.WriteString(strings.Replace(format, "%d", strconv.Itoa(i), 1))
		}
		return b.String()
	}
	for name, src := range map[string]string{
		"open braces":        "net a\n" + many("{"),
		"open bodies":        "net a\n" + many("concat { "),
		"closing braces":     "net a\n" + many("}"),
		"arrows":             "net a\n" + many("-> "),
		"nested arguments":   "net a\n" + many("a b={ "),
		"one long line":      "net a\nconv" + many(" 1"),
		"one long list":      "net a\nconv 1" + many(",1"),
		"one long name":      "net " + many("a"),
		"one long number":    "net a\nconv " + many("1"),
		"one long exponent":  "net a\nconv " + many("1e-"),
		"one long range":     "net a\nconv " + many("1.."),
		"one long shape":     "net a\nconv 1" + many("x1"),
		"one long path":      "graph a\n" + many("a/") + "a = b",
		"one long string":    "net a\nlabels \"" + many("a") + "\"",
		"open strings":       "net a\n" + many("\"\n"),
		"open comments":      "net a\n" + many("/*\n"),
		"comments":           "net a\n" + many("#\n"),
		"comments behind =":  "net a\nlet x = " + many("#\n") + " 5",
		"comments and arrow": "net a\nb " + many("#\n") + " -> c",
		"line breaks":        "net a\nb" + many("\n") + "-> c",
		"lines":              "net a\n" + many("a\n"),
		"labelled lines":     "net a\n" + many("a:a\n"),
		"branches":           "net a\nadd { " + many("a;") + "a }",
		"wide table":         "net a\n" + strings.Repeat("a 1 2 3 "+strings.Repeat("n", 100)+"\n", size/120),
		"deep lines":         "net a\n" + strings.Repeat("a{", 255) + many("a\n") + strings.Repeat("}", 255),
		"lets":               "net a\n" + many("let a = 1\n"),
		"blocks":             "net a\n" + many("block a=a\n"),
		"parameters":         "net a\nblock b" + many(" a") + " = a",
		"keys":               "net a\nb" + many(" a=1"),
		"different keys":     "net a\nb" + manyNames(" k%d=1"),
		"different blocks":   "net a\n" + manyNames("block b%d = c\n"),
		"many parameters":    "net a\nblock b" + manyNames(" p%d") + " = a",
		"labels":             "net a\nlabels {" + many(" \"a\"") + "}",
		"unclosed labels":    "net a\n" + many("labels { "),
		"train":              "net a\ntrain {" + many("a\n") + "}",
		"quotes":             "net a\n" + many("'"),
		"curly quotes":       "net a\n" + many("“ "),
		"NULs":               "net a\n" + many("\x00"),
		"no UTF-8":           "net a\n" + many("\xff "),
		"signs":              "net a\n" + many("- "),
		"hyphens":            "net " + many("a-"),
		"blanks":             "net a\n" + many(" "),
		"CRs":                "net a\n" + many("\r"),
		"assignments":        "graph a\n" + many("a=b\n"),
		"values":             "graph a\n" + manyNames("v%d=b\n"),
		"results":            "graph a\na" + many(",a") + " = b",
		"outputs":            "graph a\noutput" + many(" a"),
		"constants":          "graph a\nc = const 500000 0" + many(",0"),
	} {
		t.Run(name, func(t *testing.T) {

			since := cputime.Start()
			f, l := Parse("x.incc", []byte(src))
			if !l.HasErrors() {
				out := f.Format()
				if len(out) > 100*len(src) {
					t.Errorf("%d bytes become %d", len(src), len(out))
				}
				if twice, _ := Format("x.incc", out); len(out) <= MaxFile && string(twice) != string(out) {
					t.Error("fmt is not idempotent")
				}
				Vet(f, nil)
			} else {
				show("x.incc", []byte(src), l)
			}
			if d := since(); d > 10*time.Second {
				t.Errorf("%s took %v", name, d)
			}
		})
	}
}
