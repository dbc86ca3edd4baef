package lsp

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/specs"
)

var update = flag.Bool("update", false, "write the golden files")

const example = `# A network for the tests.
# It has two comments.
net example
input image 3x32x32 range=0..1
labels { "cat" "dög" "鳥" }
let classes = 3
default conv pad=same act=relu

block pair k n m=32 = conv k/2 n pad=1 -> conv k m
block twice n = {
  conv 3x3 n
  conv 1x1 n
}

stem: conv 5x5 16 -> maxpool 2x2/2
3a: inception 16  8 16 4  8  8
body: pair 3x3 16 -> twice 24 -> pair 5x5 8 m=12
top: gap -> dropout 0.4 -> fc classes -> softmax

train {
  sgd lr=0.1 momentum=0.9
  freeze stem "3a/inception"
  run batch=8 epochs=2
}
`

// golden compares a text with testdata/NAME.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is not what the server answers now: go test ./dsl/lsp -update, then read the change\n%s", file, got)
	}
}

func indented(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", " "); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestSession records a session with every feature. Read the golden files before you commit
// a change.
func TestSession(t *testing.T) {
	c := start(t)
	golden(t, "initialize.json", indented(t, c.hello(`{"textDocument":{"completion":{"completionItem":{"snippetSupport":true}}}}`)))
	if l := c.open(example); len(l) != 0 {
		t.Errorf("problems of the example: %+v", l)
	}
	var b strings.Builder
	for _, at := range []string{"‸stem: conv", "3x32x32 ran‸ge", "‸inception 16", "fc cl‸asses", "block pa‸ir", "conv k‸/2 n", "body: p‸air", "maxp‸ool 2x2", "s‸gd lr", "sgd l‸r=", "act=‸relu", "m=3‸2 =", "def‸ault conv", "‸# A network"} {
		text, pos := marked(t, strings.Replace(example, strings.Replace(at, "‸", "", 1), at, 1))
		if text != example {
			t.Fatal(at)
		}
		r, fault := c.ask("textDocument/hover", where(pos))
		if fault != nil {
			t.Fatal(fault)
		}
		var h *hover
		if err := json.Unmarshal(r, &h); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "== %s\n", at)
		if h != nil {
			fmt.Fprintf(&b, "%d:%d to %d:%d\n%s\n", h.Range.Start.Line, h.Range.Start.Character, h.Range.End.Line, h.Range.End.Character, h.Contents.Value)
		}
	}
	golden(t, "hover.md", b.String())
	whole := map[string]any{"textDocument": map[string]any{"uri": uri}, "range": textRange{End: position{Line: 100}}}
	for method, file := range map[string]string{
		"textDocument/documentSymbol": "symbols.json", "textDocument/foldingRange": "folds.json",
		"textDocument/inlayHint": "hints.json", "textDocument/semanticTokens/full": "tokens.json",
	} {
		r, fault := c.ask(method, whole)
		if fault != nil {
			t.Fatal(fault)
		}
		golden(t, file, indented(t, r))
	}
	if err := c.bye(); err != nil {
		t.Error(err)
	}
}

