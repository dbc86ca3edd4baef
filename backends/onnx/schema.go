package onnx

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// Opsets of ai.onnx: the oldest and the newest that schemas covers, and the newest that Emit
// writes.
const (
	minOpset    = 13
	newestOpset = 28
	maxOpset    = 25
)

// maxIR is the newest IR version that Verify knows.
const maxIR = 14

// OldestChecked is the oldest opset that Verify checks directly. Older models are
// converted to it first.
const OldestChecked = minOpset

// MinIR returns the IR version that was released together with an opset (ONNX
// docs/Versioning.md). A model must have at least this IR version, because readers of an
// older IR may not know the opset.
func MinIR(opset int64) int64 {
	switch {
	case opset >= 28:
		return 14
	case opset >= 25:
		return 13
	case opset >= 24:
		return 12
	case opset >= 23:
		return 11
	case opset >= 21:
		return 10
	case opset >= 19:
		return 9
	case opset >= 15:
		return 8
	}
	return 7
}

// schema describes an operator from opset since on, until the next schema of the same
// operator. It does not describe the types of operands; infer checks them.
type schema struct {
	since         int64
	inMin, inMax  int                          // number of inputs
	outMin, outMx int                          // number of outputs
	attrs         string                       // name:TYPE, separated by blanks; TYPE! if required
	infer         func(*node) ([]value, error) // infers the outputs and checks the inputs
}

const many = math.MaxInt32

