package dsl

import "github.com/incc-lang/incc/ir/diag"

// Kind is the kind of a file: net or graph.
type Kind uint8

const (
	Net   Kind = iota // pipelines, which people write
	Graph             // the flat form, one op on a line, which Print writes
)

func (k Kind) String() string {
	if k == Graph {
		return "graph"
	}
	return "net"
}

// File is a parsed text. If [Parse] reported an error, it holds the parts that could be
// parsed, so that later stages can find more errors. A pointer is nil only if the
// comments in this file say that it may be.
type File struct {
	Path  string
	Src   []byte // as read, BOM and CR included; columns of spans count its bytes
	Kind  Kind
	Name  *Ident // after net or graph; nil if it is missing
	Stmts []Stmt // in order of text

	Comments []Comment // in order of text

	toks []token // for the formatter
	role []role  // of each token, set by the parser
}

// Comment is a comment, from # to the end of its line.
type Comment struct {
	Span diag.Span
	Text string // with the #
}

// Ident is a name and its place in the text.
type Ident struct {
	Span diag.Span
	Name string
}

// Stmt is a statement: *Input, *Labels, *Let, *Default, *Block, *Train and
// *Line in a net; *Input, *Labels, *Train, *Assign and *Mark in a graph.
type Stmt interface {
	// Where returns the span that stands for the statement in messages: its keyword,
	// its label or its first call.
	Where() diag.Span
}

// Input is the statement that declares the input of the network and how a picture becomes
// numbers:
//
//	input image 3x224x224 range=0..1 mean=0.485,0.456,0.406
type Input struct {
	Kw    diag.Span
	Name  *Ident
	Shape *Lit   // a NumberLit (one axis), KernelLit (two) or ShapeLit; see [Lit.Shape]
	Args  []*Arg // keys only
}

// Labels is the statement that names the classes. Exactly one of Set, File and Names is
// set.
type Labels struct {
	Kw    diag.Span
	Set   *Ident   // imagenet1k, mnist, cifar10
	File  *Lit     // a StringLit, the name of a file with one class on each line
	Names *Strings // { "cat" "dog" }
}

// Strings is a list of strings in braces.
type Strings struct {
	Open, Close diag.Span
	List        []*Lit
}

// Let declares a constant, which -D can override.
type Let struct {
	Kw    diag.Span
	Name  *Ident
	Value *Lit // NumberLit, KernelLit or NameLit
}

// Default sets keys for one op, or for every op that has the key, until the end of the
// enclosing braces:
//
//	default conv act=relu bn=0.001
//	default pad=same
type Default struct {
	Kw   diag.Span
	Op   *Ident // nil: for every op
	Args []*Arg // keys only, at least one
}

// Block declares a reusable part of a network.
type Block struct {
	Kw     diag.Span
	Name   *Ident
	Params []*Param
	Body   *Body // braced, or one pipeline (Body.Open invalid)
}

// Param is a parameter of a block.
type Param struct {
	Name    *Ident
	Default *Lit // NumberLit, KernelLit or NameLit; nil if there is no default
}

// Train is the training recipe. Each of its statements is a Call without a Body.
type Train struct {
	Kw          diag.Span
	Open, Close diag.Span
	Stmts       []*Call
}

// Line is a pipeline with its label. In the body of concat, add and max it is a branch;
// everywhere else it follows the line before it.
type Line struct {
	Label *Ident  // names the whole line; nil if there is no label
	Calls []*Call // at least one
}

// Body is the contents of braces: *Line and *Default. The op that owns it decides
// whether its lines are branches or a sequence. The body of a block without braces is a
// Body with one Line and invalid Open and Close.
type Body struct {
	Open, Close diag.Span
	Stmts       []Stmt
}

// Braced reports whether the body was written in braces.
func (b *Body) Braced() bool { return b.Open.IsValid() }

// Call is an op or block with its arguments:
//
//	conv 3x3/2 64 act=relu
type Call struct {
	Arrow diag.Span // the -> before it; invalid for the first of a pipeline
	Name  *Ident
	Args  []*Arg // positional ones first
	Body  *Body  // nil if the call has no braces
}

// Where returns the span of the call's name.
func (c *Call) Where() diag.Span { return c.Name.Span }

// Span returns the part of the call that a message underlines: from its name to its last
// argument that is not in braces, as far as these are on one line.
func (c *Call) Span() diag.Span {
	s := c.Name.Span
	for _, a := range c.Args {
		if a.Value.Body == nil {
			s = s.To(a.Span())
		}
	}
	return s
}

// Positional returns the arguments without a key, in order.
func (c *Call) Positional() []*Arg {
	for i, a := range c.Args {
		if a.Key != nil {
			return c.Args[:i]
		}
	}
	return c.Args
}

// Keyed returns the argument with a key, or nil if there is none.
func (c *Call) Keyed(key string) *Arg { return keyed(c.Args, key) }

func keyed(args []*Arg, key string) *Arg {
	for _, a := range args {
		if a.Key != nil && a.Key.Name == key {
			return a
		}
	}
	return nil
}

// Arg is one argument: a value, or key=value.
type Arg struct {
	Key   *Ident // nil: positional
	Eq    diag.Span
	Value *Value
}

