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
	labelled map[string]int    // the number of the part with a path, among those of the graph
	lost     map[string]bool   // labels of lines with errors
	mixes    bool              // an augment statement mixes pictures
	// weightsAt is the place of the loss's weights of the classes, in weightsIn.
	weightsAt diag.Span
	weightsIn context
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
		origin: map[*ir.Value]diag.Span{}, seen: map[*Default]bool{}, used: map[*Arg]bool{}, refused: map[string]bool{}, labelled: map[string]int{}, lost: map[string]bool{},
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