// schemas lists the operators that incc writes and similar ones, for opsets 13 to 28 (ONNX
// docs/Changelog.md). A test compares the table with the Python package onnx.
var schemas = map[string][]schema{
	"Conv":               {{11, 2, 3, 1, 1, "auto_pad:STRING dilations:INTS group:INT kernel_shape:INTS pads:INTS strides:INTS", inferConv}},
	"Gemm":               {{13, 2, 3, 1, 1, "alpha:FLOAT beta:FLOAT transA:INT transB:INT", inferGemm}},
	"MatMul":             {{13, 2, 2, 1, 1, "", inferMatMul}},
	"Relu":               {{13, 1, 1, 1, 1, "", inferSame}},
	"Sigmoid":            {{13, 1, 1, 1, 1, "", inferSame}},
	"Tanh":               {{13, 1, 1, 1, 1, "", inferSame}},
	"Neg":                {{13, 1, 1, 1, 1, "", inferSame}},
	"Abs":                {{13, 1, 1, 1, 1, "", inferSame}},
	"Exp":                {{13, 1, 1, 1, 1, "", inferSame}},
	"Log":                {{13, 1, 1, 1, 1, "", inferSame}},
	"Sqrt":               {{13, 1, 1, 1, 1, "", inferSame}},
	"Identity":           {{13, 1, 1, 1, 1, "", inferSame}},
	"BatchNormalization": {{9, 5, 5, 1, 5, "epsilon:FLOAT momentum:FLOAT", inferBatchNorm}, {14, 5, 5, 1, 3, "epsilon:FLOAT momentum:FLOAT training_mode:INT", inferBatchNorm}},
	"LRN":                {{13, 1, 1, 1, 1, "alpha:FLOAT beta:FLOAT bias:FLOAT size:INT!", inferLRN}},
	"MaxPool":            {{12, 1, 1, 1, 2, "auto_pad:STRING ceil_mode:INT dilations:INTS kernel_shape:INTS! pads:INTS storage_order:INT strides:INTS", inferPool}},
	"AveragePool": {{11, 1, 1, 1, 1, "auto_pad:STRING ceil_mode:INT count_include_pad:INT kernel_shape:INTS! pads:INTS strides:INTS", inferPool},
		{19, 1, 1, 1, 1, "auto_pad:STRING ceil_mode:INT count_include_pad:INT dilations:INTS kernel_shape:INTS! pads:INTS strides:INTS", inferPool}},
	"GlobalAveragePool":         {{1, 1, 1, 1, 1, "", inferGlobalPool}},
	"GlobalMaxPool":             {{1, 1, 1, 1, 1, "", inferGlobalPool}},
	"Concat":                    {{13, 1, many, 1, 1, "axis:INT!", inferConcat}},
	"Slice":                     {{13, 3, 5, 1, 1, "", inferSlice}},
	"Split":                     {{13, 1, 2, 1, many, "axis:INT", inferSplit}, {18, 1, 2, 1, many, "axis:INT num_outputs:INT", inferSplit}},
	"Add":                       {{13, 2, 2, 1, 1, "", inferBroadcast}},
	"Sub":                       {{13, 2, 2, 1, 1, "", inferBroadcast}},
	"Mul":                       {{13, 2, 2, 1, 1, "", inferBroadcast}},
	"Div":                       {{13, 2, 2, 1, 1, "", inferBroadcast}},
	"Pow":                       {{13, 2, 2, 1, 1, "", inferBroadcast}},
	"Max":                       {{13, 1, many, 1, 1, "", inferBroadcast}},
	"Min":                       {{13, 1, many, 1, 1, "", inferBroadcast}},
	"Sum":                       {{13, 1, many, 1, 1, "", inferBroadcast}},
	"ReduceMax":                 {{13, 1, 1, 1, 1, "axes:INTS keepdims:INT", inferReduce}, {18, 1, 2, 1, 1, "keepdims:INT noop_with_empty_axes:INT", inferReduce}},
	"ReduceMean":                {{13, 1, 1, 1, 1, "axes:INTS keepdims:INT", inferReduce}, {18, 1, 2, 1, 1, "keepdims:INT noop_with_empty_axes:INT", inferReduce}},
	"ReduceSum":                 {{13, 1, 2, 1, 1, "keepdims:INT noop_with_empty_axes:INT", inferReduce}},
	"Pad":                       {{13, 2, 3, 1, 1, "mode:STRING", inferPad}, {18, 2, 4, 1, 1, "mode:STRING", inferPad}},
	"ReduceMin":                 {{13, 1, 1, 1, 1, "axes:INTS keepdims:INT", inferReduce}, {18, 1, 2, 1, 1, "keepdims:INT noop_with_empty_axes:INT", inferReduce}},
	"ReduceL1":                  {{13, 1, 1, 1, 1, "axes:INTS keepdims:INT", inferReduce}, {18, 1, 2, 1, 1, "keepdims:INT noop_with_empty_axes:INT", inferReduce}},
	"ReduceSumSquare":           {{13, 1, 1, 1, 1, "axes:INTS keepdims:INT", inferReduce}, {18, 1, 2, 1, 1, "keepdims:INT noop_with_empty_axes:INT", inferReduce}},
	"Mean":                      {{13, 1, many, 1, 1, "", inferBroadcast}},
	"LeakyRelu":                 {{6, 1, 1, 1, 1, "alpha:FLOAT", inferSame}},
	"HardSigmoid":               {{6, 1, 1, 1, 1, "alpha:FLOAT beta:FLOAT", inferSame}},
	"PRelu":                     {{9, 2, 2, 1, 1, "", inferPRelu}},
	"DepthToSpace":              {{13, 1, 1, 1, 1, "blocksize:INT! mode:STRING", inferDepthToSpace}},
	"SpaceToDepth":              {{13, 1, 1, 1, 1, "blocksize:INT!", inferSpaceToDepth}, {28, 1, 1, 1, 1, "blocksize:INT! mode:STRING", inferSpaceToDepth}},
	"Gather":                    {{13, 2, 2, 1, 1, "axis:INT", inferGather}},
	"Tile":                      {{13, 2, 2, 1, 1, "", inferTile}},
	"ConstantOfShape":           {{9, 1, 1, 1, 1, "value:TENSOR", inferConstantOfShape}},
	"Unsqueeze":                 {{13, 2, 2, 1, 1, "", inferUnsqueeze}},
	"Squeeze":                   {{13, 1, 2, 1, 1, "", inferSqueeze}},
	"Transpose":                 {{13, 1, 1, 1, 1, "perm:INTS", inferTranspose}},
	"Dropout":                   {{13, 1, 3, 1, 2, "seed:INT", inferSame}},
	"Flatten":                   {{13, 1, 1, 1, 1, "axis:INT", inferFlatten}},
	"Reshape":                   {{13, 2, 2, 1, 1, "", inferReshape}, {14, 2, 2, 1, 1, "allowzero:INT", inferReshape}},
	"Softmax":                   {{13, 1, 1, 1, 1, "axis:INT", inferSoftmax}},
	"LogSoftmax":                {{13, 1, 1, 1, 1, "axis:INT", inferSoftmax}},
	"Clip":                      {{13, 1, 3, 1, 1, "", inferSame}},
	"Shape":                     {{13, 1, 1, 1, 1, "", inferShapeOf}, {15, 1, 1, 1, 1, "end:INT start:INT", inferShapeOf}},
	"Size":                      {{13, 1, 1, 1, 1, "", inferSize}},
	"Cast":                      {{13, 1, 1, 1, 1, "to:INT!", inferCast}, {19, 1, 1, 1, 1, "saturate:INT to:INT!", inferCast}, {24, 1, 1, 1, 1, "round_mode:STRING saturate:INT to:INT!", inferCast}},
	"CastLike":                  {{15, 2, 2, 1, 1, "", inferCast}, {19, 2, 2, 1, 1, "saturate:INT", inferCast}, {24, 2, 2, 1, 1, "round_mode:STRING saturate:INT", inferCast}},
	"Range":                     {{11, 3, 3, 1, 1, "", inferRange}, {27, 3, 3, 1, 1, "stash_type:INT", inferRange}},
	"Expand":                    {{13, 2, 2, 1, 1, "", inferExpand}},
	"Where":                     {{9, 3, 3, 1, 1, "", inferWhere}},
	"Equal":                     {{13, 2, 2, 1, 1, "", inferCompare}},
	"Less":                      {{13, 2, 2, 1, 1, "", inferCompare}},
	"LessOrEqual":               {{12, 2, 2, 1, 1, "", inferCompare}},
	"Greater":                   {{13, 2, 2, 1, 1, "", inferCompare}},
	"GreaterOrEqual":            {{12, 2, 2, 1, 1, "", inferCompare}},
	"And":                       {{7, 2, 2, 1, 1, "", inferCompare}},
	"Or":                        {{7, 2, 2, 1, 1, "", inferCompare}},
	"Xor":                       {{7, 2, 2, 1, 1, "", inferCompare}},
	"Not":                       {{1, 1, 1, 1, 1, "", inferBool}},
	"Mod":                       {{13, 2, 2, 1, 1, "fmod:INT", inferBroadcast}},
	"Sign":                      {{13, 1, 1, 1, 1, "", inferSame}},
	"Floor":                     {{13, 1, 1, 1, 1, "", inferSame}},
	"Ceil":                      {{13, 1, 1, 1, 1, "", inferSame}},
	"Round":                     {{11, 1, 1, 1, 1, "", inferSame}},
	"Reciprocal":                {{13, 1, 1, 1, 1, "", inferSame}},
	"Erf":                       {{13, 1, 1, 1, 1, "", inferSame}},
	"Sin":                       {{7, 1, 1, 1, 1, "", inferSame}},
	"Cos":                       {{7, 1, 1, 1, 1, "", inferSame}},
	"ReduceProd":                {{13, 1, 1, 1, 1, "axes:INTS keepdims:INT", inferReduce}, {18, 1, 2, 1, 1, "keepdims:INT noop_with_empty_axes:INT", inferReduce}},
	"ReduceL2":                  {{13, 1, 1, 1, 1, "axes:INTS keepdims:INT", inferReduce}, {18, 1, 2, 1, 1, "keepdims:INT noop_with_empty_axes:INT", inferReduce}},
	"NonZero":                   {{13, 1, 1, 1, 1, "", inferNonZero}},
	"ArgMax":                    {{13, 1, 1, 1, 1, "axis:INT keepdims:INT select_last_index:INT", inferArg}},
	"ArgMin":                    {{13, 1, 1, 1, 1, "axis:INT keepdims:INT select_last_index:INT", inferArg}},
	"HardSwish":                 {{14, 1, 1, 1, 1, "", inferSame}},
	"Gelu":                      {{20, 1, 1, 1, 1, "approximate:STRING", inferSame}},
	"Swish":                     {{24, 1, 1, 1, 1, "alpha:FLOAT", inferSame}},
	"InstanceNormalization":     {{6, 3, 3, 1, 1, "epsilon:FLOAT", inferNorm}},
	"LayerNormalization":        {{17, 2, 3, 1, 3, "axis:INT epsilon:FLOAT stash_type:INT", inferNorm}},
	"GroupNormalization":        {{18, 3, 3, 1, 1, "epsilon:FLOAT num_groups:INT!", inferNorm}, {21, 3, 3, 1, 1, "epsilon:FLOAT num_groups:INT! stash_type:INT", inferNorm}},
	"MeanVarianceNormalization": {{13, 1, 1, 1, 1, "axes:INTS", inferSame}},
	"RMSNormalization":          {{23, 2, 2, 1, 1, "axis:INT epsilon:FLOAT stash_type:INT", inferNorm}},
	"LpNormalization":           {{1, 1, 1, 1, 1, "axis:INT p:INT", inferSame}},
	"Resize": {{13, 1, 4, 1, 1, "coordinate_transformation_mode:STRING cubic_coeff_a:FLOAT exclude_outside:INT extrapolation_value:FLOAT mode:STRING nearest_mode:STRING", inferResize},
		{18, 1, 4, 1, 1, "antialias:INT axes:INTS coordinate_transformation_mode:STRING cubic_coeff_a:FLOAT exclude_outside:INT extrapolation_value:FLOAT keep_aspect_ratio_policy:STRING mode:STRING nearest_mode:STRING", inferResize}},
	"Constant": {{13, 0, 0, 1, 1, "sparse_value:SPARSE_TENSOR value:TENSOR value_float:FLOAT value_floats:FLOATS value_int:INT value_ints:INTS " +
		"value_string:STRING value_strings:STRINGS", inferConstant}},
}

