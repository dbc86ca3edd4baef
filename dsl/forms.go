package dsl

import (
	"slices"
	"sort"
	"sync"

	"github.com/incc-lang/incc/ir"
)

// form describes an op that a pipeline can call: its documentation, its arguments and the
// function that builds it. Function special lists the forms of layers with weights and of
// ops that join branches. Every other op with one operand and one result gets its form
// from its struct tags, so that a new op needs no change here.
type form struct {
	name  string
	doc   string
	pos   []slot // positional arguments
	keys  []slot
	body  bodyUse
	build func(b *builder, c *Call, a *bound, cx context, x *ir.Value) *ir.Value
	def   *ir.Def        // the op of a form that formOf made, else nil
	start map[string]any // the parsed defaults of keys
}

// slot describes an argument: its name, the values that it accepts, its default.
type slot struct {
	name     string
	kind     *kind
	standard string // the default as text; "" for none (a positional argument must then be given)
	doc      string
}

// bodyUse says what the braces after a call of a form mean.
type bodyUse uint8

const (
	noBody           bodyUse = iota // no braces are allowed
	branches                        // each line is a branch with the same input
	sequence                        // the output of each line is the input of the next
	optionalBranches                // each line is a branch; without braces there is one, the input
)

func (f *form) key(name string) *slot {
	for i := range f.keys {
		if f.keys[i].name == name {
			return &f.keys[i]
		}
	}
	return nil
}

func (f *form) keyNames() []string {
	var names []string
	for _, k := range f.keys {
		names = append(names, k.name)
	}
	return names
}

func (f *form) posNames() []string {
	var names []string
	for _, p := range f.pos {
		names = append(names, p.name)
	}
	return names
}

var (
	sInit  = slot{"init", kInit, "", "initialization of the weights; default he_uniform before relu and its relatives, else glorot"}
	sRates = []slot{
		{"lr", kNonNeg, "1", "factor on the learning rate of its weights"},
		{"decay", kNonNeg, "1", "factor on the weight decay of its weights"},
		{"max_norm", kNonNeg, "0", "largest norm of the weights of one output; 0 for no limit"},
	}
	sBN = []slot{
		{"bn", kBN, "off", "batch normalization with this epsilon, before act"},
		{"bn.gamma", kSwitch, "on", "whether batch normalization multiplies by gamma"},
		{"bn.beta", kSwitch, "on", "whether batch normalization adds beta"},
		{"bn.momentum", kBelowOne, "0.9", "running statistics = m * running + (1 - m) * batch"},
	}
	sBias   = slot{"bias", kBias, "", "default off if bn is on, else on"}
	sAct    = slot{"act", kAct, "none", "activation, applied last"}
	sPieces = slot{"maxout", kCount, "1", "linear pieces of each output, which is their maximum"}
	sPad    = slot{"pad", kPad, "0", "rows and columns of zeros around the input"}
)

// positionals lists, for forms that formOf makes, the attributes that a call gives without
// a key, in order.
var positionals = map[string][]string{
	"dropout": {"p"}, "lrn": {"size"}, "maxout": {"k"}, "reshape": {"shape"}, "transpose": {"perm"}, "scale": {"by"}, "clip": {"min", "max"},
}

