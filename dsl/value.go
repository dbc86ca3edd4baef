package dsl

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/nodes"
	irops "github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
)

// value is an argument whose words have been replaced by the parameters or lets that they
// name. The key decides what the other words mean.
type value struct {
	items   []*Lit
	body    *Body
	at      diag.Span // its place in the call
	from    diag.Span // where the parameter or let got its value; invalid for a literal
	via     string    // the name of that parameter or let
	unknown bool      // the value is not known: an error was reported, or an unused block is checked
}

// text returns the value as it is written, for messages.
func (v *value) text() string {
	if v.body != nil {
		return "{…}"
	}
	var w []string
	for _, l := range v.items {
		w = append(w, l.Raw)
	}
	return strings.Join(w, ",")
}

func (v *value) lit() *Lit {
	if len(v.items) == 1 {
		return v.items[0]
	}
	return nil
}

// word returns the value if it is a single name, else "".
func (v *value) word() string {
	if l := v.lit(); l != nil && l.Kind == NameLit {
		return l.Text
	}
	return ""
}

// kind describes the values that an argument accepts. Ops, statements of train and the
// documentation share the kinds below.
type kind struct {
	want  string                     // describes them in messages: "a whole number, 1 or more"
	words []string                   // the words among them
	parse func(v *value) (any, bool) // false for a value that is not accepted
}

// kernel is a kernel literal: 7x7/2.
type kernel struct{ size, stride ir.HW }

// padding is the value of pad=. For same and same_lower, the pads are computed from the
// shape of the input.
type padding struct {
	same, lower bool
	pads        ir.Pads
}

// batchNorm is the value of bn=.
type batchNorm struct {
	on  bool
	eps float64
}

// bias is the value of bias=.
type bias struct {
	on    bool
	value float64
}

func number(v *value) (float64, bool) {
	l := v.lit()
	if l == nil || l.Kind != NumberLit {
		return 0, false
	}
	return l.Num, true
}

func whole(lo, hi int) func(v *value) (any, bool) {
	return func(v *value) (any, bool) {
		l := v.lit()
		if l == nil {
			return nil, false
		}
		n, ok := l.Int()
		return n, ok && n >= lo && n <= hi
	}
}

func real(in func(x float64) bool) func(v *value) (any, bool) {
	return func(v *value) (any, bool) {
		x, ok := number(v)
		return x, ok && in(x)
	}
}

func word(words ...string) *kind {
	return &kind{want: orList(words), words: words, parse: func(v *value) (any, bool) {
		w := v.word()
		return w, slices.Contains(words, w)
	}}
}

// actWords lists the activations that the key act accepts.
func actWords() []string {
	var ws []string
	for _, a := range irops.Acts() {
		ws = append(ws, string(a))
	}
	return append(ws, "none")
}

// orList joins words: "relu, tanh or none".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

