package dsl

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	irops "github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// Options are the options of Load.
type Options struct {
	// Defines overrides the values of lets, by their names. It comes from -D
	// classes=10 on the command line.
	Defines map[string]string
	// ReadFile reads the file that a labels statement names. If it is nil, such a
	// statement is an error.
	ReadFile func(name string) ([]byte, error)
	// Data returns the elements of a param or constant of a flat graph whose text has
	// only the shape and a hash. It may return nil if it does not have them.
	Data func(name, hash string) *tensor.F32
	// Hollow accepts a flat graph although the elements of such params and constants
	// are missing. Their Init then holds only the hash. Such a graph has shapes, costs
	// and a text, but it cannot be run, and [ir.Verify] returns an error for it.
	Hollow bool
	// Calls is told for each layer the places of the calls of blocks in the text that it
	// comes from, from the innermost to the outermost. It may be nil.
	Calls func(n *ir.Node, at []diag.Pos)
}

// Load builds the graph of a spec, which may be a net or a flat graph. It returns all
// problems of the text. If there are errors among them, the graph is nil. name is the
// name of the file in diagnostics.
func Load(name string, src []byte, opt Options) (*ir.Graph, diag.List) {
	g, diags, _ := load(name, src, opt)
	return g, diags
}

// load does the work of Load. lints are warnings that only Lint reports.
func load(name string, src []byte, opt Options) (g *ir.Graph, diags, lints diag.List) {
	f, diags := Parse(name, src)
	if len(diags) == 1 && diags[0].Code == "E0109" {
		return nil, diags, nil // nothing of it was read
	}
	syntax := diags.HasErrors()
	b := newBuilder(f, opt)
	if f.Kind == Graph {
		b.flat()
	} else {
		b.net()
	}
	switch {
	case syntax:
		b.diags = independent(b.diags, diags, f)
	case !b.diags.HasErrors():
		b.verify()
		b.checkParts()
	}
	if !syntax && !b.diags.HasErrors() {
		b.checkTrained()
	}
	diags = append(diags, b.diags...)
	sortProblems(&diags)
	b.lints.Sort()
	if diags.HasErrors() {
		return nil, diags, b.lints
	}
	return b.g.Graph(), diags, b.lints
}

// verify reports the problems that ir.Verify finds, so that every graph from Load passes
// ir.Verify. It ignores the missing elements of a hollow graph.
func (b *builder) verify() {
	cx := context{env: &env{lib: b.lib}, scope: b.root}
	for _, p := range ir.Problems(b.g.Graph()) {
		if p.NoData && b.opt.Hollow {
			continue
		}
		at := diag.Span{Pos: diag.Pos{File: b.file.Path, Line: 1, Col: 1}}
		if b.file.Name != nil {
			at = b.file.Name.Span
		}
		if s, ok := b.origin[p.Value]; ok {
			at = s
		}
		b.err(cx, "E0709", at, "%s", p.Msg)
	}
}

// independent drops problems that may be consequences of a syntax error: problems on the
// same line, problems with shapes, and unknown names that a broken block may declare.
func independent(found, syntax diag.List, f *File) diag.List {
	lines := map[int]bool{}
	for _, d := range syntax {
		lines[d.Span.Line] = true
		for _, r := range d.Related {
			lines[r.Span.Line] = true
		}
	}
	var keep diag.List
	for _, d := range found {
		switch {
		case d.Span.IsValid() && lines[d.Span.Line] && d.Span.File == f.Path:
		case d.Code == "E0404" || d.Code == "E0405" || d.Code == "E0602" || d.Code == "E0603" || d.Code == "E0605":
			keep = append(keep, d)
		case d.Code == "E0401" && !strings.Contains(string(f.Src), "block"):
			keep = append(keep, d)
		}
	}
	return keep
}