// TestHoverOfCalls: a call of a block has the facts of all layers that it makes, also through
// other blocks, and each call only its own.
func TestHoverOfCalls(t *testing.T) {
	const text = "net a\ninput image 3x8x8\nblock one n = conv 3x3 n pad=same act=relu\nblock two n = one n -> one n\nx: two 4 -> one 5\ny: repeat 2 { two 6 }\nfc 2 -> softmax\n"
	g, l := dsl.Load("a.incc", []byte(text), dsl.Options{})
	if l.HasErrors() {
		t.Fatal(l)
	}
	sum := ir.Summarize(g)
	d := &document{uri: uri, text: newText([]byte(text), false)}
	for at, c := range map[string]struct {
		first, last string
		layers      int
	}{
		"x: t‸wo 4":         {"x/two/one/conv_3x3", "x/two/one_2/conv_3x3/relu", 4},
		"-> o‸ne 5":         {"x/one/conv_3x3", "x/one/conv_3x3/relu", 2},
		"{ t‸wo 6":          {"y/two_1/one/conv_3x3", "y/two_2/one_2/conv_3x3/relu", 8},
		"two n = o‸ne n ->": {"", "y/two_2/one/conv_3x3/relu", 6},
	} {
		_, pos := marked(t, strings.Replace(text, strings.Replace(at, "‸", "", 1), at, 1))
		h, _ := d.hover(pos).(hover)
		want, on := "", false
		var params, macs int64
		for i, n := range g.Nodes {
			name := n.Out[0].Name
			on = on || name == c.first
			if on {
				params, macs = params+sum.Layers[i].Params, macs+sum.Layers[i].Cost.MACs
			}
			if name == c.last {
				want, on = "output           "+n.Out[0].Type.Shape.WithoutBatch().String(), false
			}
		}
		if !strings.Contains(h.Contents.Value, want) || want == "" || !strings.Contains(h.Contents.Value, fmt.Sprintf("layers           %d", c.layers)) {
			t.Errorf("%s: want %s and %d layers of\n%s", at, want, c.layers, h.Contents.Value)
		}
		if c.first != "" && !strings.Contains(h.Contents.Value, fmt.Sprintf("parameters       %s\nMACs             %s\n", diag.Thousands(params), diag.Thousands(macs))) {
			t.Errorf("%s: want %d parameters and %d MACs of\n%s", at, params, macs, h.Contents.Value)
		}
	}
}

// TestProblems types a mistake and takes the fix that the server offers.
func TestProblems(t *testing.T) {
	c := start(t)
	c.hello("{}")
	if l := c.open(strings.Replace(example, "act=relu", "act=rellu", 1)); len(l) == 0 || l[0].Severity != 1 || l[0].Range.Start.Line != 6 || l[0].Code == "" {
		t.Fatalf("problems %+v", l)
	}
	r, fault := c.ask("textDocument/codeAction", map[string]any{"textDocument": map[string]any{"uri": uri}, "range": textRange{position{6, 0}, position{6, 80}}})
	if fault != nil {
		t.Fatal(fault)
	}
	var actions []codeAction
	if err := json.Unmarshal(r, &actions); err != nil || len(actions) == 0 {
		t.Fatalf("actions %s, %v", r, err)
	}
	edits := actions[0].Edit.Changes[uri]
	c.notify("textDocument/didChange", map[string]any{"textDocument": map[string]any{"uri": uri, "version": 2},
		"contentChanges": []contentChange{{&edits[0].Range, edits[0].NewText}}})
	if l := c.problems(); len(l) != 0 {
		t.Errorf("after the fix: %+v", l)
	}
	// The other place of a name that is declared twice.
	if l := c.open(example + "stem: identity\n"); len(l) == 0 || len(l[0].RelatedInformation) == 0 {
		t.Errorf("a label twice: %+v", l)
	}
	c.notify("textDocument/didClose", map[string]any{"textDocument": map[string]any{"uri": uri}})
	if l := c.problems(); len(l) != 0 {
		t.Errorf("a closed text has problems %+v", l)
	}
	if _, fault := c.ask("textDocument/hover", where(position{})); fault == nil || fault.Code != invalidParams {
		t.Errorf("hover in a closed text: %+v", fault)
	}
	if err := c.bye(); err != nil {
		t.Error(err)
	}
}

// complete returns the labels that the server suggests at a marker.
func completions(t *testing.T, text string) []string {
	t.Helper()
	src, pos := marked(t, text)
	d := &document{uri: uri, text: newText([]byte(src), false)}
	var names []string
	for _, it := range d.complete(pos, true) {
		names = append(names, it.Label)
	}
	return names
}