var (
	kCount    = &kind{want: "a whole number, 1 or more", parse: whole(1, ir.MaxDim)}
	kGroups   = &kind{want: "a whole number, 1 or more, or depthwise", words: []string{"depthwise"}, parse: parseGroups}
	kSide     = &kind{want: "a whole number, 0 or more", parse: whole(0, ir.MaxDim)}
	kSeed     = &kind{want: "a whole number", parse: whole(math.MinInt, math.MaxInt)}
	kNumber   = &kind{want: "a number", parse: real(func(float64) bool { return true })}
	kPositive = &kind{want: "a number above 0", parse: real(func(x float64) bool { return x > 0 })}
	kNonNeg   = &kind{want: "a number, 0 or more", parse: real(func(x float64) bool { return x >= 0 })}
	kShare    = &kind{want: "a number from 0 to 1", parse: real(func(x float64) bool { return x >= 0 && x <= 1 })}
	kBelowOne = &kind{want: "a number from 0 up to, but not including, 1", parse: real(func(x float64) bool { return x >= 0 && x < 1 })}
	// Of the focal loss. Above 100 the loss of a float32 is 0.
	kGamma = &kind{want: "a number above 0, at most 100", parse: real(func(x float64) bool { return x > 0 && x <= 100 })}
	// Of a beta distribution. Below, nearly all shares are 0 or 1; above, all are near 1/2.
	kAlpha    = &kind{want: "a number from 0.001 to 1000", parse: real(func(x float64) bool { return x >= 0.001 && x <= 1000 })}
	kChance   = &kind{want: "a number above 0, at most 1", parse: real(func(x float64) bool { return x > 0 && x <= 1 })}
	kSwitch   = &kind{want: "on or off", words: []string{"on", "off"}, parse: parseSwitch}
	kAct      = word(actWords()...)
	kKernel   = &kind{want: "a kernel such as 3x3 or 7x7/2", parse: parseKernel}
	kPad      = &kind{want: "a padding: P, PHxPW, T,L,B,R, same or same_lower", words: []string{"same", "same_lower"}, parse: parsePad}
	kPair     = &kind{want: "a pair such as 2x2, or one number for both", parse: parsePair}
	kPads     = &kind{want: "a pair such as 1x1, or one number for both", parse: parsePairFrom(0)}
	kAxis     = &kind{want: "the number of an axis, 1 or more", parse: whole(1, 8)}
	kFactor   = &kind{want: "a factor above 0 such as 2 or 0.5, or a pair of whole numbers such as 2x4", parse: parseFactor}
	kOperator = &kind{want: "the name of an operator of ONNX", parse: func(v *value) (any, bool) {
		w := v.word()
		return w, nodes.HasNode(w) && w != "Program"
	}}
	kText = &kind{want: "a text in quotes", parse: func(v *value) (any, bool) {
		l := v.lit()
		if l == nil || l.Kind != StringLit {
			return "", false
		}
		a, err := nodes.ParseNodeAttrs(l.Text)
		return a.String(), err == nil
	}}
	kShapes   = &kind{want: "shapes such as 16 or 16x1x1, separated by commas", parse: parseShapes}
	kBias     = &kind{want: "on, off or the initial value", words: []string{"on", "off"}, parse: parseBias}
	kBN       = &kind{want: "off or the epsilon, such as 0.001", words: []string{"off"}, parse: parseBN}
	kInit     = &kind{want: "an initialization: " + initForms(), words: initWords(), parse: parseInitValue}
	kPipeline = &kind{want: "a pipeline in braces", parse: func(v *value) (any, bool) { return v.body, v.body != nil }}
	kRange    = &kind{want: "a range such as 0..1", parse: parseRange}
	kSpread   = &kind{want: "a range above 0 such as 0.08..1", parse: func(v *value) (any, bool) {
		r, ok := parseRange(v)
		return r, ok && r.([2]float64)[0] > 0
	}}
	kList         = &kind{want: "numbers separated by commas", parse: parseList}
	kClassWeights = &kind{want: "balanced, or one number above 0 for each class, separated by commas", words: []string{"balanced"}, parse: parseWeights}
)

func parseSwitch(v *value) (any, bool) {
	if l := v.lit(); l != nil && l.IsInt && (l.Num == 0 || l.Num == 1) {
		return l.Num == 1, true
	}
	w := v.word()
	return w == "on", w == "on" || w == "off"
}

// parseGroups returns 0 for depthwise.
func parseGroups(v *value) (any, bool) {
	if v.word() == "depthwise" {
		return 0, true
	}
	return kCount.parse(v)
}

func parseKernel(v *value) (any, bool) {
	l := v.lit()
	if l == nil || l.Kind != KernelLit {
		return kernel{}, false
	}
	k := kernel{ir.HW{l.Dims[0], l.Dims[1]}, ir.HW{1, 1}}
	if l.Stride != nil {
		k.stride = ir.HW{l.Stride[0], l.Stride[1]}
	}
	for a := range 2 {
		if k.size[a] < 1 || k.size[a] > ir.MaxDim || k.stride[a] < 1 || k.stride[a] > ir.MaxDim {
			return k, false
		}
	}
	return k, true
}

func parsePair(v *value) (any, bool) { return parsePairFrom(1)(v) }

// parsePairFrom returns a function that reads pairs of numbers that are not below low.
func parsePairFrom(low int) func(v *value) (any, bool) {
	return func(v *value) (any, bool) {
		l := v.lit()
		if l == nil {
			return ir.HW{}, false
		}
		p := ir.HW{-1, -1}
		switch n, isInt := l.Int(); {
		case isInt:
			p = ir.HW{n, n}
		case l.Kind == KernelLit && l.Stride == nil:
			p = ir.HW{l.Dims[0], l.Dims[1]}
		}
		return p, min(p[0], p[1]) >= low && max(p[0], p[1]) <= ir.MaxDim
	}
}

// parseFactor reads the factors of height and width.
func parseFactor(v *value) (any, bool) {
	l := v.lit()
	if l != nil && l.Kind == NumberLit {
		return [2]float64{l.Num, l.Num}, l.Num > 0 && l.Num <= ir.MaxDim
	}
	p, ok := parsePair(v)
	k := p.(ir.HW)
	return [2]float64{float64(k[0]), float64(k[1])}, ok
}

// parseShapes reads the shapes of weights.
func parseShapes(v *value) (any, bool) {
	var list []ir.Shape
	for _, l := range v.items {
		dims, ok := l.Shape()
		if !ok || ir.Shape(dims).Check() != nil {
			return list, false
		}
		list = append(list, dims)
	}
	return list, len(list) > 0 && len(list) < irops.MaxNodeOperands
}