// schemaOf returns the schema of an operator at an opset, and false if there is none.
func schemaOf(op string, opset int64) (schema, bool) {
	var found schema
	ok := false
	for _, s := range schemas[op] {
		if s.since <= opset {
			found, ok = s, true
		}
	}
	return found, ok
}

// check returns the problems with a node's number of inputs and outputs and its
// attributes.
func (s schema) check(n *onnxpb.NodeProto) []string {
	var problems []string
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	between := func(what string, have, lo, hi int) {
		switch {
		case have >= lo && have <= hi:
		case hi == many:
			bad("%d %ss, want at least %d", have, what, lo)
		case lo == hi:
			bad("%d %ss, want %d", have, what, lo)
		default:
			bad("%d %ss, want %d to %d", have, what, lo, hi)
		}
	}
	between("input", len(n.Input), s.inMin, s.inMax)
	between("output", len(n.Output), s.outMin, s.outMx)
	for i, in := range n.Input {
		if in == "" && i < s.inMin {
			bad("input %d is left out, but it is not optional", i)
		}
	}
	type form struct {
		typ      string
		required bool
	}
	forms := map[string]form{}
	var names []string
	for _, f := range strings.Fields(s.attrs) {
		name, typ, _ := strings.Cut(f, ":")
		t, required := strings.CutSuffix(typ, "!")
		forms[name] = form{t, required}
		names = append(names, name)
	}
	seen := map[string]bool{}
	for _, a := range n.Attribute {
		if seen[a.Name] {
			bad("attribute %q is given twice", a.Name)
		}
		seen[a.Name] = true
		f, ok := forms[a.Name]
		switch {
		case !ok && len(names) == 0:
			bad("unknown attribute %q (at this opset the operator has none)", a.Name)
		case !ok:
			bad("unknown attribute %q (want one of %s)", a.Name, strings.Join(names, ", "))
		case a.Type.String() != f.typ:
			bad("attribute %q is %v, want %s", a.Name, a.Type, f.typ)
		default:
			if used := usedFields(a); slices.ContainsFunc(used, func(t string) bool { return t != f.typ }) {
				bad("attribute %q has the type %s but values of the type %s", a.Name, f.typ, strings.Join(used, ", "))
			}
		}
	}
	for _, name := range names {
		if forms[name].required && !seen[name] {
			bad("attribute %s is missing", name)
		}
	}
	return problems
}

// usedFields returns the types of the fields of an attribute that have a value. A field
// with 0 or an empty string looks the same as one without a value.
func usedFields(a *onnxpb.AttributeProto) []string {
	var u []string
	add := func(used bool, typ onnxpb.AttributeProto_AttributeType) {
		if used {
			u = append(u, typ.String())
		}
	}
	add(a.F != 0, onnxpb.AttributeProto_FLOAT)
	add(a.I != 0, onnxpb.AttributeProto_INT)
	add(len(a.S) > 0, onnxpb.AttributeProto_STRING)
	add(a.T != nil, onnxpb.AttributeProto_TENSOR)
	add(a.G != nil, onnxpb.AttributeProto_GRAPH)
	add(len(a.Floats) > 0, onnxpb.AttributeProto_FLOATS)
	add(len(a.Ints) > 0, onnxpb.AttributeProto_INTS)
	add(len(a.Strings) > 0, onnxpb.AttributeProto_STRINGS)
	add(len(a.Tensors) > 0, onnxpb.AttributeProto_TENSORS)
	add(len(a.Graphs) > 0, onnxpb.AttributeProto_GRAPHS)
	add(a.SparseTensor != nil, onnxpb.AttributeProto_SPARSE_TENSOR)
	return u
}