func TestCompletion(t *testing.T) {
	for _, c := range []struct {
		from, to string // replaced in the example
		has, not string
	}{
		{"3a: inception", "3a: ‸", "conv inception concat pair twice maxpool", "lr classes sgd train"},
		{"\ntrain {", "\n‸", "train let default block conv pair", "sgd lr"},
		{"maxpool 2x2/2", "‸", "conv maxpool pair", "let train"},
		{"conv 5x5 16 ->", "conv 5x5 16 ‸ ->", "act pad stride_missing bn groups classes", "kernel sgd"},
		{"act=relu", "act=‸", "relu sigmoid tanh none classes", "conv pad"},
		{"act=relu", "‸", "act bn init groups dilation", "pad sgd"},
		{"conv pad=same", "‸", "conv fc pad act", ""},
		{"twice 24 ->", "twice 24 ‸ ->", "n classes", "m pad"},
		{"m=12", "‸", "m k n classes", "sgd"},
		{"conv k/2 n pad=1 ->", "conv k/2 ‸ ->", "k n m classes act", ""},
		{"sgd lr=0.1", "‸", "sgd adam schedule run freeze augment", "conv let"},
		{"sgd lr=0.1", "sgd ‸", "lr momentum decay", "act beta1"},
		{"sgd lr=0.1", "schedule ‸", "cosine step poly exp every", "lr"},
		{"freeze stem", "freeze ‸", "stem 3a body top until", "conv"},
		{"labels { \"cat\" \"dög\" \"鳥\" }", "labels ‸", "mnist imagenet1k cifar10", "cat"},
		{"range=0..1", "‸", "range mean std resize", "act"},
		{"# A network for", "# A ‸", "", "conv net"},
		{"twice n = {\n  conv 3x3 n", "twice n = {\n  ‸", "conv pair", "let twice_missing"},
	} {
		text := strings.Replace(example, c.from, c.to, 1)
		if text == example {
			t.Fatalf("%q is not in the example", c.from)
		}
		got := completions(t, text)
		for _, w := range strings.Fields(c.has) {
			if !strings.HasSuffix(w, "_missing") && !slices.Contains(got, w) {
				t.Errorf("%s: no %s among %q", c.to, w, got)
			}
		}
		for _, w := range strings.Fields(c.not) {
			if slices.Contains(got, w) {
				t.Errorf("%s: %s among %q", c.to, w, got)
			}
		}
	}
}

// TestNames finds and renames every kind of name; the renamed text means the same.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		at, name string
		uses     int // with the declaration
	}{
		{"let cl‸asses", "number", 2},
		{"fc class‸es", "number", 2},
		{"block pa‸ir", "two", 3},
		{"body: pai‸r", "two", 3},
		{"block pair ‸k", "kern", 3},
		{"conv k/2 ‸n pad", "filters", 2},
		{"8 ‸m=12", "last", 3},
		{"‸stem: conv", "begin", 2},
		{"freeze st‸em", "begin", 2},
		{`"‸3a/inc`, "first", 2},
	} {
		text, pos := marked(t, strings.Replace(example, strings.Replace(c.at, "‸", "", 1), c.at, 1))
		d := &document{uri: uri, text: newText([]byte(text), false)}
		all, _ := d.references(pos, true).([]location)
		if len(all) != c.uses {
			t.Errorf("%s: %d places, want %d: %v", c.at, len(all), c.uses, all)
		}
		if def, ok := d.definition(pos).(location); !ok || !slices.Contains(all, def) {
			t.Errorf("%s: defined at %v", c.at, def)
		}
		if marks, _ := d.highlights(pos).([]documentHighlight); len(marks) != c.uses {
			t.Errorf("%s: %d marks", c.at, len(marks))
		}
		edit, fault := d.rename(pos, c.name)
		if fault != nil {
			t.Errorf("%s: %+v", c.at, fault)
			continue
		}
		edits := edit.(workspaceEdit).Changes[uri]
		slices.Reverse(edits)
		n := d.text
		for _, e := range edits {
			n = n.change(contentChange{&e.Range, e.NewText})
		}
		g, l := dsl.Load("a.incc", n.src, dsl.Options{})
		if l.HasErrors() {
			t.Errorf("%s renamed to %s: %v\n%s", c.at, c.name, l, n.src)
			continue
		}
		if want, _ := dsl.Load("a.incc", []byte(text), dsl.Options{}); len(g.Nodes) != len(want.Nodes) {
			t.Errorf("%s renamed: %d nodes, want %d", c.at, len(g.Nodes), len(want.Nodes))
		}
	}
	d := &document{uri: uri, text: newText([]byte(example), false)}
	_, pos := marked(t, strings.Replace(example, "let classes", "let cla‸sses", 1))
	for _, bad := range []string{"", "3x3", "let", "a b", "4", "n"} {
		if _, fault := d.rename(pos, bad); fault == nil {
			t.Errorf("classes may be called %q", bad)
		}
	}
}

