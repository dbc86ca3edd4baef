package dsl

import "github.com/incc-lang/incc/ir/diag"

// Kind tells the two kinds of files apart.
type Kind uint8

const (
	Net   Kind = iota // pipelines: what a person writes
	Graph             // the flat form: one op a line, what the IR prints
)

func (k Kind) String() string {
	if k == Graph {
		return "graph"
	}
	return "net"
}

// File is a parsed text. It is complete where [Parse] reported no error; after
// an error it holds what could be understood, so that later stages can look for
// more, with pointers nil only where this file says so.
type File struct {
	Path  string
	Src   []byte // as read, BOM and CR included; spans count bytes of its lines
	Kind  Kind
	Name  *Ident // after net or graph; nil where it is missing
	Stmts []Stmt // in order of text

	Comments []Comment // in order of text

	toks []token // for the formatter
	role []role  // of each token, set by the parser
}

// Comment is a # and what follows on its line.
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
	// Where is the span that names the statement: its keyword, label or first
	// call.
	Where() diag.Span
}

// Input is
//
//	input image 3x224x224 range=0..1 mean=0.485,0.456,0.406
//
// what is fed to the graph and how a picture becomes it.
type Input struct {
	Kw    diag.Span
	Name  *Ident
	Shape *Lit   // Number (one dimension), Kernel (two) or Shape; see [Lit.Shape]
	Args  []*Arg // keys only
}

// Labels is the names of the classes: exactly one of Set, File and Names.
type Labels struct {
	Kw    diag.Span
	Set   *Ident   // imagenet1k, mnist, cifar10
	File  *Lit     // a String: one name a line
	Names *Strings // { "cat" "dog" }
}

// Strings is a list of strings in braces.
type Strings struct {
	Open, Close diag.Span
	List        []*Lit
}

// Let is a constant, which -D overrides.
type Let struct {
	Kw    diag.Span
	Name  *Ident
	Value *Lit // Number, Kernel or Name
}

// Default is
//
//	default conv act=relu bn=0.001
//	default pad=same
//
// keys for one op, or for every op that has the key, until the end of the
// enclosing braces.
type Default struct {
	Kw   diag.Span
	Op   *Ident // nil: for every op
	Args []*Arg // keys only, at least one
}

// Block is a reusable part.
type Block struct {
	Kw     diag.Span
	Name   *Ident
	Params []*Param
	Body   *Body // braced, or one pipeline (Body.Open invalid)
}

// Param is a parameter of a block.
type Param struct {
	Name    *Ident
	Default *Lit // Number, Kernel or Name; nil without
}

// Train is the recipe: one statement a line, each a Call without a Body.
type Train struct {
	Kw          diag.Span
	Open, Close diag.Span
	Stmts       []*Call
}

// Line is a pipeline with its label. In the body of concat, add and max it is a
// branch, everywhere else a part of the sequence.
type Line struct {
	Label *Ident  // nil without; covers the whole line
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

// Call is an op or block with its arguments.
//
//	conv 3x3/2 64 act=relu
type Call struct {
	Arrow diag.Span // the -> before it; invalid for the first of a pipeline
	Name  *Ident
	Args  []*Arg // positional ones first
	Body  *Body  // nil without braces
}

// Where is the call's name.
func (c *Call) Where() diag.Span { return c.Name.Span }

// Span is the part of the call that carets underline: from its name to its last argument
// without braces, as far as these are on one line.
func (c *Call) Span() diag.Span {
	s := c.Name.Span
	for _, a := range c.Args {
		if a.Value.Body == nil {
			s = s.To(a.Span())
		}
	}
	return s
}

// Positional is the arguments without a key, in order.
func (c *Call) Positional() []*Arg {
	for i, a := range c.Args {
		if a.Key != nil {
			return c.Args[:i]
		}
	}
	return c.Args
}

// Keyed finds an argument by its key, nil without.
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

// Span is the argument with its key.
func (a *Arg) Span() diag.Span {
	if a.Key != nil {
		return a.Key.Span.To(a.Value.Span)
	}
	return a.Value.Span
}

// Value is one literal, several with commas between, or a pipeline in braces
// (proj={ … }). Exactly one of Items and Body is set.
type Value struct {
	Span  diag.Span // of a Body: its opening brace
	Items []*Lit
	Body  *Body
}

// Lit returns the literal of a value that is exactly one, else nil.
func (v *Value) Lit() *Lit {
	if len(v.Items) == 1 {
		return v.Items[0]
	}
	return nil
}

// Raw is the value as written, without blanks; "{…}" for a body.
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

// LitKind is the form of a word. It does not say whether a name is a parameter, a let
// or one of a key's words.
type LitKind uint8

const (
	NameLit    LitKind = iota // relu, n1, bn.gamma; in a graph also 3a/conv_3x3, inf, -inf and nan
	NumberLit                 // 64, 0.5, 2e-4, -1; always finite
	KernelLit                 // 7x7, 7x7/2, 3x3/2x1; also the 3x0 of pad=3x0, so a side may be 0
	ShapeLit                  // 3x224x224, 32x16x5x1: three sides or more
	RangeLit                  // 0.08..1
	StringLit                 // "file.txt"
	StridedLit                // k/2, k/2x1: a parameter that holds a kernel, with a stride; nets only
)

func (k LitKind) String() string {
	return [...]string{"name", "number", "kernel", "shape", "range", "string", "name with a stride"}[k]
}

// Lit is a word or string.
type Lit struct {
	Kind   LitKind
	IsInt  bool // Number: written without point and exponent, and an int64
	Span   diag.Span
	Raw    string  // as written
	Text   string  // Name: the name; String: unquoted; Strided: the name before the stroke
	Num    float64 // Number; lower end of a Range
	Hi     float64 // upper end of a Range
	Dims   []int   // Kernel: height and width; Shape: all sides
	Stride []int   // Kernel, Strided: vertical and horizontal; nil where none was written
}

// Int is the value of a whole number.
func (l *Lit) Int() (int, bool) {
	if l.Kind != NumberLit || !l.IsInt {
		return 0, false
	}
	return int(l.Num), true
}

// Shape reads the literal as the sides of a tensor: 784, 28x28, 1x28x28.
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
// Inputs, params and constants are Assigns too, of the words input, param and
// const.
type Assign struct {
	Outs []*Ident // at least one
	Eq   diag.Span
	Op   *Ident
	Args []*Arg // operands (names) and literals first, then keys
}

// Mark is a line of a graph that says something of values that exist:
//
//	output prob
//	head aux1/prob weight=0.3
//	update bn/mean = bn/mean_new
//	part 3a = 3a/inception/concat 3a/maxpool
type Mark struct {
	Kw    *Ident   // output, head, update, part
	Names []*Ident // before the =
	Eq    diag.Span
	To    []*Ident // after the =; empty without one
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

// Where is the label, or the first call's name.
func (s *Line) Where() diag.Span {
	if s.Label != nil {
		return s.Label.Span
	}
	return s.Calls[0].Name.Span
}

// Span is the pipeline, as far as it is on one line of text.
func (s *Line) Span() diag.Span {
	sp := s.Where()
	for _, c := range s.Calls {
		sp = sp.To(c.Span())
	}
	return sp
}

// Each calls f for every statement of type T at the top of the file.
func Each[T Stmt](f *File, do func(T)) {
	for _, s := range f.Stmts {
		if t, ok := s.(T); ok {
			do(t)
		}
	}
}
