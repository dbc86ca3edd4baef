package dsl

import (
	"slices"
	"strings"
)

// Code is a kind of problem, as `incc explain` describes it. Wrong is a file with the
// problem, Right the same file without it. Tests check both.
type Code struct {
	ID    string // "E0206": E an error, W a warning
	Title string // what is wrong, in one line
	Text  string // why it is refused and what to do, in a paragraph or two
	Wrong string // a whole file
	Right string
}

// Codes returns all codes, sorted.
func Codes() []Code {
	all := slices.Concat(codeTables...)
	slices.SortStableFunc(all, func(a, b Code) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// ExplainCode returns the page about a code, and false for a code that does not exist.
// The letter of the code may be a capital or a small letter.
func ExplainCode(id string) (string, bool) {
	for _, c := range Codes() {
		if strings.EqualFold(c.ID, id) {
			return c.String(), true
		}
	}
	return "", false
}

func (c Code) String() string {
	var b strings.Builder
	b.WriteString(c.ID + ": " + c.Title + "\n\n" + fill(c.Text, 80))
	for _, x := range [...]struct{ head, text string }{{"Wrong:", c.Wrong}, {"Right:", c.Right}} {
		if x.text == "" {
			continue
		}
		b.WriteString("\n" + x.head + "\n\n")
		for line := range strings.Lines(strings.TrimRight(x.text, "\n") + "\n") {
			b.WriteString(strings.TrimRight("    "+line, " \n") + "\n")
		}
	}
	return b.String()
}

// fill breaks paragraphs into lines of at most width columns.
func fill(text string, width int) string {
	var b strings.Builder
	for i, par := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString("\n")
		}
		col := 0
		for _, w := range strings.Fields(par) {
			switch {
			case col == 0:
			case col+1+len(w) > width:
				b.WriteString("\n")
				col = 0
			default:
				b.WriteString(" ")
				col++
			}
			b.WriteString(w)
			col += len(w)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// codeTables lists the codes, one table for each stage that reports them.
var codeTables = [][]Code{lexicalCodes, syntaxCodes, vetCodes, buildCodes, flatCodes, lintCodes}

// lexicalCodes are the errors that the scanner reports: characters, words and sizes.
var lexicalCodes = []Code{
	{"E0101", "a control, bidirectional or invisible character",
		`Such characters are refused everywhere, in comments and strings too. Some make a text look different from what it says (a bidirectional override can show a spec in another order than incc reads it); others are left behind by a broken editor or a copied web page.

Delete the character. In a string, write it as an escape: \u202e.`,
		"net a\n# com\u202ement\nconv 3x3 8\n",
		"net a\n# comment\nconv 3x3 8\n"},
	{"E0102", "the text is not UTF-8",
		`A spec is UTF-8. Save the file in that encoding.`,
		"net a # caf\xe9\nconv 3x3 8\n",
		"net a # café\nconv 3x3 8\n"},
	{"E0103", "a character that the language does not use",
		`The language has words, strings, comments, and the signs -> { } = : ; and the comma. Arguments follow an op's name without parentheses, lists have no brackets, there is no arithmetic, and names are made of letters, digits, _ and points, so a name cannot contain a hyphen.`,
		"net my-net\nconv(3x3, 8)\n",
		"net my_net\nconv 3x3 8\n"},
	{"E0104", "a string without its closing quote",
		`A string ends on the line on which it began. A quote inside is written \".`,
		"net a\nlabels \"names.txt\n",
		"net a\nlabels \"names.txt\"\n"},
	{"E0105", "an unknown escape in a string",
		`The escapes of a string are \" \\ \n \t \xFF \u00E9 and \U0001F600. A backslash is written \\. In file names, / works on every system.`,
		"net a\nlabels \"data\\classes.txt\"\n",
		"net a\nlabels \"data/classes.txt\"\n"},
	{"E0106", "a word of no known form",
		`A word is a kernel (3x3, 7x7/2, 3x3/2x1), a shape (3x224x224), a number (0.5, 2e-4), a range (0.08..1) or a name. This word begins like one of them but continues differently, or it is a name that contains a /. There is no arithmetic: 1/2 is written 0.5.`,
		"net a\ndropout 1/2 -> conv 3X3 8\n",
		"net a\ndropout 0.5 -> conv 3x3 8\n"},
	{"E0107", "a number that is too large",
		`A number must fit into 64-bit floating point. The sides of kernels and shapes must be below 2^31.`,
		"net a\ndropout 1e999\n",
		"net a\ndropout 0.5\n"},
	{"E0108", "a name that is too long",
		`A name has at most 128 bytes. The name of a value in a graph is a path of names and has at most 1024. Names are also used for ONNX tensors, Go functions and weights.`,
		"net a\n" + strings.Repeat("stem", 40) + ": conv 3x3 8\n",
		"net a\nstem: conv 3x3 8\n"},
	{ID: "E0109", Title: "a file that is too large",
		Text: `A net has at most 1 MiB, a graph 8 MiB. The largest built-in network has about 4 KiB. Use repeat and block for parts that occur several times.`},
	{ID: "E0110", Title: "too many problems",
		Text: `Only the first 500 problems of a file are reported. Most likely the file is not a spec, or one problem near its beginning causes the others.`},
	{ID: "E0111", Title: "too many words",
		Text: `A net has at most 262,144 words and signs, a graph a million.`},
	{"E0112", "a name with letters outside of ASCII",
		`Names are made of a to z, A to Z, 0 to 9, _ and points: they become names of ONNX tensors, Go functions, weights and files, and letters of different scripts that look alike would make different names look the same. Comments and strings may contain any text.`,
		"net сеть\nconv 3x3 8\n",
		"net net1 # сеть\nconv 3x3 8\n"},
}

// syntaxCodes are the errors that the parser reports: the form of statements.
var syntaxCodes = []Code{
	{"E0201", "a file that does not begin with net or graph",
		`A file begins with net and a name. A file with the flat form of the IR begins with graph and a name. Only comments may come before.`,
		"input image 3x32x32\nconv 3x3 8\n",
		"net a\ninput image 3x32x32\nconv 3x3 8\n"},
	{"E0202", "a missing name",
		`net, graph, let and block need the name that they declare.`,
		"net\nlet = 5\n",
		"net a\nlet classes = 5\n"},
	{"E0203", "text after a complete statement",
		`The statement was complete, but more text follows on its line. Continue a pipeline with ->, and begin a new statement on a new line.`,
		"net a\nrepeat 2 { conv 3x3 8 } relu\n",
		"net a\nrepeat 2 { conv 3x3 8 } -> relu\n"},
	{"E0204", "a missing op",
		`Each stage of a pipeline begins with the name of an op or block: a kernel or a number is not enough. Braces belong to an op such as concat; a plain sequence needs none.`,
		"net a\nconv 3x3 8 -> 3x3 16\n",
		"net a\nconv 3x3 8 -> conv 3x3 16\n"},
	{"E0205", "an arrow without an op before it",
		`An arrow leads from one op to the next, so it cannot come first in a file or directly after {, a label or a ; (at the beginning of a line it continues the line before).`,
		"net a\nconcat { -> conv 3x3 8; gap }\n",
		"net a\nconcat { conv 3x3 8; gap }\n"},
	{"E0206", "a brace that is never closed",
		`The } that closes this { is missing: the file ends, or a statement begins that is only allowed outside of braces. If a line inside is not indented, the } is most likely missing before that line.`,
		"net a\nblock b = concat {\n  conv 3x3 8\n  gap\nblock c = b\n",
		"net a\nblock b = concat {\n  conv 3x3 8\n  gap\n}\nblock c = b\n"},
	{"E0207", "a closing brace without an opening one",
		`No brace is open here. Perhaps a { is missing above, or a brace was closed twice.`,
		"net a\nconv 3x3 8 }\n",
		"net a\nconv 3x3 8\n"},
	{"E0208", "a missing value",
		`A value must follow each = and each comma of a list. To give a key its default, leave the key out.`,
		"net a\nconv 3x3 8 act= -> gap\n",
		"net a\nconv 3x3 8 act=relu -> gap\n"},
	{"E0209", "a key that is not a name",
		`The word before = must be the name of a key, as in act=relu. incc explain conv prints the keys of an op.`,
		"net a\nconv 3x3 8 3x3=relu\n",
		"net a\nconv 3x3 8 act=relu\n"},
	{"E0210", "a value without a key after key=value",
		`Values without a key come first, in the order that the op gives them; then those with a key, in any order.`,
		"net a\nconv act=relu 3x3 8\n",
		"net a\nconv 3x3 8 act=relu\n"},
	{"E0211", "a key given twice",
		`A call takes each key once. Delete one of the two.`,
		"net a\nconv 3x3 8 act=relu act=tanh\n",
		"net a\nconv 3x3 8 act=relu\n"},
	{"E0212", "a name declared twice",
		`Two constants, two blocks, two parameters of one block or two values of a graph share a name. Labels may repeat: the second gets _2.`,
		"net a\nlet n = 5\nlet n = 6\nconv 3x3 n\n",
		"net a\nlet n = 5\nlet m = 6\nconv 3x3 n -> conv 3x3 m\n"},
	{"E0213", "a statement that a file may have only once",
		`A file is one network: it has one net or graph, one input, one labels and one train statement.`,
		"net a\ninput image 3x32x32\ninput image 1x28x28\nconv 3x3 8\n",
		"net a\ninput image 1x28x28\nconv 3x3 8\n"},
	{"E0214", "a statement in the wrong place",
		`input, labels, let, block and train are only allowed outside of braces. In a net values have no names: write branches in concat { … }, and a label with a colon. In a graph every line is NAME = OP …, without pipelines, braces and labels.`,
		"net a\nx = conv 3x3 8\nconcat { let n = 5; gap }\n",
		"net a\nlet n = 5\nx: conv 3x3 8\nconcat { conv 1x1 n; gap }\n"},
	{"E0215", "empty braces",
		`A body needs at least one op. Write identity for a branch that passes its input through.`,
		"net a\nconcat {}\n",
		"net a\nconcat { conv 3x3 8; gap }\n"},
	{"E0216", "braces that nest too deep",
		`Braces may nest 256 deep. To go deeper, move the inner part into a block: each block counts by itself.`,
		"net a\n" + strings.Repeat("repeat 1 { ", MaxNesting+1) + "relu" + strings.Repeat(" }", MaxNesting+1) + "\n",
		""},
	{"E0217", "a name with the form of a number, kernel or range",
		`4e1 is the number 40, 3x3 a kernel and 0..1 a range, so none of them can name a label, block, parameter, constant or net. (4e is a name, and a label may be a whole number: 2: conv 3x3 64.) A value of a graph may have such a name in quotes.`,
		"net a\n4e1: conv 3x3 8\n",
		"net a\n4e_1: conv 3x3 8\n"},
	{"E0218", "a name that is not allowed",
		`A name cannot contain /, because incc joins labels and blocks into paths with it. The words that begin a statement (net graph input labels let default block train) cannot be declared as names.`,
		"net a\nlet train = 5\nstem/a: conv 3x3 8\n",
		"net a\nlet epochs = 5\nstem_a: conv 3x3 8\n"},
	{"E0219", "a label out of place",
		`A label is only allowed at the beginning of a line, before a pipeline, and names the whole line. To name a part in the middle of a pipeline, begin a new line with that part.`,
		"net a\nconv 3x3 8 -> b: conv 3x3 16\n",
		"net a\nconv 3x3 8\nb: conv 3x3 16\n"},
	{"E0220", "a constant that is a list, range or string",
		`The value of a let, and the default of a parameter, is one number, one kernel or one word. Lists, ranges and strings are not allowed there.`,
		"net a\nlet mean = 104,117,123\ngap\n",
		"net a\nlet mean = 104\ngap\n"},
	{"E0221", "key=value expected",
		`default, and a graph's head, take only key=value; so does input after its shape. A default names at most one op and sets at least one key.`,
		"net a\ndefault conv relu\nconv 3x3 8\n",
		"net a\ndefault conv act=relu\nconv 3x3 8\n"},
	{"E0222", "a block without a body",
		`The form is: block NAME PARAMETERS = BODY. Write blanks around the = before the body. An = without blanks gives a parameter its default, as in np=32.`,
		"net a\nblock b n=conv 1x1 n\nb 8\n",
		"net a\nblock b n = conv 1x1 n\nb 8\n"},
	{"E0223", "a labels statement in the wrong form",
		`labels takes a set that incc knows (imagenet1k, mnist, cifar10), a file name in quotes (the file has one name on each line), or the names themselves in quotes and braces, without commas.`,
		"net a\nlabels { cat, dog }\ngap\n",
		"net a\nlabels { \"cat\" \"dog\" }\ngap\n"},
	{"E0224", "an input without name or shape",
		`input is followed by the input's name and its shape, without the batch: channels, height and width, or one number for a plain vector.`,
		"net a\ninput 3x32x32\nconv 3x3 8\n",
		"net a\ninput image 3x32x32\nconv 3x3 8\n"},
	{"E0225", "braces where none belong",
		`A call has at most one pair of braces, at its end. train needs braces; the statements in it, input and default have none.`,
		"net a\nresidual { conv 3x3 8 } { conv 1x1 8 }\n",
		"net a\nresidual proj={ conv 1x1 8 } { conv 3x3 8 }\n"},
	{"E0226", "a line that a graph cannot have",
		`The flat form has one op on each line: NAME = OP operands key=value, or a line that begins with output, head, update, part, input, labels or train.`,
		"graph a\nx = input 3x32x32\ngap x\n",
		"graph a\nx = input 3x32x32\ny = gap x\n"},
	{"E0227", "output, head, update or part in the wrong form",
		`The forms are: output NAME NAME…; head NAME weight=0.3; update PARAM = VALUE; part LABEL = VALUE….`,
		"graph a\nx = input 3x32x32\noutput\n",
		"graph a\nx = input 3x32x32\noutput x\n"},
	{ID: "E0228", Title: "a block with too many parameters",
		Text: `A block has at most 64 parameters. The largest block of the papers has 10. Split a block that needs more.`},
}

// vetCodes are the warnings of Vet, which need only the syntax tree.
var vetCodes = []Code{
	{"W0101", "a constant that nothing uses",
		`The let is declared but no argument uses it. Perhaps a use is misspelt, or the layer that used it was removed.`,
		"net a\nlet classes = 10\nfc 10\n",
		"net a\nlet classes = 10\nfc classes\n"},
	{"W0102", "a block that nothing uses",
		`The block is declared but no pipeline calls it.`,
		"net a\nblock b = conv 3x3 8\ngap\n",
		"net a\nblock b = conv 3x3 8\nb -> gap\n"},
	{"W0103", "a parameter that nothing uses",
		`Every call gives the parameter a value, but the block's body does not use it.`,
		"net a\nblock b n m = conv 3x3 n\nb 8 9\n",
		"net a\nblock b n = conv 3x3 n\nb 8\n"},
	{"W0104", "a block that hides a built-in block",
		`There is a built-in block with this name, known from the papers. In this file your block replaces it, and a reader may confuse the two.`,
		"net a\nblock inception n = conv 3x3 n\ninception 8\n",
		"net a\nblock tower n = conv 3x3 n\ntower 8\n"},
	{"W0105", "a label that does not follow the naming style",
		`Labels become parts of paths, names of weights and Go identifiers: small letters, digits and single underscores keep them the same in all of these.`,
		"net a\nConv.1: conv 3x3 8\n",
		"net a\nconv1: conv 3x3 8\n"},
	{"W0106", "a label given twice",
		`Two lines of one body have the same label, or labels that differ only in capitals. The names of the second one's layers end in _2, so a line inserted between the two can change the names of weights.`,
		"net a\nstem: conv 3x3 8\nstem: conv 3x3 8\n",
		"net a\nstem1: conv 3x3 8\nstem2: conv 3x3 8\n"},
}