// builder makes the graph of a file.
type builder struct {
	file  *File
	opt   Options
	diags diag.List
	lints diag.List
	full  bool
	told  map[toldKey]*diag.Diagnostic

	g        *ir.Builder
	lib      *library
	root     *scope
	origin   map[*ir.Value]diag.Span // the call that made a value, for errors about shapes
	undrawn  []undrawn
	inits    ir.Init // the init of train, for weights without one
	hasInits bool
	steps    int  // calls expanded so far
	depth    int  // calls that are being expanded
	stop     bool // a limit was reached: return from all calls
	checking bool // an unused block is checked: nothing is built
	input    *Input
	defs     []*Default        // the default statements that were reached, each once
	seen     map[*Default]bool // the elements of defs
	used     map[*Arg]bool     // the keys of defaults that an op used
	refused  map[string]bool   // reserved names that the file gives to blocks
	named    []namedPart       // the parts that statements of train name
	mixes    bool              // an augment statement mixes pictures
	// weightsAt is the place of the loss's weights of the classes, in weightsIn.
	weightsAt diag.Span
	weightsIn context
}

type toldKey struct {
	code string
	span diag.Span
}

// undrawn is a weight whose layer has no init; chooseInits chooses one by the ops that
// follow node.
type undrawn struct {
	param *ir.Value
	node  *ir.Node
}

func newBuilder(f *File, opt Options) *builder {
	name := "net"
	if f.Name != nil {
		name = f.Name.Name
	}
	b := &builder{
		file: f, opt: opt,
		told:   map[toldKey]*diag.Diagnostic{},
		g:      ir.NewBuilder(name),
		lib:    &library{lets: map[string]*binding{}},
		root:   newScope(""),
		origin: map[*ir.Value]diag.Span{}, seen: map[*Default]bool{}, used: map[*Arg]bool{}, refused: map[string]bool{},
	}
	b.g.Graph().Doc = headComment(f)
	b.g.Graph().Recipe.SpecHash = specHash(f.Src, opt.Defines)
	return b
}

