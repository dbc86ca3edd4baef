package nodes

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// This file has the text of programs: the part of a model behind an operator such as NonZero or
// NonMaxSuppression, whose sizes are known only at run time. A program is one operator for all
// others, with results of a fixed size that are partly filled (node_program_run.go).
//
// Values have numbers: those of the operands come first, then those of the results of the steps,
// in order. The words of a step are separated by spaces:
//
//	Slice 7,starts=8,ends=9 axes=0 1     operator, operands, attributes or -, number of results
//	Const i64 2x3 1,2,3,4,5,6            kind, shape, elements
//	If 4 - 1 { … return 5 } { … return 6 }
//	return 12,13
//
// An operand starts=8 becomes the attribute of that name, _ is an operand that is left out. The
// blocks of an If use the values before it; those inside have the numbers that follow.

// NodeStep is a step of a program.
type NodeStep struct {
	Op    string
	In    []NodeRef
	Attrs NodeAttrs
	Outs  int          // number of results
	Const *NodeArray   // of a Const, whose other fields are not used
	Then  *NodeProgram // of an If: for a condition that is not 0
	Else  *NodeProgram
}

// NodeRef is an operand of a step: the number of a value, -1 if it is left out. With Attr it
// becomes the attribute of that name.
type NodeRef struct {
	Value int
	Attr  string
}

// NodeProgram is a list of steps, and the numbers of the results.
type NodeProgram struct {
	Steps  []NodeStep
	Return []int
}

// NodeArray is an array with its elements in row-major order.
type NodeArray struct {
	NodeType
	Data []float64
}

// nodeMaxSteps is the largest number of steps of a program, with those of its blocks.
const nodeMaxSteps = 1 << 16

// String prints the program.
func (p *NodeProgram) String() string {
	var b strings.Builder
	p.print(&b)
	return b.String()
}

func (p *NodeProgram) print(b *strings.Builder) {
	for _, s := range p.Steps {
		if c := s.Const; c != nil {
			fmt.Fprintf(b, "Const %v %s %s ", c.Kind, nodeDims(c.Shape), nodeWord(NodeFloats(c.Data...)))
			continue
		}
		in := make([]string, len(s.In))
		for i, r := range s.In {
			if in[i] = strconv.Itoa(r.Value); r.Value < 0 {
				in[i] = "_"
			}
			if r.Attr != "" {
				in[i] = r.Attr + "=" + in[i]
			}
		}
		attrs := strings.NewReplacer(";", "&", ":", "=").Replace(s.Attrs.String())
		fmt.Fprintf(b, "%s %s %s %d ", s.Op, nodeWord(strings.Join(in, ",")), nodeWord(attrs), s.Outs)
		if s.Then != nil {
			b.WriteString("{ ")
			s.Then.print(b)
			b.WriteString(" } { ")
			s.Else.print(b)
			b.WriteString(" } ")
		}
	}
	b.WriteString("return " + nodeWord(NodeInts(p.Return...)))
}

