// Package specgen generates random texts in the incc language, for tests.
//
// A generated text follows the grammar in dsl/doc.go, in any layout that the grammar
// allows. With it comes the syntax tree that a parser must make of it; the generator
// writes the tree without using a parser. The words are random: most texts do not describe
// a sensible network.
package specgen

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Op is an op or block that generated texts call.
type Op struct {
	Name string
	Args [][]string // for each positional argument, the literals that it may be
	Keys []Key
	Body bool // whether braces may follow
}

// Key is a key of an op and the values that it may have.
type Key struct {
	Name   string
	Values []string // literals, or lists with commas
	Body   bool     // whether the value is in braces
}

// Text is a generated text and its syntax tree. See [Gen] for the form of the tree.
type Text struct {
	Source string
	Tree   string
}

// Gen is a generator of texts. Hits counts what it has generated: productions under the
// names in [Productions], ops under "op NAME", keys under "key OP.NAME".
//
// A tree is written in parentheses: (net NAME STMT…), (line LABEL CALL…),
// (call NAME ARG… BODY), (arg KEY VALUE), with - for a part that is absent, and literals
// as KIND:RAW.
type Gen struct {
	Hits map[string]int

	rng   *rand.Rand
	ops   []Op
	kind  string
	text  strings.Builder
	tree  strings.Builder
	eol   string
	wordy bool // the text ends in a word, so a blank must come before another word
	depth int
	left  int // statements that may still be generated
	names int
	used  map[string]bool
}

// New returns a generator for the given ops. The same seed gives the same texts.
func New(seed uint64, ops []Op) *Gen {
	return &Gen{rng: rand.New(rand.NewPCG(seed, 0x1cc)), ops: ops, Hits: map[string]int{}}
}

// Productions returns the names of all productions. A long enough run generates each.
func Productions() []string {
	return []string{
		"net", "graph", "input", "labels set", "labels file", "labels names", "let", "default op", "default all",
		"block pipeline", "block braces", "param", "param default", "train", "train empty", "line", "label", "label inside",
		"call", "value", "keyed", "list", "body", "body key", "nested default",
		"number", "range", "kernel", "kernel stride", "shape", "name", "strided", "string", "path",
		"assign", "assign several", "quoted name", "output", "head", "update", "part",
		"comment", "blank line", "crlf", "bom", "arrow ends line", "arrow begins line", "newline after =", "semicolon",
	}
}

// Net generates a net.
func (g *Gen) Net() Text { return g.file("net") }

// Graph generates a flat graph.
func (g *Gen) Graph() Text { return g.file("graph") }

// Any generates a net or a graph, nets more often.
func (g *Gen) Any() Text {
	if g.chance(3) {
		return g.Graph()
	}
	return g.Net()
}

func (g *Gen) hit(what string)        { g.Hits[what]++ }
func (g *Gen) chance(n int) bool      { return g.rng.IntN(n) == 0 }
func (g *Gen) say(f string, a ...any) { fmt.Fprintf(&g.tree, f, a...) }

func pick[T any](g *Gen, list []T) T { return list[g.rng.IntN(len(list))] }

func (g *Gen) file(kind string) Text {
	g.text.Reset()
	g.tree.Reset()
	g.kind, g.wordy, g.depth, g.names, g.used = kind, false, 0, 0, map[string]bool{}
	g.left = 2 + g.rng.IntN(25)
	g.eol = "\n"
	if g.chance(10) {
		g.hit("crlf")
		g.eol = "\r\n"
	}
	if g.chance(20) {
		g.hit("bom")
		g.text.WriteString("\ufeff")
	}
	for g.chance(3) {
		g.lineBreak()
	}
	g.hit(kind)
	g.word(kind)
	g.say("(%s", kind)
	g.name(" ")
	g.sep(false)
	once := map[string]bool{}
	for n := g.rng.IntN(14); n >= 0; n-- {
		if kind == "net" {
			g.netStmt(once)
		} else {
			g.graphStmt(once)
		}
		g.sep(n == 0)
	}
	g.say(")")
	return Text{g.text.String(), g.tree.String()}
}