// specHash returns the SHA-256 of the text and of the definitions of -D, because other
// constants make another network.
func specHash(src []byte, defines map[string]string) string {
	h := sha256.New()
	h.Write(src)
	keys := make([]string, 0, len(defines))
	for k := range defines {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		fmt.Fprintf(h, "\x00-D %s=%s", k, defines[k])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// headComment returns the comments above the net or graph line, without their #.
func headComment(f *File) string {
	end := 1 << 30
	if f.Name != nil {
		end = f.Name.Span.Line
	}
	var lines []string
	for _, c := range f.Comments {
		if c.Span.Line < end {
			s := strings.TrimPrefix(c.Text, "#")
			lines = append(lines, strings.TrimPrefix(s, " "))
		}
	}
	return strings.Join(lines, "\n")
}

// context is the place of a call.
type context struct {
	env    *env
	def    *defaults
	scope  *scope
	suffix string    // of names in a copy of a repeat, such as _1
	use    *use      // the use of the block whose body the call is in, nil for none
	part   string    // the path of the top-level label
	head   diag.Span // the head that the call is in, invalid for none
}

// use is a call of a block; outer is the use whose body it is in.
type use struct {
	outer *use
	call  *Call
	blk   *block
}

// scope makes unique names under a path.
type scope struct {
	prefix string
	next   map[string]int // of each name that is taken, the number to try next
}

func newScope(prefix string) *scope { return &scope{prefix, map[string]int{}} }

// fresh returns the path with name or, if that is taken, with name_2, name_3 and so on.
func (s *scope) fresh(name string) string {
	n := name
	for i := s.next[name]; s.next[n] > 0; i++ {
		n = name + "_" + strconv.Itoa(i)
		s.next[name] = i + 1
	}
	s.next[n] = max(s.next[n], 2)
	return s.prefix + n
}

// inside returns the scope for names under a path.
func (s *scope) inside(path string) *scope { return newScope(path + "/") }

// err reports an error. It reports the same error at the same place only once, although a
// block may be used several times. An error inside of the prelude is reported at the place
// in the user's file that uses the block.
func (b *builder) err(cx context, code string, at diag.Span, format string, args ...any) *diag.Diagnostic {
	return b.tell(&b.diags, diag.Error, cx, code, at, fmt.Sprintf(format, args...))
}

func (b *builder) warn(cx context, code string, at diag.Span, format string, args ...any) *diag.Diagnostic {
	return b.tell(&b.lints, diag.Warning, cx, code, at, fmt.Sprintf(format, args...))
}

func (b *builder) tell(l *diag.List, sev diag.Severity, cx context, code string, at diag.Span, text string) *diag.Diagnostic {
	span := at
	if inPrelude(at) {
		span = b.userSpan(cx, at)
	}
	key := toldKey{code, at}
	if b.told[key] != nil || b.full {
		return &diag.Diagnostic{}
	}
	if len(b.diags) >= MaxProblems {
		b.full = true
		b.diags.Errorf("E0110", span, "too many problems: only the first %d of this file are reported", MaxProblems)
		return &diag.Diagnostic{}
	}
	d := &diag.Diagnostic{Severity: sev, Code: code, Span: span, Summary: text}
	b.told[key] = d
	if span != at {
		d.Relate(at, "in the prelude")
	}
	l.Add(d)
	return d
}

// uses adds to a diagnostic the places where the blocks around it are used, at most three,
// innermost first.
func (b *builder) uses(d *diag.Diagnostic, cx context) *diag.Diagnostic {
	n := 0
	for u := cx.use; u != nil && n < 3; u = u.outer {
		s := u.call.Span()
		if inPrelude(s) || s == d.Span {
			continue
		}
		d.Relate(s, "in this use of %s", u.blk.ast.Name.Name)
		n++
	}
	return d
}

func inPrelude(s diag.Span) bool { return s.File == PreludePath }

// userSpan returns the place in the user's file that led to the place s.
func (b *builder) userSpan(cx context, s diag.Span) diag.Span {
	for u := cx.use; inPrelude(s) && u != nil; u = u.outer {
		s = u.call.Span()
	}
	return s
}

// net builds the statements of a net in order of text.
func (b *builder) net() {
	b.lets()
	if at, over := b.countNet(); over {
		b.tooMany(context{}, at)
		return
	}
	cx := context{env: &env{lib: b.lib}, scope: b.root}
	for _, s := range b.file.Stmts {
		if i, ok := s.(*Input); ok && b.input == nil {
			b.input = i
		}
	}
	var x *ir.Value
	if b.input != nil {
		x = b.inputOf(b.input, cx)
	}
	var train *Train
	var labels *Labels
	Each(b.file, func(t *Train) { train = t })
	Each(b.file, func(l *Labels) { labels = l })
	if train != nil {
		b.train(train, cx)
	}
	var last *Line
	for _, s := range b.file.Stmts {
		if b.stop {
			break
		}
		switch s := s.(type) {
		case *Block:
			why := reservedName(s.Name.Name)
			if why != "" {
				b.err(cx, "E0408", s.Name.Span, "a block cannot be called %s: that is %s", diag.Quote(s.Name.Name), why).WithHelp("choose another name")
			}
			for _, p := range s.Params {
				if p.Name == nil {
					continue
				}
				if why := reservedName(p.Name.Name); why != "" {
					b.err(cx, "E0408", p.Name.Span, "a parameter cannot be called %s: that is %s", diag.Quote(p.Name.Name), why).
						WithHelp("choose another name")
				}
			}
			if why != "" {
				b.refused[s.Name.Name] = true
				break
			}
			b.lib.add(s)
			cx.env = &env{lib: b.lib, seen: len(b.lib.blocks)}
		case *Default:
			cx.def = b.defaultOf(s, cx)
		case *Line:
			if b.input == nil {
				b.err(cx, "E0501", s.Where(), "the net has no input").WithHelp("declare it, as in: input image 3x224x224 range=0..1")
				b.input = &Input{}
			}
			last = s
			x = b.line(s, cx, x)
		}
	}
	b.checkUnused(cx)
	if last == nil {
		if b.file.Name != nil && !b.stop {
			b.err(cx, "E0502", b.file.Name.Span, "the net has no layers").WithHelp("write a pipeline, as in: conv 3x3 16 -> gap -> fc 10 -> softmax")
		}
		return
	}
	if x != nil && x.Def == nil {
		b.err(cx, "E0502", last.Where(), "the net computes nothing: its output is its input")
	} else if x != nil {
		b.g.Graph().Outputs = []*ir.Value{x}
	}
	if labels != nil {
		b.labels(labels, x, cx)
	}
	b.checkClassWeights(x)
	if b.diags.HasErrors() {
		return
	}
	b.chooseInits()
	b.lintNet(x, labels, cx)
}

// lets reads the lets of the file. Options.Defines overrides their values.
func (b *builder) lets() {
	cx := context{env: &env{lib: b.lib}, scope: b.root}
	defined := map[string]bool{}
	for _, s := range b.file.Stmts {
		l, ok := s.(*Let)
		if !ok {
			continue
		}
		name := l.Name.Name
		if why := reservedName(name); why != "" {
			b.err(cx, "E0408", l.Name.Span, "a let cannot be called %s: that is %s", diag.Quote(name), why).WithHelp("choose another name")
		}
		bind := &binding{lit: l.Value, from: l.Value.Span}
		if text, ok := b.opt.Defines[name]; ok {
			defined[name] = true
			lit, err := ParseLit(text)
			if err == nil && lit.Kind != NumberLit && lit.Kind != KernelLit && lit.Kind != NameLit {
				err = fmt.Errorf("the value of a let is a number, a kernel or a word")
			}
			if err != nil {
				b.err(cx, "E0409", diag.Span{}, "-D %s=%s: %v", diag.Printable(name), diag.Printable(text), err)
			} else {
				bind.lit = lit
			}
		} else if l.Value.Kind == NameLit {
			if other := b.lib.lets[l.Value.Text]; other != nil {
				bind.lit = other.lit
			}
		}
		if b.lib.lets[name] == nil {
			b.lib.lets[name] = bind
		}
	}
	var names []string
	for n := range b.opt.Defines {
		if !defined[n] {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	for _, n := range names {
		d := b.err(cx, "E0409", diag.Span{Pos: diag.Pos{File: b.file.Path}, Len: len(n)}, "-D %s: this file has no let of that name", diag.Printable(n))
		if near := diag.DidYouMean(n, cx.env.names()); near != "" {
			d.WithHelp("%s", near)
		} else if all := cx.env.names(); len(all) > 0 {
			d.WithHelp("its lets are %s", strings.Join(all, ", "))
		} else {
			d.WithHelp("declare it: let %s = %s", n, b.opt.Defines[n])
		}
	}
}

// defaultOf checks a default statement and returns the defaults that hold after it.
func (b *builder) defaultOf(s *Default, cx context) *defaults {
	d := &defaults{outer: cx.def, args: s.Args, cx: cx, used: b.used}
	if s.Op != nil {
		d.op = s.Op.Name
		f := forms()[d.op]
		if f == nil {
			e := b.err(cx, "E0401", s.Op.Span, "no op is called %s, so it cannot have a default", diag.Quote(d.op))
			if cx.env.block(d.op) != nil {
				e.WithHelp("%s is a block; its parameters may have defaults: block %s n=64 = …", d.op, d.op)
			} else {
				b.nearOp(e, s.Op, cx, false)
			}
			return cx.def
		}
		for _, a := range s.Args {
			if sl := f.key(a.Key.Name); sl == nil {
				e := b.err(cx, "E0404", a.Key.Span, "%s has no key %s", d.op, diag.Quote(a.Key.Name))
				hintKey(e, a.Key, f.keyNames())
			} else {
				b.checkDefault(f, sl, a, cx)
			}
		}
	} else {
		b.checkKeys(d, s.Args, cx)
	}
	if !b.seen[s] {
		b.seen[s] = true
		b.defs = append(b.defs, s)
	}
	return d
}

// checkKeys checks the keys of a default for all ops: some op must have the key, and one
// of these ops must accept the value.
func (b *builder) checkKeys(d *defaults, args []*Arg, cx context) {
	for _, a := range args {
		var have []*form
		for _, n := range formNames() {
			if forms()[n].key(a.Key.Name) != nil {
				have = append(have, forms()[n])
			}
		}
		if len(have) == 0 {
			e := b.err(cx, "E0404", a.Key.Span, "no op has a key %s", diag.Quote(a.Key.Name))
			hintKey(e, a.Key, allKeys())
			continue
		}
		v := b.look(a.Value, cx)
		fits := v.unknown
		for _, f := range have {
			if fits {
				break
			}
			_, fits = f.key(a.Key.Name).kind.parse(&v)
		}
		if !fits {
			b.badValue(cx, have[0].name, a.Key.Name, have[0].key(a.Key.Name).kind, &v)
		}
	}
}

func (b *builder) checkDefault(f *form, s *slot, a *Arg, cx context) {
	v := b.look(a.Value, cx)
	if v.unknown {
		return
	}
	if _, ok := s.kind.parse(&v); !ok {
		b.badValue(cx, f.name, s.name, s.kind, &v)
	}
}

// allKeys lists the keys of all forms.
func allKeys() []string {
	seen := map[string]bool{}
	var ks []string
	for _, n := range formNames() {
		for _, k := range forms()[n].keyNames() {
			if !seen[k] {
				seen[k] = true
				ks = append(ks, k)
			}
		}
	}
	return ks
}

// line builds a pipeline. Its label begins the paths of the names inside, and names its
// output as a Part of the graph.
func (b *builder) line(l *Line, cx context, x *ir.Value) *ir.Value {
	part := -1
	if l.Label != nil {
		name := l.Label.Name + cx.suffix
		path := cx.scope.fresh(name)
		if cx.scope == b.root {
			cx.part = path
		}
		cx.scope, cx.suffix = cx.scope.inside(path), ""
		if g := b.g.Graph(); !b.checking {
			part = len(g.Parts)
			g.Parts = append(g.Parts, ir.Part{Name: path, Pos: b.userSpan(cx, l.Label.Span).Pos})
		}
	}
	for _, c := range l.Calls {
		x = b.call(c, cx, x)
		if b.stop {
			return nil
		}
	}
	if part >= 0 {
		b.g.Graph().Parts[part].Out = x
	}
	return x
}

// sequence builds the lines of a body; the output of each is the input of the next.
func (b *builder) sequence(body *Body, cx context, x *ir.Value) *ir.Value {
	for _, s := range body.Stmts {
		switch s := s.(type) {
		case *Default:
			cx.def = b.defaultOf(s, cx)
		case *Line:
			x = b.line(s, cx, x)
		}
		if b.stop {
			return nil
		}
	}
	return x
}

// maxDepth is how deep blocks and braces may nest when they are expanded. There is a limit
// because the builder is recursive.
const maxDepth = 2 * MaxNesting

// step counts a call and checks the limits. It returns false if the builder must stop.
func (b *builder) step(c *Call, cx context) bool {
	if b.stop {
		return false
	}
	b.steps++
	switch {
	case b.full: // no more problems are reported
		b.stop = true
	case b.steps > MaxNodes && b.checking: // unused blocks need not be checked completely
		b.stop = true
	case b.steps > MaxNodes:
		b.tooMany(cx, b.userSpan(cx, c.Span()))
	case b.depth >= maxDepth:
		b.err(cx, "E0506", b.userSpan(cx, c.Span()), "blocks and braces nest deeper than %d when expanded", maxDepth)
		b.stop = true
	}
	return !b.stop
}

// tooMany reports that a net is too large, and stops.
func (b *builder) tooMany(cx context, at diag.Span) {
	b.err(cx, "E0505", at, "the net expands to more than %d layers", MaxNodes).WithHelp("repeat less often, or use fewer blocks inside of blocks")
	b.stop = true
}

// call builds one stage of a pipeline.
func (b *builder) call(c *Call, cx context, x *ir.Value) *ir.Value {
	if !b.step(c, cx) {
		return nil
	}
	b.depth++
	defer func() { b.depth-- }()
	name := c.Name.Name
	if k := cx.env.block(name); k != nil {
		return b.useBlock(k, c, cx, x)
	}
	if b.refused[name] && !cx.env.lib.prelude {
		return nil // the call means the block; the error in its name has been reported
	}
	f := forms()[name]
	if f == nil {
		b.unknownOp(c, cx)
		if c.Body != nil {
			b.sequence(c.Body, cx, nil)
		}
		return nil
	}
	a := b.bind(f, c, cx)
	switch {
	case f.body == noBody && c.Body != nil:
		b.err(cx, "E0407", c.Body.Open, "%s takes no braces", name).WithHelp("continue with ->")
		return nil
	case f.body != noBody && c.Body == nil:
		b.err(cx, "E0407", c.Span().After(), "%s needs braces", name).WithHelp("for example: %s", usage(f))
		return nil
	}
	return f.build(b, c, a, cx, x)
}

// unknownOp reports a call of a name that is neither an op nor a known block.
func (b *builder) unknownOp(c *Call, cx context) {
	name := c.Name.Name
	if ks := cx.env.lib.byName[name]; len(ks) > 0 {
		b.err(cx, "E0401", c.Name.Span, "the block %s is used before it is declared", name).
			Relate(ks[0].ast.Name.Span, "it is declared here").WithHelp("a block can call only blocks that are declared above it")
		return
	}
	later := (*Block)(nil)
	Each(b.file, func(k *Block) {
		if k.Name.Name == name {
			later = k
		}
	})
	if later != nil && !cx.env.lib.prelude {
		b.err(cx, "E0401", c.Name.Span, "the block %s is used before it is declared", name).
			Relate(later.Name.Span, "it is declared here").WithHelp("move the block above its first use")
		return
	}
	if d := ir.Lookup(name); d != nil {
		e := b.err(cx, "E0401", c.Name.Span, "%s cannot be called in a pipeline", name)
		if alt := elsewhere[name]; alt != "" {
			e.WithHelp("write %s", alt).Suggest(c.Name.Span, alt)
		} else {
			e.WithHelp("it does not have one operand and one result; it exists only in flat graphs")
		}
		return
	}
	e := b.err(cx, "E0401", c.Name.Span, "no op or block is called %s", diag.Quote(name))
	b.nearOp(e, c.Name, cx, true)
	if bind := cx.env.find(name); bind != nil {
		e.Relate(bind.from, "%s is a value, not an op", name)
	}
}

func (b *builder) nearOp(e *diag.Diagnostic, id *Ident, cx context, blocks bool) {
	if alt := elsewhere[strings.ToLower(id.Name)]; alt != "" {
		e.WithHelp("did you mean %s?", alt).Suggest(id.Span, alt)
		return
	}
	names := formNames()
	if blocks {
		names = append(append([]string{}, names...), cx.env.blockNames()...)
	}
	if near, ok := diag.Nearest(id.Name, names); ok {
		e.WithHelp("did you mean %s?", near).Suggest(id.Span, near)
	} else {
		e.WithHelp("incc explain lists the ops and blocks")
	}
}

// useBlock expands a block. A call gives the parameters by position or by name. Its other
// keys must be keys of ops; they are defaults inside of this use.
func (b *builder) useBlock(k *block, c *Call, cx context, x *ir.Value) *ir.Value {
	k.used = true
	name := k.ast.Name.Name
	if c.Body != nil {
		b.err(cx, "E0407", c.Body.Open, "%s is a block, which takes no braces", name).WithHelp("continue with ->")
	}
	params := map[string]*binding{}
	var order []*Param
	for _, p := range k.ast.Params {
		if p.Name != nil {
			order = append(order, p)
			if p.Default != nil {
				params[p.Name.Name] = &binding{lit: p.Default, from: p.Default.Span}
			}
		}
	}
	set := func(p *Param, a *Arg) {
		v := b.look(a.Value, cx)
		bind := &binding{from: a.Value.Span}
		if v.via != "" && v.from.IsValid() && inPrelude(bind.from) {
			bind.from = v.from
		}
		l := v.lit()
		switch {
		case v.unknown:
		case l == nil || l.Kind == StringLit || l.Kind == ShapeLit || l.Kind == RangeLit:
			b.err(cx, "E0405", a.Value.Span, "%s of %s must be a number, a kernel or a word, not %s", p.Name.Name, name, diag.Quote(v.text()))
		default:
			bind.lit = l
		}
		params[p.Name.Name] = bind
	}
	pos := c.Positional()
	if len(pos) > len(order) {
		d := b.err(cx, "E0403", pos[len(order)].Span(), "%s takes %s, not %d", name, diag.Count(len(order), "argument"), len(pos))
		d.Relate(k.ast.Name.Span, "declared here").WithHelp("as in: %s", blockUsage(k.ast))
		pos = pos[:len(order)]
	}
	given := map[string]bool{}
	for i, a := range pos {
		set(order[i], a)
		given[order[i].Name.Name] = true
	}
	var extra []*Arg
	for _, a := range c.Args[len(c.Positional()):] {
		p := (*Param)(nil)
		for _, q := range order {
			if q.Name.Name == a.Key.Name {
				p = q
			}
		}
		switch {
		case p == nil:
			keys := allKeys()
			found := false
			for _, n := range keys {
				found = found || n == a.Key.Name
			}
			if found {
				extra = append(extra, a)
				continue
			}
			d := b.err(cx, "E0404", a.Key.Span, "%s has no parameter %s, and no op has such a key", name, diag.Quote(a.Key.Name)).
				Relate(k.ast.Name.Span, "declared here")
			var names []string
			for _, q := range order {
				names = append(names, q.Name.Name)
			}
			if !hintKey(d, a.Key, append(names, keys...)) {
				d.WithHelp("as in: %s", blockUsage(k.ast))
			}
		case given[a.Key.Name]:
			b.err(cx, "E0403", a.Span(), "%s is given twice: by position and by name", a.Key.Name)
		default:
			set(p, a)
		}
	}
	var missing []string
	for _, p := range order {
		if params[p.Name.Name] == nil {
			missing = append(missing, p.Name.Name)
			params[p.Name.Name] = &binding{}
		}
	}
	if len(missing) > 0 {
		b.err(cx, "E0402", c.Span().After(), "%s needs %s", name, strings.Join(missing, ", ")).
			Relate(k.ast.Name.Span, "declared here").WithHelp("as in: %s", blockUsage(k.ast))
	}
	in := context{
		env: &env{lib: k.lib, seen: k.index, params: params}, def: cx.def, part: cx.part, head: cx.head,
		use: &use{cx.use, c, k},
	}
	if len(extra) > 0 {
		d := &defaults{outer: cx.def, args: extra, cx: cx, used: b.used}
		b.checkKeys(d, extra, cx)
		in.def = d
	}
	in.scope = cx.scope.inside(cx.scope.fresh(name + cx.suffix))
	return b.sequence(k.ast.Body, in, x)
}

// add adds a node to the graph and returns its value. It reports operands that the op does
// not accept and then returns nil. The name must come from scope.fresh.
func (b *builder) add(cx context, c *Call, name string, op ir.Op, in ...*ir.Value) *ir.Value {
	if len(name) > MaxPath-len("/variance") {
		b.err(cx, "E0507", b.userSpan(cx, c.Span()), "the name of this layer, a path of labels and blocks, has more than %d bytes", MaxPath-len("/variance")).
			WithHelp("use shorter labels")
		b.stop = true
		return nil
	}
	at := b.userSpan(cx, c.Span())
	if len(b.g.Graph().Nodes) >= MaxNodes {
		b.tooMany(cx, at)
		return nil
	}
	b.g.Pos, b.g.Part = at.Pos, cx.part
	n, err := b.g.Add(name, op, in...)
	if err != nil {
		b.inferError(cx, c, err, in)
		return nil
	}
	v := n.Out[0]
	b.origin[v] = at
	b.tellCalls(n, cx)
	if s := v.Type.Shape; len(s) < 2 || s[0] != ir.Batch || s[1:].Symbolic() {
		d := b.err(cx, "E0308", c.Span(), "%s makes %v of %v, but in a pipeline the first axis must be the batch and the second the channels", c.Name.Name, v.Type, in[0].Type)
		d.WithHelp("do not change axis 0, and keep at least one other axis")
		b.uses(d, cx)
		return nil
	}
	return v
}

// tellCalls tells Options.Calls where a layer comes from.
func (b *builder) tellCalls(n *ir.Node, cx context) {
	if b.opt.Calls == nil || b.checking {
		return
	}
	var at []diag.Pos
	for u := cx.use; u != nil; u = u.outer {
		if s := u.call.Name.Span; !inPrelude(s) {
			at = append(at, s.Pos)
		}
	}
	if len(at) > 0 {
		b.opt.Calls(n, at)
	}
}

// from adds to a diagnostic the place of the call that made a value, with a text.
func (b *builder) from(d *diag.Diagnostic, v *ir.Value, cx context, format string, args ...any) {
	if v == nil {
		return
	}
	if s := b.origin[v]; s != d.Span {
		d.Relate(s, format, args...)
	}
}

// inferError reports an op whose operands do not meet its constraints.
func (b *builder) inferError(cx context, c *Call, err error, in []*ir.Value) {
	e, ok := err.(*ir.ConstraintError)
	if !ok {
		d := b.err(cx, "E0309", c.Span(), "%v", err)
		if len(in) > 0 {
			b.from(d, in[0], cx, "its input, %s, comes from here", image(in[0]))
		}
		b.uses(d, cx)
		return
	}
	d := b.err(cx, "E0308", c.Span(), "%s: %s", c.Name.Name, e.Msg)
	if e.Help != "" {
		d.WithHelp("%s", e.Help)
	}
	i := max(e.Operand, 0)
	if i < len(in) {
		b.from(d, in[i], cx, "its input, %s, comes from here", image(in[i]))
	}
	b.uses(d, cx)
}

// image returns the shape of a value without its batch axis: 64x56x56.
func image(v *ir.Value) string {
	s := v.Type.Shape
	if len(s) > 0 && s[0] == ir.Batch {
		s = s[1:]
	}
	return s.String()
}

// wantMap reports an error and returns false if the input has no height and width.
func (b *builder) wantMap(cx context, c *Call, x *ir.Value) bool {
	if len(x.Type.Shape) == 4 {
		return true
	}
	d := b.err(cx, "E0304", c.Span(), "%s needs an input with height and width, but its input is %s", c.Name.Name, image(x)).
		WithLabel("reads %s", image(x))
	b.from(d, x, cx, "its input comes from here")
	d.WithHelp("put it before flatten and fc, or reshape the input: reshape 1x14x14")
	b.uses(d, cx)
	return false
}

// chooseInits sets the initialization of the weights whose layers have none: the init of
// train, else he_uniform before a relu and its relatives (He 2015), else glorot.
func (b *builder) chooseInits() {
	users := b.g.Graph().Users()
	for _, u := range b.undrawn {
		if b.hasInits {
			u.param.Param.Init = b.inits
			continue
		}
		kind := ir.InitGlorot
		v := u.node.Out[0]
		for v != nil {
			next := (*ir.Value)(nil)
			for _, n := range users[v] {
				switch n.Op.(type) {
				case irops.ReLU, irops.Clip, irops.LeakyReLU, irops.SiLU, irops.HardSwish, irops.GELU:
					kind = ir.InitHeUniform
				case irops.BatchNorm:
					next = n.Out[0]
				}
			}
			v = next
		}
		u.param.Param.Init = ir.Init{Kind: kind}
	}
}