// nodeWord returns a text as a word of a program: one that is empty is -.
func nodeWord(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func nodeDims(shape []int) string {
	if len(shape) == 0 {
		return "scalar"
	}
	return strings.ReplaceAll(NodeInts(shape...), ",", "x")
}

func nodeParseDims(s string) (shape []int, err error) {
	if s == "scalar" {
		return []int{}, nil
	}
	for _, w := range strings.Split(s, "x") {
		d, err := strconv.Atoi(w)
		if err != nil || d < 0 || d > nodeMaxLen {
			return nil, fmt.Errorf("shape %q", s)
		}
		shape = append(shape, d)
	}
	if len(shape) > NodeMaxAxes {
		return nil, fmt.Errorf("shape %q has more than %d axes", s, NodeMaxAxes)
	}
	return shape, nil
}

// nodeParser reads the words of a program.
type nodeParser struct {
	words []string
	steps int
}

// ParseNodeProgram reads what String prints, for a number of operands.
func ParseNodeProgram(text string, operands int) (*NodeProgram, error) {
	r := &nodeParser{words: strings.Fields(text)}
	p, err := r.block(operands)
	if err == nil && len(r.words) > 0 {
		err = fmt.Errorf("%q follows the end", r.words[0])
	}
	if err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	return p, nil
}

func (r *nodeParser) word() string {
	if len(r.words) == 0 {
		return ""
	}
	w := r.words[0]
	r.words = r.words[1:]
	return w
}

func (r *nodeParser) expect(want string) error {
	if w := r.word(); w != want {
		return fmt.Errorf("%q (want %q)", w, want)
	}
	return nil
}

// block reads steps up to return. values is the number of values before it.
func (r *nodeParser) block(values int) (*NodeProgram, error) {
	p := &NodeProgram{}
	for {
		op := r.word()
		if r.steps++; r.steps > nodeMaxSteps {
			return nil, fmt.Errorf("more than %d steps", nodeMaxSteps)
		}
		var s NodeStep
		var err error
		switch op {
		case "":
			return nil, errors.New("ends without return")
		case "return":
			refs, err := nodeParseRefs(r.word(), values)
			for _, ref := range refs {
				if ref.Value < 0 || ref.Attr != "" {
					err = errors.New("return of no value")
				}
				p.Return = append(p.Return, ref.Value)
			}
			return p, err
		case "Const":
			s, err = r.constant()
		default:
			s, err = r.step(op, values)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		values += s.Outs
		p.Steps = append(p.Steps, s)
	}
}

func (r *nodeParser) constant() (s NodeStep, err error) {
	s = NodeStep{Op: "Const", Outs: 1, Const: &NodeArray{}}
	if s.Const.Kind = NodeKindOf(r.word()); s.Const.Kind == NodeNone {
		return s, errors.New("a kind that is not known")
	}
	if s.Const.Shape, err = nodeParseDims(r.word()); err != nil {
		return s, err
	}
	if list := r.word(); list != "-" {
		for _, w := range strings.Split(list, ",") {
			v, err := strconv.ParseFloat(w, 64)
			if err != nil {
				return s, fmt.Errorf("element %q", w)
			}
			s.Const.Data = append(s.Const.Data, v)
		}
	}
	if err := (&NodePlan{empty: true}).fits(s.Const.Shape); err != nil {
		return s, err
	}
	if s.Const.Len() != len(s.Const.Data) {
		return s, fmt.Errorf("%d elements for the shape %v", len(s.Const.Data), s.Const.Shape)
	}
	return s, nil
}

func (r *nodeParser) step(op string, values int) (s NodeStep, err error) {
	s.Op = op
	if s.In, err = nodeParseRefs(r.word(), values); err != nil {
		return s, err
	}
	attrs := r.word()
	if attrs == "-" {
		attrs = ""
	}
	if s.Attrs, err = ParseNodeAttrs(strings.NewReplacer("&", ";", "=", ":").Replace(attrs)); err != nil {
		return s, err
	}
	if s.Outs, err = strconv.Atoi(r.word()); err != nil || s.Outs < 1 || s.Outs > 256 {
		return s, errors.New("the number of results is missing")
	}
	if op != "If" {
		if !HasNode(op) && nodeDynamic[op] == nil || op == "Program" {
			return s, errors.New("the operator is not known")
		}
		return s, nil
	}
	for _, b := range []**NodeProgram{&s.Then, &s.Else} {
		if err := r.expect("{"); err != nil {
			return s, err
		}
		if *b, err = r.block(values); err != nil {
			return s, err
		}
		if err := r.expect("}"); err != nil {
			return s, err
		}
		if len((*b).Return) != s.Outs {
			return s, errors.New("a block has another number of results")
		}
	}
	return s, nil
}

func nodeParseRefs(text string, values int) (refs []NodeRef, err error) {
	if text == "-" {
		return nil, nil
	}
	for _, w := range strings.Split(text, ",") {
		attr, number, ok := strings.Cut(w, "=")
		if !ok {
			attr, number = "", w
		}
		if number == "_" && attr == "" {
			refs = append(refs, NodeRef{Value: -1})
			continue
		}
		v, err := strconv.Atoi(number)
		if err != nil || v < 0 || v >= values {
			return nil, fmt.Errorf("operand %q", w)
		}
		refs = append(refs, NodeRef{v, attr})
	}
	return refs, nil
}

// nodePlainWord reports whether the text of a program can contain s as the name or the value of an
// attribute: s is one word, without the characters that separate the parts of a step.
func nodePlainWord(s string) bool { return s != "" && !strings.ContainsAny(s, " =&{}") }

// Check returns an error if ParseNodeProgram could not read what String prints.
func (p *NodeProgram) Check() error {
	for _, s := range p.Steps {
		for name, v := range s.Attrs {
			if !nodePlainWord(name) || !nodePlainWord(v) {
				return fmt.Errorf("%s: attribute %s=%q cannot be written", s.Op, name, v)
			}
		}
		for _, b := range []*NodeProgram{s.Then, s.Else} {
			if b == nil {
				continue
			}
			if err := b.Check(); err != nil {
				return err
			}
		}
	}
	if slices.Min(append(p.Return, 0)) < 0 {
		return errors.New("return of no value")
	}
	return nil
}