// Span returns the span of the argument, including its key.
func (a *Arg) Span() diag.Span {
	if a.Key != nil {
		return a.Key.Span.To(a.Value.Span)
	}
	return a.Value.Span
}

// Value is one literal, several literals separated by commas, or pipelines in braces
// (proj={ … }). Exactly one of Items and Body is set.
type Value struct {
	Span  diag.Span // for a Body, the span of its opening brace
	Items []*Lit
	Body  *Body
}

// Lit returns the literal if the value is exactly one literal, else nil.
func (v *Value) Lit() *Lit {
	if len(v.Items) == 1 {
		return v.Items[0]
	}
	return nil
}

// Raw returns the value as written, without blanks; "{…}" for a Body.
func (v *Value) Raw() string {
	if v.Body != nil {
		return "{…}"
	}
	s := ""
	for i, l := range v.Items {
		if i > 0 {
			s += ","
		}
		s += l.Raw
	}
	return s
}

// LitKind is the form of a literal. It does not say what a name means: a parameter, a let
// or a word that a key accepts.
type LitKind uint8

const (
	NameLit    LitKind = iota // relu, n1, bn.gamma; in a graph also 3a/conv_3x3, inf, -inf and nan
	NumberLit                 // 64, 0.5, 2e-4, -1; always finite
	KernelLit                 // 7x7, 7x7/2, 3x3/2x1; also the 3x0 of pad=3x0, so a side may be 0
	ShapeLit                  // 3x224x224, 32x16x5x1: three or more sides
	RangeLit                  // 0.08..1
	StringLit                 // "file.txt"
	StridedLit                // k/2, 3x3/s, k/s: a kernel or its stride is a parameter; nets only
)

func (k LitKind) String() string {
	return [...]string{"name", "number", "kernel", "shape", "range", "string", "kernel with a stride"}[k]
}

// Lit is a literal: a word or string that is used as a value.
type Lit struct {
	Kind   LitKind
	IsInt  bool // for a NumberLit: it is written without point and exponent, and below 2^53
	Span   diag.Span
	Raw    string  // as written
	Text   string  // NameLit: the name; StringLit: unquoted; StridedLit: the name before the /, "" for Dims
	By     string  // StridedLit: the name behind the /, "" for Stride
	Num    float64 // NumberLit: the value; RangeLit: the lower end
	Hi     float64 // RangeLit: the upper end
	Dims   []int   // KernelLit, StridedLit: height and width; ShapeLit: all sides
	Stride []int   // KernelLit, StridedLit: vertical and horizontal; nil if none is written
}

// Int returns the value of a whole number, and false for every other literal.
func (l *Lit) Int() (int, bool) {
	if l.Kind != NumberLit || !l.IsInt {
		return 0, false
	}
	return int(l.Num), true
}

// Shape returns the sides of a literal that is a shape, such as 784, 28x28 or 1x28x28. It
// returns false for every other literal.
func (l *Lit) Shape() ([]int, bool) {
	switch l.Kind {
	case NumberLit:
		if n, ok := l.Int(); ok && n >= 0 {
			return []int{n}, true
		}
	case KernelLit:
		if l.Stride == nil {
			return l.Dims, true
		}
	case ShapeLit:
		return l.Dims, true
	}
	return nil, false
}

// Assign is a line of a graph that defines values:
//
//	c5   = conv x c5.w pad=2,0,2,0
//	a, b = split x sizes=16,16
//
// Lines that define inputs, params and constants are Assigns too; their Op is input, param
// or const.
type Assign struct {
	Outs []*Ident // at least one
	Eq   diag.Span
	Op   *Ident
	Args []*Arg // operands (names) and literals first, then keys
}

// Mark is a line of a graph that gives existing values a role:
//
//	output prob
//	head aux1/prob weight=0.3
//	update bn/mean = bn/mean_new
//	part 3a = 3a/inception/concat 3a/maxpool
type Mark struct {
	Kw    *Ident   // output, head, update, part
	Names []*Ident // before the =
	Eq    diag.Span
	To    []*Ident // after the =; empty if there is no =
	Args  []*Arg   // keys only
}

func (s *Input) Where() diag.Span   { return s.Kw }
func (s *Labels) Where() diag.Span  { return s.Kw }
func (s *Let) Where() diag.Span     { return s.Kw }
func (s *Default) Where() diag.Span { return s.Kw }
func (s *Block) Where() diag.Span   { return s.Kw }
func (s *Train) Where() diag.Span   { return s.Kw }
func (s *Assign) Where() diag.Span  { return s.Outs[0].Span }
func (s *Mark) Where() diag.Span    { return s.Kw.Span }

// Where returns the span of the label, or of the first call's name.
func (s *Line) Where() diag.Span {
	if s.Label != nil {
		return s.Label.Span
	}
	return s.Calls[0].Name.Span
}

// Span returns the span of the pipeline, as far as it is on one line of text.
func (s *Line) Span() diag.Span {
	sp := s.Where()
	for _, c := range s.Calls {
		sp = sp.To(c.Span())
	}
	return sp
}

// Each calls do for every statement of type T at the top level of the file.
func Each[T Stmt](f *File, do func(T)) {
	for _, s := range f.Stmts {
		if t, ok := s.(T); ok {
			do(t)
		}
	}
}
