// Package dsl reads and writes the incc language, which describes a convolutional network
// in a page of text, and the flat form of the same network, one op on a line. README.md in
// this folder is a tour with examples:
// https://github.com/incc-lang/incc/blob/main/dsl/README.md
//
// [Parse] makes a [File], the syntax tree, and reports every problem of the
// text; [File.Format] prints it in the one layout; [Vet] points at what is legal but
// probably not meant. [Load] builds the graph: it decides what the words mean (shapes,
// ops, parameters).
//
// # Words
//
// A text is UTF-8 without control, bidirectional or invisible characters. LF and
// CRLF end a line. A comment goes from # to the end of its line. Blanks separate
// words and mean nothing else, but for one place, the default of a parameter.
//
//	word    = wordbyte { wordbyte | sign } .      maximal run
//	wordbyte = "a".."z" | "A".."Z" | "0".."9" | "_" | "." | "/" .
//	sign    = "-" | "+" .     only where it is a number's: at the beginning and
//	                          behind the .. of a range (a minus), and between
//	                          the e of an exponent and its digits
//	string  = '"' { character | escape } '"' .     on one line, Go's escapes
//
// What a word is follows from its form alone:
//
//	number  = [ "-" ] digits [ "." [ digits ] ] [ ( "e" | "E" ) [ sign ] digits ]
//	        | [ "-" ] "." digits [ … ] .                64  0.5  2e-4  -1
//	range   = number ".." number .                      0.08..1  -1..1
//	kernel  = size [ "/" stride ] .                     7x7  7x7/2  3x3/2x1
//	size    = digits "x" digits .
//	stride  = digits [ "x" digits ] .
//	shape   = digits "x" digits "x" digits { "x" digits } .    3x224x224
//	name    = every other word of letters, digits, "_" and inner "." .
//	strided = name "/" stride .                         k/2; in a net
//	path    = name { "/" name } .                       3a/conv_1x1; in a graph
//
// A name has at most [MaxName] bytes, a path [MaxPath]. So 4e is a name and 4e1 a
// number, 3x3 a kernel and conv3x3 a name; what reads as something else cannot
// be declared as a name.
//
// # Nets
//
// NL is a line break or ";", as many as there are. It ends a statement; but a
// line break before or behind "->", behind "{" and behind "=" is nothing.
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
//	Param     = name [ "=" Constant ] .             this "=" has no blanks around it,
//	                                                the one before the body has
//	Train     = "train" "{" { TrainStmt NL } "}" .  once
//	TrainStmt = name { Value } { Keyed } .
//	Line      = [ name ":" ] Call { "->" Call } .
//	Call      = name { Value } { Keyed | name "=" Body } [ Body ] .
//	Body      = "{" ( Line | Default ) { NL ( Line | Default ) } "}" .
//	Keyed     = name "=" Value .
//	Value     = Literal { "," Literal } .
//	Literal   = number | range | kernel | shape | name | strided | string .
//
// In the body of concat, add and max each Line is a branch over the same input;
// in every other body, and at the top, the lines follow each other. A keyword
// (net graph input labels let default block train) cannot be declared; it begins
// its statement unless ":" or "->" follows. Keys of one call differ. Braces nest
// at most [MaxNesting] deep.
//
// # Graphs
//
// The flat form holds all of a graph, one op a line, every operand named. Values
// are defined before they are used, but for those of update.
//
//	File    = "graph" name NL { GraphStmt NL } .
//	GraphStmt = Input | Labels | Train | Assign | Mark .
//	Assign  = ValueName { "," ValueName } "=" name { Value } { Keyed } .
//	ValueName = path | string .                     a string where it reads as
//	                                                anything but a path
//	Mark    = "output" ValueName { ValueName }
//	        | "head" ValueName { Keyed }
//	        | "update" ValueName "=" ValueName
//	        | "part" ValueName "=" ValueName { ValueName } .
//
// (The parser takes several values for a part and keys for every Mark, and
// leaves it to the graph to refuse them with a better reason.)
//
// A line that goes on with "=" or "," behind its first word is an Assign, so a
// value may be called output. The literals of a graph also know inf, -inf and
// nan, as names. The lines and what they hold of a graph:
//
//	input image 3x32x32 range=0..1        the recipe: preprocessing,
//	labels cifar10                        class names,
//	train { … }                           training, as in a net
//	x      = input 3x32x32                an input; the batch stands before the shape,
//	lr     = input 1 batch=off            unless it has none; type=i64 is its element type
//	c.w    = param 96x3x5x5 init=he_uniform decay=0 lr=2 max_norm=1.9
//	c.mean = param 96 init=constant,0 state=on        not trained, but kept
//	k      = const 2x2 0.25,0.25,0.25,0.25            small constants by value,
//	z      = const 96 fill=0                          equal elements by that value,
//	f.w    = const 64x3x7x7 hash="9f86…"              the others by hash: their bytes stay outside
//	c      = conv x c.w pad=2,2,2,2       a node: operands, then the op's attributes
//	a, b   = split c sizes=48,48          with several results
//	d      = relu a from.pass="fuse-act"  made by a pass; from.part=3a: for another part
//	                                      of the spec than its name says
//	output prob                           the graph's outputs, in order
//	head aux1/prob weight=0.3             outputs of auxiliary classifiers
//	update c.mean = c.mean_1              after a training step
//	part 3a = 3a/concat                   a label of the spec and the value it gave
//
// # Meaning
//
// [Load] builds the graph of a text. What the sentences of the language leave
// open is settled so:
//
//   - Lets are known in the whole file, blocks and defaults below their line. Of
//     two defaults that give an op the same key the one written last wins,
//     whether it names the op or not.
//   - A key of a block's call that is none of its parameters holds as a default
//     inside of that use: mlpconv 5x5 96 96 96 pad=2. What the block says itself
//     goes before it.
//   - A key of one letter (the k of lrn) may also name a parameter, as in the
//     papers; other keys, ops and words that keys know may not.
//   - repeat adds no name to a path: it numbers the names right inside of its body.
//     residual calls its sum residual, scale and activation residual/scale and
//     residual/relu.
//   - A concat, add or max of one branch is that branch.
//   - A weight whose layer says no init has that of train, else he_uniform where
//     a relu follows (perhaps behind batch normalization), else glorot.
//   - Labels that no longer fit because a -D changed the number of outputs are
//     left out, with a warning.
//   - The hash of the spec is that of its text, and of the definitions of -D where
//     there are some.
//
// # Layout
//
// [File.Format] keeps line breaks, comments and single blank lines and decides
// everything else: blanks, two for each open brace, arrows at the beginning of a
// line rather than its end, ";" only between branches on one line. Neighbouring
// lines that call the same with three arguments or more are a table, as in the
// paper: their arguments stand in columns.
package dsl