// word writes a word or string, and blanks before it if they are needed.
func (g *Gen) word(s string) {
	if g.wordy {
		g.text.WriteString(pick(g, []string{" ", " ", " ", "  ", "\t", " \t "}))
	}
	g.text.WriteString(s)
	g.wordy = true
}

// sign writes a sign, with or without blanks around it.
func (g *Gen) sign(s string) {
	g.blanks()
	g.text.WriteString(s)
	g.wordy = false
	g.blanks()
}

// glue writes a sign without blanks around it.
func (g *Gen) glue(s string) {
	g.text.WriteString(s)
	g.wordy = false
}

func (g *Gen) blanks() {
	if g.chance(3) {
		g.text.WriteString(pick(g, []string{" ", "  ", "\t"}))
		g.wordy = false
	}
}

// lineBreak ends the line. It may add a comment before and blank lines after.
func (g *Gen) lineBreak() {
	g.blanks()
	if g.chance(6) {
		g.hit("comment")
		g.text.WriteString(pick(g, []string{"#", "# a -> b { } = \"", "#3a: conv", "# größer, 大", "## ; # "}))
	}
	g.text.WriteString(g.eol)
	g.wordy = false
	for g.chance(8) {
		g.hit("blank line")
		g.text.WriteString(pick(g, []string{"", "  "}) + g.eol)
	}
	if g.chance(2) {
		g.text.WriteString(strings.Repeat(" ", g.rng.IntN(2*g.depth+3)))
	}
}

// soft writes some line breaks or none, at a place where they have no meaning. It counts
// them as what.
func (g *Gen) soft(what string) {
	for g.chance(5) {
		if what != "" {
			g.hit(what)
		}
		g.lineBreak()
	}
}

// sep ends a statement with line breaks or semicolons. The last statement before a closing
// brace or the end of the text may end without them.
func (g *Gen) sep(last bool) {
	if last && g.chance(2) {
		g.blanks()
		return
	}
	for {
		// A ; is allowed wherever a line break ends a statement.
		if g.chance(4) {
			g.hit("semicolon")
			g.sign(";")
		} else {
			g.lineBreak()
		}
		if !g.chance(5) {
			return
		}
	}
}

var plainNames = []string{"a", "stem", "3a", "4e", "e4", "x3", "3x", "_", "a.b", "conv_1", "N", "2d", "5b", "x", "1e", "2e_4", "e", "n1", "0.1a", "r35"}

// newName returns a name that this text has not declared yet.
func (g *Gen) newName() string {
	n := pick(g, plainNames)
	if g.used[n] || g.chance(3) {
		g.names++
		n = fmt.Sprintf("v%d", g.names)
	}
	g.used[n] = true
	return n
}

// name writes a name to the text and the tree.
func (g *Gen) name(before string) string {
	n := pick(g, plainNames)
	g.word(n)
	g.say("%s%s", before, n)
	return n
}

var literals = map[string][]string{
	"number":        {"64", "0", "0.5", "2e-4", "-1", ".5", "5.", "1E3", "1e+5", "-.25", "007", "1000", "3.14159", "12345678901234567890"},
	"range":         {"0.08..1", "-1..1", "0..255", "1e-3..2e+1", "-2..-1", ".5..1"},
	"kernel":        {"3x3", "1x7", "7x1", "11x11", "0x1"},
	"kernel stride": {"7x7/2", "3x3/2x1", "1x1/1"},
	"shape":         {"3x224x224", "14x14x1", "32x16x5x1", "1x2x3x4x5"},
	"name":          {"relu", "same", "none", "n", "k", "he_uniform", "bn.gamma", "3a", "4e", "on", "off", "inf", "nan"},
	"strided":       {"k/2", "k/2x1", "n1/3"},
	"string":        {`"file.txt"`, `""`, `"a b"`, `"say \"hi\""`, `"\u202e"`, `"größe 大"`, `"# { ->"`, `"a\\b"`},
	"path":          {"3a/conv_1x1", "a/b/c.weight", "-inf", "stem/conv_7x7/bias", "k/2"},
}

