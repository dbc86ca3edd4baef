// Package dsl reads and writes the incc language, which describes a convolutional network
// in a page of text, and the flat form of the same network, one op on a line. README.md in
// this folder is a tour with examples:
// https://github.com/incc-lang/incc/blob/main/dsl/README.md
//
// [Parse] makes a [File], the syntax tree, and reports all syntax errors. [File.Format]
// prints a file in the standard layout. [Vet] warns of text that is valid but probably a
// mistake. [Load] builds the graph; it decides what the words mean (shapes, ops,
// parameters) and reports the errors in that.
//
// # Words
//
// A text is UTF-8 without control, bidirectional or invisible characters. LF and
// CRLF end a line. A comment goes from # to the end of its line. Blanks separate
// words and have no other meaning, with one exception: the default of a parameter.
//
//	word    = wordbyte { wordbyte | sign } .      as long as possible
//	wordbyte = "a".."z" | "A".."Z" | "0".."9" | "_" | "." | "/" .
//	sign    = "-" | "+" .     only as the sign of a number: a minus at the
//	                          beginning of the word or after the .. of a range,
//	                          either sign between the e of an exponent and its
//	                          digits
//	string  = '"' { character | escape } '"' .     on one line, Go's escapes
//
// The form of a word alone decides what it is:
//
//	number  = [ "-" ] digits [ "." [ digits ] ] [ ( "e" | "E" ) [ sign ] digits ]
//	        | [ "-" ] "." digits [ … ] .                64  0.5  2e-4  -1
//	range   = number ".." number .                      0.08..1  -1..1
//	kernel  = size [ "/" stride ] .                     7x7  7x7/2  3x3/2x1
//	size    = digits "x" digits .
//	stride  = digits [ "x" digits ] .
//	shape   = digits "x" digits "x" digits { "x" digits } .    3x224x224
//	name    = every other word of letters, digits, "_" and inner "." .
//	strided = ( name | size ) "/" ( name | stride ) .   k/2, 3x3/s, k/s: a kernel or stride
//	                                                    that is a parameter; only in a net
//	path    = name { "/" name } .                       3a/conv_1x1; only in a graph
//
// A name has at most [MaxName] bytes, a path [MaxPath]. So 4e is a name but 4e1 is a
// number; conv3x3 is a name but 3x3 is a kernel. Only a word that is a name by its form
// can be declared as a name.
//
// # Nets
//
// A net describes a network as pipelines of layers. In the grammar, NL is one or more
// line breaks or ";". It ends a statement. A line break before or after "->", after "{"
// and after "=" has no meaning.
//
//	File      = "net" name NL { Statement NL } .
//	Statement = Input | Labels | Let | Default | Block | Train | Line .
//	Input     = "input" name Dims { Keyed } .       once
//	Dims      = number | kernel | shape .           784, 28x28, 3x224x224
//	Labels    = "labels" ( name | string | "{" { string } "}" ) .        once
//	Let       = "let" name "=" Constant .
//	Constant  = number | kernel | name .
//	Default   = "default" [ name ] Keyed { Keyed } .
//	Block     = "block" name { Param } "=" ( Line | Body ) .
//	Param     = name [ "=" Constant ] .             no blanks around this "=";
//	                                                blanks around the "=" of Block
//	Train     = "train" "{" { TrainStmt NL } "}" .  once
//	TrainStmt = name { Value } { Keyed } .
//	Line      = [ name ":" ] Call { "->" Call } .
//	Call      = name { Value } { Keyed | name "=" Body } [ Body ] .
//	Body      = "{" ( Line | Default ) { NL ( Line | Default ) } "}" .
//	Keyed     = name "=" Value .
//	Value     = Literal { "," Literal } .
//	Literal   = number | range | kernel | shape | name | strided | string .
//
// In the body of concat, add, mul and max each Line is a branch with the same input. In every
// other body, and at the top level, the output of each Line is the input of the next. A
// keyword (net graph input labels let default block train) cannot be declared as a name;
// it begins its statement unless ":" or "->" follows. A call has each key at most once.
// Braces nest at most [MaxNesting] deep.
//
// # Graphs
//
// The flat form contains everything that a graph contains: one op on a line, and every
// operand by its name. A value is defined before the line that uses it; only update may
// name values that are defined later.
//
//	File    = "graph" name NL { GraphStmt NL } .
//	GraphStmt = Input | Labels | Train | Assign | Mark .
//	Assign  = ValueName { "," ValueName } "=" name { Value } { Keyed } .
//	ValueName = path | string .                     a string if the name does not
//	                                                have the form of a path
//	Mark    = "output" ValueName { ValueName }
//	        | "head" ValueName { Keyed }
//	        | "update" ValueName "=" ValueName
//	        | "part" ValueName "=" ValueName { ValueName } .
//
// (The parser also accepts several values for a part and keys for every Mark. [Load]
// reports them, with a better message than a syntax error.)
//
// A line with "=" or "," after its first word is an Assign, so a value may have the name
// output. In a graph, the words inf, -inf and nan are numbers. These are the lines of a
// graph and what each contains:
//
//	input image 3x32x32 range=0..1        the recipe: preprocessing,
//	labels cifar10                        class names,
//	train { … }                           training, as in a net
//	x      = input 3x32x32                an input; the shape does not include the batch
//	lr     = input 1 batch=off            an input without batch; type=i64 gives the type of
//	                                      the elements
//	c.w    = param 96x3x5x5 init=he_uniform decay=0 lr=2 max_norm=1.9
//	c.mean = param 96 init=constant,0 state=on        not trained, but stored with the weights
//	k      = const 2x2 0.25,0.25,0.25,0.25            a small constant: all elements,
//	z      = const 96 fill=0                          equal elements: their value,
//	f.w    = const 64x3x7x7 hash="9f86…"              others: a hash; the elements are not in the text
//	c      = conv x c.w pad=2,2,2,2       a node: op, operands, attributes
//	a, b   = split c sizes=48,48          a node with several results
//	d      = relu a from.pass="fuse-act"  a node that a pass made; from.part=3a: it belongs to
//	                                      another part of the spec than its name says
//	output prob                           the graph's outputs, in order
//	head aux1/prob weight=0.3             the output of an auxiliary classifier
//	update c.mean = c.mean_1              the new value of a param after a training step
//	part 3a = 3a/concat                   a label of the spec and its value
//
// # Meaning
//
// [Load] builds the graph of a text by these rules, besides the descriptions of the ops
// (incc explain OP):
//
//   - A let is known in the whole file; a block or default is known in the lines after it.
//     If two defaults give an op the same key, the later one holds, even if only the
//     earlier one names the op.
//   - A call of a block may have keys that are no parameters: mlpconv 5x5 96 96 96 pad=2.
//     They are defaults for the ops inside of that call. Settings that the block itself
//     makes take precedence.
//   - A key of one letter (the k of lrn) may also name a parameter, as in the
//     papers. Other keys, ops and the words that are values of keys cannot name one.
//   - repeat adds no element to the paths of names. It adds numbers to the names directly
//     inside of its body. residual names its sum residual, and its scale and activation
//     residual/scale and residual/relu.
//   - A concat, add, mul or max with one branch is the same as that branch.
//   - A weight whose layer has no init gets the init of train. Without that it gets
//     he_uniform if a relu, clip, leaky_relu, silu, hardswish or gelu follows the layer
//     (directly or after batch normalization), else
//     glorot.
//   - The parts that freeze and rate of train name are labels, or paths below labels in
//     quotes. They are never lets. In a graph a path needs no quotes.
//   - If a -D changes the number of outputs, so that the labels no longer fit, they are
//     dropped with a warning.
//   - The hash of the spec is the hash of its text and of the definitions of -D, if there
//     are any.
//
// # Layout
//
// [File.Format] keeps line breaks, comments and single blank lines. It decides everything
// else: two blanks of indentation for each open brace, an arrow at the beginning of a line
// and not at the end, ";" only between branches on one line. Neighbouring lines that call
// the same op with three or more arguments are a table, as in the papers: their arguments
// are aligned in columns.
package dsl