// TestPositions counts characters as the editor does.
func TestPositions(t *testing.T) {
	src := "\ufeffnet a\r\nlabels { \"𝄞\" \"x\" } # ü\n"
	for _, utf8 := range []bool{false, true} {
		text := newText([]byte(src), utf8)
		for off := range src {
			if p := text.position(off); text.offset(p) != off && src[off] != '\r' && src[off] != '\n' {
				t.Errorf("utf8 %v: offset %d is %v and back %d", utf8, off, p, text.offset(p))
			}
		}
		if got := text.offset(position{99, 0}); got != len(src) {
			t.Errorf("a line behind the end is offset %d", got)
		}
		if got := text.offset(position{-1, -1}); got != 0 {
			t.Errorf("a line before the beginning is offset %d", got)
		}
	}
	if p := newText([]byte(src), false).position(strings.Index(src, `x"`)); p != (position{1, 15}) {
		t.Errorf("x is at %v", p)
	}
}

// TestRandomEdits edits a text 10,000 times (300 without INCC_LONG) with the editor's
// incremental changes. After each, the answers are those for the same text opened anew.
func TestRandomEdits(t *testing.T) {
	n := 300
	if longtest.Enabled() {
		n = 10000
	}
	r := rand.New(rand.NewPCG(1, 2))
	s := &server{docs: map[string]*document{}, ready: true}
	s.set(uri, newText([]byte(example), false))
	pieces := []string{"conv 3x3 8", " -> ", "\n", "{", "}", "=", "act=relu", "x", "3", "\"", "#", "é", "𝄞", "block b n = ", "let q = 1\n", "train {", ":", ",", "\t", "\r\n", "pair 3x3 4"}
	for i := range n {
		d := s.docs[uri]
		if len(d.text.src) > 3*len(example) || r.IntN(50) == 0 {
			s.set(uri, newText([]byte(example), false))
			d = s.docs[uri]
		}
		a := d.text.position(r.IntN(len(d.text.src) + 1))
		b := a
		if r.IntN(2) == 0 {
			b = d.text.position(d.text.offset(a) + r.IntN(6))
		}
		change := changeParams{documentID{uri}, []contentChange{{&textRange{a, b}, pieces[r.IntN(len(pieces))]}}}
		raw, err := json.Marshal(change)
		if err != nil {
			t.Fatal(err)
		}
		s.notified(message{Method: "textDocument/didChange", Params: raw})
		d = s.docs[uri]
		fresh := &document{uri: uri, text: newText(slices.Clone(d.text.src), false)}
		p := d.text.position(r.IntN(len(d.text.src) + 1))
		for name, f := range features {
			q := documentParams{TextDocument: documentID{uri}, Position: p, Range: d.text.whole(), NewName: "other"}
			x, e := f(s, d, q)
			y, g := f(s, fresh, q)
			if !reflect.DeepEqual(x, y) || !reflect.DeepEqual(e, g) {
				t.Fatalf("edit %d: %s at %v differs from that of a new text\n%s", i, name, p, d.text.src)
			}
		}
		if !reflect.DeepEqual(d.diagnostics(), fresh.diagnostics()) {
			t.Fatalf("edit %d: other problems", i)
		}
	}
}