// Kind returns the kind of a literal, as it is written in trees. file is "net" or "graph".
func Kind(raw, file string) string {
	for kind, list := range literals {
		if kind == "strided" && file == "graph" || kind == "path" && file == "net" {
			continue
		}
		if slices.Contains(list, raw) {
			switch kind {
			case "kernel stride":
				return "kernel"
			case "path":
				return "name"
			case "strided":
				return "kernel with a stride"
			}
			return kind
		}
	}
	switch {
	case strings.HasPrefix(raw, `"`):
		return "string"
	case strings.Contains(raw, ".."):
		return "range"
	case strings.Trim(raw, "0123456789") == "", strings.Trim(raw, "0123456789.e-") == "" && raw[0] != 'e':
		return "number"
	case strings.Trim(raw, "0123456789x/") == "":
		if strings.Count(strings.Split(raw, "/")[0], "x") > 1 {
			return "shape"
		}
		return "kernel"
	}
	return "name"
}

// literal writes a literal to the text and the tree.
func (g *Gen) literal(raw string) {
	g.word(raw)
	g.say("%s:%s", Kind(raw, g.kind), raw)
}

func (g *Gen) literalOf(kinds ...string) {
	k := pick(g, kinds)
	if k == "strided" && g.kind == "graph" {
		k = "path"
	}
	g.hit(k)
	g.literal(pick(g, literals[k]))
}

var anyLiteral = []string{"number", "number", "range", "kernel", "kernel stride", "shape", "name", "strided", "string"}

// value writes a random literal or list to the text and the tree.
func (g *Gen) value() {
	g.literalOf(anyLiteral...)
	if g.chance(5) {
		g.hit("list")
		for n := g.rng.IntN(3); n >= 0; n-- {
			g.sign(",")
			g.say(",")
			g.literalOf(anyLiteral...)
		}
	}
}

// values writes a given literal or list to the text and the tree.
func (g *Gen) values(list string) {
	if strings.HasPrefix(list, `"`) {
		g.literal(list)
		return
	}
	for i, raw := range strings.Split(list, ",") {
		if i > 0 {
			g.sign(",")
			g.say(",")
		}
		g.literal(raw)
	}
}

func (g *Gen) positional() {
	g.hit("value")
	g.say(" (arg - ")
	g.value()
	g.say(")")
}

// key writes KEY= to the text and the beginning of the argument to the tree.
func (g *Gen) key(k string) {
	g.hit("keyed")
	g.word(k)
	g.sign("=")
	g.soft("newline after =")
	g.say(" (arg %s ", k)
}

// keys writes at most n+3 arguments with keys, each key at most once.
func (g *Gen) keys(n int) {
	seen := map[string]bool{}
	for n += g.rng.IntN(4); n > 0; n-- {
		k := pick(g, []string{"act", "pad", "bn", "bn.gamma", "lr", "weight", "scale", "k1", "max_norm"})
		if seen[k] {
			continue
		}
		seen[k] = true
		g.key(k)
		g.value()
		g.say(")")
	}
}

func (g *Gen) netStmt(once map[string]bool) {
	switch c := g.rng.IntN(24); {
	case c == 0 && !once["input"], c == 1 && !once["labels"], c == 2 && !once["train"]:
		what := []string{"input", "labels", "train"}[c]
		once[what] = true
		g.recipe(what)
	case c == 3 || c == 4:
		g.let()
	case c == 5 || c == 6:
		g.defaults()
	case c >= 7 && c < 10:
		g.block()
	default:
		g.line(false)
	}
}

