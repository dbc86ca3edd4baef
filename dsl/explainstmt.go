package dsl

import (
	"fmt"
	"strings"
)

// statementPage explains a statement. Its example is a whole file, or the part of one
// that shows the statement.
type statementPage struct {
	name, syntax, text, example string
	flat                        bool   // the example is a graph's, not a net's
	keys                        []slot // that the statement takes
}

// statementPages are the statements of a file, those of train { … } aside.
func statementPages() []statementPage {
	return []statementPage{
		{name: "net", syntax: "net NAME",
			text: "The first statement of a file that describes a network as lines of layers. The name goes into models and into the folders of runs. Behind it come input, labels, let, default, block and train, in any order, and the lines of the network: an optional label with a colon (the part), and calls of ops and blocks joined by ->. The output of each line is the input of the next.",
			example: `net example
input image 1x28x28
c1: conv 5x5 8 act=relu -> maxpool 2x2/2
top: fc 10 -> softmax`},
		{name: "graph", syntax: "graph NAME",
			text: "The first statement of a file in the flat form, which holds all of a graph: one op on a line, every operand by its name. incc compile --dump-after all prints it. Its own statements are param, const, output, update and part.",
			example: `graph example
x = input 4
w = param 3x4 init=he
y = dense x w
output y`, flat: true},
		{name: "input", syntax: "input NAME CxHxW KEY=VALUE…", keys: inputKeys,
			text:    "What the network reads, and how a picture becomes it: (pixel scaled to range - mean) / std, after resizing and cropping. Without resize the whole picture is scaled to the size of the input, so another ratio of its sides is squashed. With resize its shorter side gets that many pixels, the ratio is kept, and the middle is cut out: most networks for ImageNet have resize=256 for an input of 224x224. This happens outside of the graph; models carry it as metadata.",
			example: `input image 3x224x224 range=0..1 mean=0.485,0.456,0.406 std=0.229,0.224,0.225 resize=256`},
		{name: "labels", syntax: `labels SET | "FILE" | { "NAME" … }`,
			text:    "The names of the classes, as many as the network has outputs. Sets: " + orList(labelSetNames()) + ". A file holds one name a line; it is beside the spec. Without this statement, incc train writes one into the spec of a run, with the names of the folders of pictures.",
			example: `labels mnist`},
		{name: "let", syntax: "let NAME = NUMBER | KERNEL | NAME",
			text: "A constant that the whole file may use in place of a value, also above the statement. -D NAME=VALUE on the command line overrides it: incc train SPEC -D classes=6.",
			example: `let classes = 10
conv 3x3 8 -> fc classes -> softmax`},
		{name: "default", syntax: "default [OP] KEY=VALUE…",
			text: "Keys that calls take in the lines below it, unless they set them themselves; of one op, or without OP of every op that has the key. Of two defaults the later one counts. Inside of braces it is valid to their end.",
			example: `default pad=same
default conv act=relu bn=1e-3
conv 3x3 8 -> conv 3x3 16 act=none -> gap`},
		{name: "block", syntax: "block NAME PARAMETER… = LINE | { LINES }",
			text: "A module that lines below it call like an op. A parameter with =VALUE behind it may be left out. Keys of a call that are no parameters are defaults for the ops inside. The blocks of the prelude, such as inception, are made this way; incc explain BLOCK shows their text.",
			example: `block pair k n m=32 = conv k/2 n -> conv k m
pair 3x3 16 -> pair 3x3 24 m=48 pad=1 -> gap`},
		{name: "train", syntax: "train { STATEMENTS }",
			text:    "How the network is trained, one statement a line; at most one of each, but augment, freeze and rate. Values may be lets. Flags of incc train override it.",
			example: `train { sgd lr=0.1 momentum=0.9; schedule cosine; run batch=64 epochs=10 seed=1 }`},
		{name: "param", syntax: "NAME = param SHAPE KEY=VALUE…", flat: true,
			text:    "In a graph: a weight, or with state=on a value such as a running mean that is stored with the weights but not trained.",
			example: "w = param 3x4 init=he decay=0\ny = dense x w\noutput y"},
		{name: "const", syntax: "NAME = const SHAPE VALUES | fill=NUMBER | hash=\"…\"", flat: true,
			text:    "In a graph: a constant. The text holds the elements of a small one, the value of one whose elements are equal, and only a hash of others.",
			example: "k = const 4 1,2,3,4\ny = add x k\noutput y"},
		{name: "output", syntax: "output NAME…", flat: true,
			text:    "In a graph: its outputs, in order.",
			example: "y = relu x\noutput y"},
		{name: "update", syntax: "update PARAM = NAME", flat: true,
			text:    "In a graph of training: the value that a param has after the step.",
			example: "w = param 4 init=constant,0 state=on\ny = add w w\nupdate w = y\noutput x"},
		{name: "part", syntax: "part LABEL = NAME", flat: true,
			text:    "In a graph: a label of the spec and the value that it names. In a net a label is a name and a colon before a line: 3a: inception 64 96 128 16 32 32.",
			example: "y = relu x\noutput y\npart a = y"},
	}
}

// page is the text of incc explain.
func (p statementPage) page() string {
	s := p.syntax + "\n\n" + fill(p.text, 80) + "\n"
	for line := range strings.Lines(p.example + "\n") {
		s += "  " + line
	}
	if p.name == "train" {
		s += "\nstatements:\n"
		for _, t := range trainTable {
			s += fmt.Sprintf("  %-13s  %s\n", t.name, firstSentence(t.doc))
		}
	}
	return s + explainSlots("keys", p.keys)
}

// statementNames lists the statements that have a page.
func statementNames() []string {
	var names []string
	for _, p := range statementPages() {
		names = append(names, p.name)
	}
	return names
}