// special returns the forms that are not made from the struct tags of an op.
func special() []*form {
	layer := func(slots ...[]slot) []slot { return slices.Concat(slots...) }
	list := slices.Concat(imageForms(), normForms(), []*form{fromForm(), nodeForm()})
	return append(list, []*form{
		{
			name: "conv", doc: "Convolution, followed by bias, batch normalization, maxout and activation, in this order.",
			pos: []slot{{"kernel", kKernel, "", "height x width, with the stride after a /"}, {"filters", kCount, "", "number of output channels"}},
			keys: layer([]slot{sPad,
				{"dilation", kPair, "1x1", "distance between the elements of the kernel"},
				{"groups", kGroups, "1", "number of groups of channels, which are convolved separately; depthwise for a group for each input channel"},
				sBias}, sBN, []slot{sPieces, sAct, sInit}, sRates),
			build: (*builder).conv,
		},
		{
			name: "fc", doc: "Dense layer on the flattened input (CxHxW in this order), followed by bias, batch normalization, maxout and activation.",
			pos:   []slot{{"units", kCount, "", "number of outputs"}},
			keys:  layer([]slot{sBias}, sBN, []slot{sPieces, sAct, sInit}, sRates),
			build: (*builder).fc,
		},
		{
			name: "bn", doc: "Batch normalization as a layer of its own (Ioffe and Szegedy 2015).",
			keys: []slot{
				{"eps", kPositive, "1e-05", "added to the variance"},
				{"momentum", kBelowOne, "0.9", "running statistics = m * running + (1 - m) * batch"},
				{"gamma", kSwitch, "on", "whether it multiplies by gamma"},
				{"beta", kSwitch, "on", "whether it adds beta"},
				{"lr", kNonNeg, "1", "factor on the learning rate of gamma and beta"},
			},
			build: (*builder).bn,
		},
		{name: "identity", doc: "Returns its input unchanged, for example as a branch.", build: (*builder).identity},
		{name: "concat", doc: "Joins the outputs of branches along the channels, or another axis, in the order of the lines. Each line is a branch with the same input.", keys: []slot{{"axis", kAxis, "1", "axis that grows: 1 for the channels"}}, body: branches, build: (*builder).concat},
		{name: "add", doc: "Adds the outputs of branches, which must have equal shapes. Each line is a branch with the same input.", body: branches, build: (*builder).addMax},
		{name: "max", doc: "Takes the maximum of the outputs of branches, element by element; they must have equal shapes. Each line is a branch with the same input.", body: branches, build: (*builder).addMax},
		{name: "mul", doc: "Multiplies the outputs of branches, element by element. A branch may have height and width 1, as a gate for each channel (squeeze and excitation, Hu 2018). Each line is a branch with the same input.", body: branches, build: (*builder).mul},
		{name: "relu6", doc: "Rectified linear unit limited to 6: clip 0 6 (Krizhevsky 2010).", build: (*builder).relu6},
		{
			name: "residual", doc: "Input + scale * body, then act (Szegedy 2016, section 3.3). The input and the output of the body must have equal shapes.",
			keys: []slot{
				{"scale", kNumber, "1", "factor on the output of the body"},
				{"act", kAct, "none", "activation of the sum"},
				{"proj", kPipeline, "", "pipeline of the shortcut, proj={ … }; default the input itself"},
			},
			body: sequence, build: (*builder).residual,
		},
		{
			name: "repeat", doc: "Repeats the body several times in a row, each time with new weights.",
			pos:  []slot{{"times", kCount, "", "number of copies"}},
			body: sequence, build: (*builder).repeat,
		},
		{
			name: "head", doc: "An auxiliary classifier (Szegedy 2015, section 5). It returns its input unchanged. The output of its body, NAME/head, has a loss in training and is left out for inference.",
			keys: []slot{{"weight", kNonNeg, "0.3", "weight of its loss; the main output has weight 1"}},
			body: sequence, build: (*builder).head,
		},
	}...)
}

// The forms are made at their first use, when all ops are defined. A variable with an
// initializer would be an initialization cycle, because the build functions call forms.
var (
	formsOnce sync.Once
	formTable map[string]*form
	formOrder []string
)

func makeForms() {
	formTable = map[string]*form{}
	for _, f := range special() {
		formTable[f.name] = f
	}
	for _, d := range ir.Defs() {
		if formTable[d.Name] == nil && !d.Grad && isUnary(d) {
			formTable[d.Name] = formOf(d)
		}
	}
	for n, f := range formTable {
		f.start = map[string]any{}
		for _, k := range f.keys {
			if x, ok := k.parse(); ok {
				f.start[k.name] = x
			}
		}
		formOrder = append(formOrder, n)
	}
	sort.Strings(formOrder)
}

// parse parses the default of a key. ok is false if there is none: if the text is empty or
// the key does not accept it, the op derives the value.
func (s *slot) parse() (any, bool) {
	if s.standard == "" {
		return nil, false
	}
	l, err := ParseLit(s.standard)
	if err != nil {
		l = &Lit{Kind: NameLit, Raw: s.standard, Text: s.standard}
	}
	return s.kind.parse(&value{items: []*Lit{l}})
}