func (g *Gen) recipe(what string) {
	switch what {
	case "input":
		g.hit("input")
		g.word("input")
		g.say("\n(input")
		g.name(" ")
		g.say(" ")
		g.literal(pick(g, []string{"3x224x224", "28x28", "784", "1x28x28", "3x32x32"}))
		g.keys(0)
		g.say(")")
	case "labels":
		g.word("labels")
		switch g.rng.IntN(3) {
		case 0:
			g.hit("labels set")
			g.say("\n(labels set")
			g.name(" ")
		case 1:
			g.hit("labels file")
			g.say("\n(labels file ")
			g.literal(pick(g, literals["string"]))
		default:
			g.hit("labels names")
			g.say("\n(labels names")
			g.sign("{")
			for n := g.rng.IntN(4); n >= 0; n-- {
				g.soft("")
				g.say(" ")
				g.literal(pick(g, literals["string"]))
			}
			g.soft("")
			g.sign("}")
		}
		g.say(")")
	case "train":
		g.word("train")
		g.sign("{")
		g.depth++
		g.soft("")
		g.say("\n(train")
		n := g.rng.IntN(6)
		if n == 0 {
			g.hit("train empty")
		} else {
			g.hit("train")
		}
		for ; n > 0; n-- {
			w := pick(g, []string{"loss", "sgd", "schedule", "augment", "run", "init", "early_stop", "default"})
			g.word(w)
			g.say(" (call %s", w)
			for g.chance(2) {
				g.positional()
			}
			g.keys(0)
			g.say(")")
			g.sep(n == 1)
		}
		g.depth--
		g.sign("}")
		g.say(")")
	}
}

func (g *Gen) let() {
	g.hit("let")
	g.word("let")
	n := g.newName()
	g.word(n)
	g.sign("=")
	g.soft("newline after =")
	g.say("\n(let %s ", n)
	g.literalOf("number", "kernel", "kernel stride", "name")
	g.say(")")
}

func (g *Gen) defaults() {
	g.word("default")
	g.say("\n(default ")
	if g.chance(2) {
		g.hit("default op")
		op := pick(g, g.ops).Name
		g.word(op)
		g.say("%s", op)
	} else {
		g.hit("default all")
		g.say("-")
	}
	g.keys(1)
	g.say(")")
}

func (g *Gen) block() {
	g.word("block")
	n := g.newName()
	g.word(n)
	g.say("\n(block %s", n)
	seen := map[string]bool{}
	params := 0
	for g.chance(2) || params == 0 && g.chance(2) {
		p := pick(g, plainNames)
		if seen[p] {
			continue
		}
		seen[p] = true
		params++
		g.word(p)
		if g.chance(3) {
			g.hit("param default")
			g.glue("=")
			g.say(" (param %s ", p)
			g.literalOf("number", "kernel", "name")
			g.say(")")
		} else {
			g.hit("param")
			g.say(" (param %s -)", p)
		}
	}
	if g.chance(2) || params == 0 {
		g.text.WriteString(" ")
		g.glue("=")
		g.blanks()
	} else {
		g.glue("=")
		g.text.WriteString(" ")
	}
	g.soft("newline after =")
	if g.chance(3) {
		g.hit("block braces")
		g.say(" ")
		g.body()
	} else {
		g.hit("block pipeline")
		g.say(" (body")
		g.line(true)
		g.say(")")
	}
	g.say(")")
}

// body writes braces with their contents to the text and the tree.
func (g *Gen) body() {
	g.hit("body")
	g.depth++
	g.sign("{")
	for g.chance(3) {
		g.sep(false)
	}
	g.say("(body")
	n := 1 + g.rng.IntN(3)
	if g.depth > 5 || g.left <= 0 {
		n = 1
	}
	for ; n > 0; n-- {
		if g.chance(12) {
			g.hit("nested default")
			g.defaults()
		} else {
			g.line(true)
		}
		g.sep(n == 1)
	}
	g.depth--
	g.sign("}")
	g.say(")")
}

func (g *Gen) line(inside bool) {
	g.hit("line")
	g.left--
	if !g.chance(3) {
		g.say("\n(line -")
	} else {
		if inside {
			g.hit("label inside")
		}
		g.hit("label")
		g.say("\n(line")
		g.name(" ")
		g.sign(":")
	}
	calls := 1 + g.rng.IntN(4)
	if g.depth > 5 || g.left <= 0 {
		calls = 1
	}
	for i := range calls {
		if i > 0 {
			switch g.rng.IntN(6) {
			case 0:
				g.hit("arrow begins line")
				g.lineBreak()
			case 1:
				g.hit("arrow ends line")
				g.sign("->")
				g.lineBreak()
				g.call()
				continue
			}
			g.sign("->")
		}
		g.call()
	}
	g.say(")")
}