// TestEverywhere asks everything at places of all built-in specs.
func TestEverywhere(t *testing.T) {
	for _, name := range specs.Names() {
		src, _, _ := specs.Source(name)
		d := &document{uri: uri, text: newText(src, false)}
		if l := d.diagnostics(); len(l) > 0 {
			t.Errorf("%s: %+v", name, l[0])
		}
		for off := 0; off < len(src); off += 37 {
			for _, f := range features {
				f(&server{docs: map[string]*document{}}, d, documentParams{Position: d.text.position(off), Range: d.text.whole(), NewName: "other"})
			}
		}
		hints := d.hints(d.text.whole())
		if len(hints) == 0 {
			t.Errorf("%s has no hints", name)
		}
	}
}

// TestLabels reads the file of labels beside a saved spec.
func TestLabels(t *testing.T) {
	text := newText([]byte("net a\ninput image 1x8x8\nlabels \"names.txt\"\nfc 2 -> softmax\n"), false)
	read := func(spec, name string) ([]byte, error) {
		if filepath.ToSlash(spec) != "/a b/net.incc" || name != "names.txt" {
			t.Errorf("reads %q, %q", spec, name)
		}
		return []byte("cat\ndog\n"), nil
	}
	for uri, want := range map[string]int{"file:///a%20b/net.incc": 0, "untitled:1": 1} {
		d := &document{uri: uri, text: text, read: read}
		if l := d.diagnostics(); len(l) != want {
			t.Errorf("%s: %+v", uri, l)
		}
	}
}

// TestBroken sends what no editor should.
func TestBroken(t *testing.T) {
	c := start(t)
	if _, fault := c.ask("textDocument/hover", where(position{})); fault == nil || fault.Code != notInitialized {
		t.Errorf("before initialize: %+v", fault)
	}
	c.hello("{}")
	for _, m := range []struct {
		method string
		params any
		code   int
	}{
		{"initialize", map[string]any{}, invalidRequest},
		{"textDocument/dance", nil, methodNotFound},
		{"textDocument/hover", 7, invalidParams},
		{"textDocument/hover", where(position{1 << 30, -5}), invalidParams},
	} {
		if _, fault := c.ask(m.method, m.params); fault == nil || fault.Code != m.code {
			t.Errorf("%s %v: %+v", m.method, m.params, fault)
		}
	}
	c.notify("textDocument/didChange", "nonsense")
	c.notify("unknown", nil)
	c.open("")
	c.open("\x00\xff\xfe")
	for method := range features {
		for _, p := range []position{{1 << 30, 1 << 30}, {-1, 0}, {0, -1}, {-1 << 31, 1<<31 - 1}} {
			if _, fault := c.ask(method, map[string]any{"textDocument": documentID{uri}, "position": p, "range": textRange{p, p}, "newName": "a"}); fault != nil && fault.Code != requestFailed {
				t.Errorf("%s at %v: %+v", method, p, fault)
			}
		}
	}
	c.in.Close()
	if err := <-c.done; !errors.Is(err, ErrNoShutdown) {
		t.Errorf("the editor is gone: %v", err)
	}
	for _, in := range []string{"Content-Length: -1\r\n\r\n", "Content-Length: 99999999999\r\n\r\n", "Hello\r\n\r\n", "X: y\r\n\r\n", "Content-Length: 10\r\n\r\n{}", strings.Repeat("x", 1<<20)} {
		if err := Serve(strings.NewReader(in), io.Discard, Info{}, nil); err == nil {
			t.Errorf("%.40q is served", in)
		}
	}
	var out bytes.Buffer
	if err := Serve(strings.NewReader("Content-Length: 3\r\n\r\nnot"), &out, Info{}, nil); err != nil || !strings.Contains(out.String(), fmt.Sprint(parseError)) {
		t.Errorf("a message that is no JSON: %v, %q", err, out.String())
	}
}

// BenchmarkKeystroke measures the time from a change of the longest spec to its problems.
func BenchmarkKeystroke(b *testing.B) {
	var src []byte
	for _, name := range specs.Names() {
		if s, _, _ := specs.Source(name); len(s) > len(src) {
			src = s
		}
	}
	for b.Loop() {
		d := &document{uri: uri, text: newText(src, false)}
		d.diagnostics()
		d.hints(d.text.whole())
		d.tokens()
	}
}