func parsePad(v *value) (any, bool) {
	var p padding
	switch w := v.word(); w {
	case "same", "same_lower":
		return padding{same: true, lower: w == "same_lower"}, true
	}
	switch len(v.items) {
	case 1:
		l := v.items[0]
		switch n, isInt := l.Int(); {
		case isInt:
			p.pads = ir.Pads{n, n, n, n}
		case l.Kind == KernelLit && l.Stride == nil:
			p.pads = ir.Pads{l.Dims[0], l.Dims[1], l.Dims[0], l.Dims[1]}
		default:
			return p, false
		}
	case 4:
		for i, l := range v.items {
			n, ok := l.Int()
			if !ok {
				return p, false
			}
			p.pads[i] = n
		}
	default:
		return p, false
	}
	for _, n := range p.pads {
		if n < 0 || n > ir.MaxDim {
			return p, false
		}
	}
	return p, true
}

func parseBias(v *value) (any, bool) {
	switch v.word() {
	case "on":
		return bias{on: true}, true
	case "off":
		return bias{}, true
	}
	x, ok := number(v)
	return bias{true, x}, ok
}

func parseBN(v *value) (any, bool) {
	if v.word() == "off" {
		return batchNorm{}, true
	}
	x, ok := number(v)
	return batchNorm{true, x}, ok && x > 0 && x < 1
}

func parseInitValue(v *value) (any, bool) {
	if len(v.items) == 0 || len(v.items) > 2 {
		return ir.Init{}, false
	}
	i, err := ir.ParseInit(v.text())
	return i, err == nil
}

func parseRange(v *value) (any, bool) {
	l := v.lit()
	if l == nil || l.Kind != RangeLit {
		return [2]float64{}, false
	}
	return [2]float64{l.Num, l.Hi}, l.Num < l.Hi
}

func parseList(v *value) (any, bool) {
	var r []float64
	for _, l := range v.items {
		if l.Kind != NumberLit {
			return r, false
		}
		r = append(r, l.Num)
	}
	return r, len(r) > 0
}

// parseWeights reads the weights of the classes in a loss.
func parseWeights(v *value) (any, bool) {
	if v.word() == "balanced" {
		return recipe.ClassWeights{Balanced: true}, true
	}
	list, ok := parseList(v)
	w := recipe.ClassWeights{Values: list.([]float64)}
	for _, x := range w.Values {
		ok = ok && x > 0 && !math.IsInf(x, 0)
	}
	return w, ok
}

func initForms() string {
	var w []string
	for _, k := range ir.InitKinds() {
		s := string(k.Kind)
		if k.Number {
			s += ",NUMBER"
		}
		w = append(w, s)
	}
	return orList(w)
}

func initWords() []string {
	var w []string
	for _, k := range ir.InitKinds() {
		w = append(w, string(k.Kind))
	}
	return w
}

// attrKind returns the kind of an op's attribute, by the type of its field.
func attrKind(a ir.Attr) *kind {
	switch a.Kind {
	case "int":
		return &kind{want: "a whole number", parse: whole(-ir.MaxDim, ir.MaxDim)}
	case "float64", "float":
		return kNumber
	case "bool":
		return kSwitch
	case "hw":
		return kPair
	case "pads":
		return kPad
	case "dims":
		return &kind{want: "a shape such as 1x14x14", parse: func(v *value) (any, bool) {
			l := v.lit()
			if l == nil {
				return ir.Dims(""), false
			}
			dims, ok := l.Shape()
			if !ok {
				return ir.Dims(""), false
			}
			s := append(ir.Shape{ir.Batch}, dims...)
			return ir.DimsOf(s), s.Check() == nil
		}}
	case "ints":
		return &kind{want: "whole numbers separated by commas", parse: func(v *value) (any, bool) {
			var r []int
			for _, l := range v.items {
				n, ok := l.Int()
				if !ok {
					return ir.Ints(""), false
				}
				r = append(r, n)
			}
			return ir.IntsOf(r...), true
		}}
	}
	return &kind{want: "a word", parse: func(v *value) (any, bool) { w := v.word(); return w, w != "" }}
}

// attrText returns a value that kind.parse returned in the form that ir.Def.With parses.
func attrText(x any) string {
	switch x := x.(type) {
	case int:
		return strconv.Itoa(x)
	case float64:
		return ir.FormatFloat(x)
	case bool:
		if x {
			return "1"
		}
		return "0"
	case padding:
		return x.pads.String()
	case ir.HW:
		return x.String()
	case ir.Dims:
		return string(x)
	case ir.Ints:
		return string(x)
	case string:
		return x
	}
	return ""
}