func (g *Gen) call() {
	g.hit("call")
	op := pick(g, g.ops)
	g.hit("op " + op.Name)
	g.word(op.Name)
	g.say(" (call %s", op.Name)
	if g.chance(5) {
		// Arguments that no op has, because the parser does not know the ops.
		for n := g.rng.IntN(4); n > 0; n-- {
			g.positional()
		}
		g.keys(0)
	} else {
		for _, a := range op.Args {
			if g.chance(8) {
				break
			}
			g.hit("value")
			g.say(" (arg - ")
			g.values(pick(g, a))
			g.say(")")
		}
		for _, k := range op.Keys {
			if !g.chance(3) {
				continue
			}
			if k.Body {
				if g.left > 0 && g.depth < 5 {
					g.hit("body key")
					g.hit("key " + op.Name + "." + k.Name)
					g.key(k.Name)
					g.body()
					g.say(")")
				}
				continue
			}
			g.hit("key " + op.Name + "." + k.Name)
			g.key(k.Name)
			g.values(pick(g, k.Values))
			g.say(")")
		}
	}
	if op.Body && g.left > 0 && g.depth < 6 {
		g.say(" ")
		g.body()
	}
	g.say(")")
}

// valueName writes the name of a value of a graph to the text and the tree.
func (g *Gen) valueName(n string) {
	if g.chance(8) {
		g.hit("quoted name")
		n2 := pick(g, []string{"a b", "3x3", "5", "/x/y", "n-1", `q"`}) + n
		g.word(fmt.Sprintf("%q", n2))
		g.say(" %s", strings.ReplaceAll(n2, " ", "␣"))
		return
	}
	if g.chance(3) {
		n = pick(g, []string{"3a/", "stem/conv_7x7/", "a/b/"}) + n
	}
	g.word(n)
	g.say(" %s", n)
}

func (g *Gen) graphStmt(once map[string]bool) {
	c := g.rng.IntN(20)
	what := []string{"input", "labels", "train", "output", "head", "update", "part"}
	switch {
	case c < 3 && !once[what[c]]:
		once[what[c]] = true
		g.recipe(what[c])
	case c >= 3 && c < 7:
		g.mark(what[c])
	default:
		g.assign()
	}
}

func (g *Gen) mark(kw string) {
	g.hit(kw)
	g.word(kw)
	g.say("\n(mark %s (", kw)
	some := func(n int) {
		for ; n > 0; n-- {
			g.valueName(pick(g, plainNames))
		}
	}
	switch kw {
	case "output":
		some(1 + g.rng.IntN(3))
		g.say(") ()")
	case "head":
		some(1)
		g.say(") ()")
		g.keys(0)
	case "update", "part":
		some(1)
		g.say(") (")
		g.sign("=")
		g.soft("newline after =")
		n := 1
		if kw == "part" {
			n += g.rng.IntN(3)
		}
		some(n)
		g.say(")")
		if kw == "part" {
			g.keys(0)
		}
	}
	g.say(")")
}

func (g *Gen) assign() {
	g.hit("assign")
	g.say("\n(assign (")
	first := g.newName()
	if !g.used["output"] && g.chance(10) {
		// A keyword before = is an ordinary name.
		first = "output"
		g.used[first] = true
		g.word(first)
		g.say(" %s", first)
	} else {
		g.valueName(first)
	}
	if g.chance(5) {
		g.hit("assign several")
		for n := g.rng.IntN(2); n >= 0; n-- {
			g.sign(",")
			g.valueName(g.newName())
		}
	}
	g.sign("=")
	g.soft("newline after =")
	op := pick(g, g.ops).Name
	if g.chance(3) {
		op = pick(g, []string{"input", "param", "const"})
	}
	g.word(op)
	g.say(") %s", op)
	for n := g.rng.IntN(4); n > 0; n-- {
		g.hit("value")
		g.say(" (arg - ")
		if g.chance(2) {
			g.value()
		} else {
			g.literalOf("path", "name")
		}
		g.say(")")
	}
	g.keys(0)
	g.say(")")
}