// forms returns all forms by name.
func forms() map[string]*form {
	formsOnce.Do(makeForms)
	return formTable
}

// formNames lists the names of the forms, sorted.
func formNames() []string {
	formsOnce.Do(makeForms)
	return formOrder
}

// isUnary reports whether an op has one operand and one result, judging by its examples.
func isUnary(d *ir.Def) bool {
	for _, e := range d.Examples {
		if e.Violates != 0 {
			continue
		}
		if o, ok := e.Op.(ir.Operander); ok && (len(o.Operands()) != 1 || len(o.Operands()[0]) > 3 && o.Operands()[0][len(o.Operands()[0])-3:] == "...") {
			return false
		}
		out, err := e.Op.Infer(e.In)
		if len(e.In) != 1 || err != nil || len(out) != 1 {
			return false
		}
	}
	return len(d.Examples) > 0
}

// formOf makes the form of an op from its struct tags. If the op has a kernel and a stride,
// a call gives both as one literal, such as 3x3/2.
func formOf(d *ir.Def) *form {
	f := &form{name: d.Name, doc: d.Doc, def: d, build: (*builder).unary}
	first := positionals[d.Name]
	window := attrOf(d, "kernel") != nil && attrOf(d, "stride") != nil
	if window {
		f.pos = append(f.pos, slot{"kernel", kKernel, "", "height x width, with the stride after a /"})
	}
	for _, name := range first {
		if a := attrOf(d, name); a != nil {
			f.pos = append(f.pos, slot{a.Name, attrKind(*a), "", ""})
		}
	}
	for _, a := range d.Attrs {
		if window && (a.Name == "kernel" || a.Name == "stride") || slices.Contains(first, a.Name) {
			continue
		}
		f.keys = append(f.keys, slot{a.Name, attrKind(a), a.Default, ""})
	}
	return f
}

func attrOf(d *ir.Def, name string) *ir.Attr {
	for i := range d.Attrs {
		if d.Attrs[i].Name == name {
			return &d.Attrs[i]
		}
	}
	return nil
}

// elsewhere maps names that other systems use for ops to the forms, for suggestions.
var elsewhere = map[string]string{
	"convolution": "conv", "conv2d": "conv", "dense": "fc", "linear": "fc", "innerproduct": "fc", "inner_product": "fc", "gemm": "fc",
	"batchnorm": "bn", "batch_norm": "bn", "batchnormalization": "bn", "globalavgpool": "gap", "global_avg_pool": "gap", "avgpool2d": "avgpool",
	"maxpool2d": "maxpool", "max_pool": "maxpool", "avg_pool": "avgpool", "average_pool": "avgpool", "concatenate": "concat", "merge": "concat",
	"cat": "concat", "sum": "add", "eltwise": "add", "maximum": "max", "localresponsenorm": "lrn", "logsoftmax": "log_softmax", "drop": "dropout",
	"view": "reshape", "shortcut": "residual", "skip": "residual", "branch": "concat", "parallel": "concat", "aux": "head", "loop": "repeat",
	"multiply": "mul", "gate": "mul", "swish": "silu", "hard_swish": "hardswish", "hard_sigmoid": "hardsigmoid", "leakyrelu": "leaky_relu", "clamp": "clip", "hardtanh": "clip",
	"deconv": "conv_transpose", "deconvolution": "conv_transpose", "convtranspose": "conv_transpose", "convtranspose2d": "conv_transpose", "conv2dtranspose": "conv_transpose", "conv2d_transpose": "conv_transpose", "transposed_conv": "conv_transpose",
	"upsample": "resize", "upsampling": "resize", "upsampling2d": "resize", "interpolate": "resize", "depth_to_space": "pixel_shuffle", "pixelshuffle": "pixel_shuffle", "depthtospace": "pixel_shuffle",
	"instancenorm": "instance_norm", "instancenorm2d": "instance_norm", "groupnorm": "group_norm", "reflection_pad": "pad", "zero_pad": "pad", "use": "from", "route": "from", "onnx": "node",
}
