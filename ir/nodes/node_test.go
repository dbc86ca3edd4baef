package nodes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// draws makes random operands and attributes, most of them wrong.
type draws struct{ *rand.Rand }

// emptyShape returns a shape with axes of no elements among the others.
func (r draws) emptyShape() []int {
	s := r.shape()
	for i := range s {
		if r.IntN(3) == 0 {
			s[i] = 0
		}
	}
	return s
}

func (r draws) shape() []int {
	s := make([]int, r.IntN(6))
	for i := range s {
		s[i] = 1 + r.IntN(4)
	}
	return s
}

// value returns a random value of an attribute: numbers, also very large ones, or a word.
func (r draws) value() string {
	odd := []string{"", "x", "-", "1.5", "nan", "inf", "1e300", "9223372036854775807", "-9223372036854775808", "2147483647", "16777216", "-1", "0"}
	words := []string{"SAME_UPPER", "SAME_LOWER", "VALID", "reflect", "edge", "wrap", "linear", "cubic", "nearest", "align_corners", "tf_crop_and_resize", "CRD", "sum", "none", "max",
		"add", "mul", "LEFT", "ij,jk->ik", "...ij->...ji", "ii->i", "f32", "u8", "i64", "bool", "tanh", "border", "reflection", "zeros", "not_larger", "Elu"}
	switch r.IntN(8) {
	case 0:
		return odd[r.IntN(len(odd))]
	case 1:
		return words[r.IntN(len(words))]
	}
	list := make([]int, 1+r.IntN(6))
	for i := range list {
		list[i] = r.IntN(8) - 2
	}
	return NodeInts(list...)
}

var drawnAttrs = []string{"axis", "axes", "alpha", "beta", "gamma", "keepdims", "k", "shape", "pads", "starts", "ends", "steps", "repeats", "perm", "kernel_shape", "strides", "dilations",
	"group", "auto_pad", "ceil_mode", "mode", "scales", "sizes", "roi", "split", "depth", "to", "blocksize", "block_size", "output_shape", "output_padding", "storage_order", "outputs",
	"image_shape", "block_shape", "size", "condition", "equation", "reduction", "ignore_index", "num_groups", "batch_dims", "batch_axis", "time_axis", "direction", "upper", "fmod",
	"coordinate_transformation_mode", "nearest_mode", "padding_mode", "output_height", "output_width", "sampling_ratio", "epsilon", "p", "transA", "transB", "allowzero", "axes", "value",
	"min", "max", "antialias", "exclude_outside", "keep_aspect_ratio_policy", "training_mode", "exclusive", "reverse", "select_last_index", "largest", "of", "by", "approximate", "lambd", "bias"}

// TestHostile plans every operator with random operands and attributes and runs what is accepted,
// with random elements, indices outside of their axes among them. It must not panic, and tasks
// must give what the whole gives.
func TestHostile(t *testing.T) {
	r := draws{rand.New(rand.NewPCG(1, 2))}
	accepted := map[string]int{}
	for _, op := range NodeNames() {
		for range 3000 {
			in := make([]NodeType, 1+r.IntN(4))
			same := r.shape()
			for i := range in {
				in[i] = NodeType{NodeFloat, same}
				if r.IntN(2) == 0 {
					in[i].Shape = r.shape()
				}
				if r.IntN(3) == 0 {
					in[i].Kind = NodeKind(r.IntN(len(nodeKindNames)))
				}
			}
			attrs := NodeAttrs{}
			for range r.IntN(4) {
				attrs[drawnAttrs[r.IntN(len(drawnAttrs))]] = r.value()
			}
			if tried(t, r, op, attrs.String(), in) {
				accepted[op]++
			}
		}
	}
	if len(accepted) < 110 {
		t.Errorf("only %d operators were run", len(accepted))
	}
}

// tried plans and runs a node and reports whether it was accepted.
func tried(t *testing.T, r draws, op, attrs string, in []NodeType) bool {
	defer func() {
		if x := recover(); x != nil {
			t.Errorf("%s %s of %v: %v", op, attrs, in, x)
		}
	}()
	p, err := PlanNode(op, attrs, in, false)
	if err != nil || p.Ops() > 1<<20 {
		return false
	}
	x := make([][]float64, len(in))
	for i, n := range in {
		if n.Kind == NodeNone {
			continue
		}
		x[i] = make([]float64, n.Len())
		for j := range x[i] {
			x[i][j] = n.Kind.Round(r.NormFloat64() * 4)
		}
	}
	want, err := p.Eval(x)
	if err != nil {
		if !p.CanFail() {
			t.Errorf("%s %s of %v fails, which CanFail does not say: %v", op, attrs, in, err)
		}
		return true
	}
	got := make([][]float64, len(want))
	for i, y := range want {
		if got[i] = make([]float64, len(y)); len(y) != p.Out[i].Len() {
			t.Errorf("%s %s of %v: %d elements for %v", op, attrs, in, len(y), p.Out[i])
		}
	}
	for task := p.Tasks() - 1; task >= 0; task-- {
		if err := p.Run(task, x, got); err != nil {
			t.Errorf("%s %s of %v: task %d: %v", op, attrs, in, task, err)
		}
	}
	for i := range want {
		if !slices.EqualFunc(got[i], want[i], func(a, b float64) bool { return a == b || a != a && b != b }) {
			t.Errorf("%s %s of %v: tasks differ from the whole", op, attrs, in)
		}
	}
	return true
}

// TestKindsRound compares the rounding of integer kinds with Go's conversions.
func TestKindsRound(t *testing.T) {
	for _, x := range []float64{0, 1, -1, 127, 128, -128, -129, 255, 256, 300.7, -300.7, 1 << 20, -(1 << 33)} {
		n := int64(x)
		for k, want := range map[NodeKind]float64{NodeInt8: float64(int8(n)), NodeUint8: float64(uint8(n)), NodeInt16: float64(int16(n)), NodeUint16: float64(uint16(n)),
			NodeInt32: float64(int32(n)), NodeUint32: float64(uint32(n)), NodeInt64: float64(n)} {
			if got := k.Round(x); got != want {
				t.Errorf("%v of %v is %v, want %v", k, x, got, want)
			}
		}
	}
}

// TestAttrsRoundTrip: attributes read back as they were printed.
func TestAttrsRoundTrip(t *testing.T) {
	a := NodeAttrs{"axes": NodeInts(1, -2), "alpha": NodeFloats(0.1, 1e-30), "mode": "edge"}
	b, err := ParseNodeAttrs(a.String())
	if err != nil || fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("%v became %v, %v", a, b, err)
	}
	for _, bad := range []string{"x", ":1", "a:1;a:2", "a:1;;"} {
		if _, err := ParseNodeAttrs(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// TestErrors: what is wrong is said.
func TestErrors(t *testing.T) {
	f := func(shape ...int) NodeType { return NodeType{NodeFloat, shape} }
	for _, c := range []struct {
		op, attrs string
		in        []NodeType
		want      string
	}{
		{"Softmax", "axis:4", []NodeType{f(2, 3)}, "axis 4 does not exist"},
		{"Reshape", "shape:4,-1", []NodeType{f(2, 3)}, "cannot be reshaped"},
		{"Add", "", []NodeType{f(2, 3), f(2)}, "do not fit"},
		{"Add", "", []NodeType{f(2), {NodeInt64, []int{2}}}, "kinds"},
		{"Gather", "", []NodeType{f(2), f(2)}, "want integers"},
		{"TopK", "k:9", []NodeType{f(2, 3)}, "k is 9"},
		{"Conv", "", []NodeType{f(1, 3, 5, 5), f(4, 2, 3, 3)}, "weights"},
		{"Slice", "starts:0;ends:x", []NodeType{f(4)}, "whole numbers"},
		{"Pad", "pads:1,2,3", []NodeType{f(4)}, "3 pads"},
		{"Resize", "sizes:2,2;mode:lanczos", []NodeType{f(4, 4)}, "one of nearest"},
		{"MatMul", "", []NodeType{f(2, 3), f(2, 3)}, "inner axes"},
		{"Expand", "shape:100000,100000,100000", []NodeType{f(1)}, "too large"},
	} {
		if _, err := PlanNode(c.op, c.attrs, c.in, false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", c.op, c.attrs, err, c.want)
		}
	}
}

// TestIntegersWithin: integers below 2^53 are computed, and a bound that bounds nothing may be larger.
func TestIntegersWithin(t *testing.T) {
	i := NodeInt64
	one := []NodeType{{i, []int{1}}, {i, []int{1}}}
	const most = 1<<53 - 1
	for _, c := range []struct {
		op, attrs string
		in        []NodeType
		x         [][]float64
		want      float64
	}{
		{"Min", "", one, [][]float64{{most}, {math.MaxInt64}}, most},
		{"Max", "", one, [][]float64{{-most}, {math.MinInt64}}, -most},
		{"Equal", "", one, [][]float64{{most}, {most - 1}}, 0},
		{"Sub", "", one, [][]float64{{most}, {1}}, most - 1},
		{"Cast", "to:i32", one[:1], [][]float64{{1<<40 + 1}}, 1},
	} {
		p, err := PlanNode(c.op, c.attrs, c.in, false)
		if err != nil {
			t.Errorf("%s: %v", c.op, err)
			continue
		}
		if y, err := p.Eval(c.x); err != nil || y[0][0] != c.want {
			t.Errorf("%s: %v, %v, want %v", c.op, y, err, c.want)
		}
	}
}

// TestOutside: an index outside of its axis, and an integer beyond 2^53, is an error of the run.
func TestOutside(t *testing.T) {
	f, i := NodeFloat, NodeInt64
	for _, c := range []struct {
		op, attrs string
		in        []NodeType
		x         [][]float64
		want      string
	}{
		{"Gather", "", []NodeType{{f, []int{2}}, {i, []int{2}}}, [][]float64{{1, 2}, {0, 2}}, "index 2, element 1"},
		{"Gather", "", []NodeType{{f, []int{2}}, {i, []int{1}}}, [][]float64{{1, 2}, {-3}}, "index -3"},
		{"GatherElements", "", []NodeType{{f, []int{2}}, {i, []int{1}}}, [][]float64{{1, 2}, {5}}, "index 5"},
		{"GatherND", "", []NodeType{{f, []int{2, 2}}, {i, []int{1, 2}}}, [][]float64{{1, 2, 3, 4}, {1, 2}}, "index 2, element 1"},
		{"ScatterElements", "", []NodeType{{f, []int{2}}, {i, []int{1}}, {f, []int{1}}}, [][]float64{{1, 2}, {2}, {0}}, "index 2"},
		{"ScatterND", "", []NodeType{{f, []int{2}}, {i, []int{1, 1}}, {f, []int{1}}}, [][]float64{{1, 2}, {-3}, {0}}, "index -3"},
		{"ReverseSequence", "", []NodeType{{f, []int{2, 1}}, {i, []int{1}}}, [][]float64{{1, 2}, {3}}, "length 3"},
		{"NegativeLogLikelihoodLoss", "", []NodeType{{f, []int{1, 2}}, {i, []int{1}}}, [][]float64{{1, 2}, {2}}, "target 2"},
		{"Mul", "", []NodeType{{i, []int{1}}, {i, []int{1}}}, [][]float64{{1 << 40}, {1 << 40}}, "beyond 2^53"},
		{"ReduceSum", "", []NodeType{{i, []int{2}}}, [][]float64{{1 << 53, 1 << 53}}, "beyond 2^53"},
		{"Cast", "to:i64", []NodeType{{f, []int{1}}}, [][]float64{{1e20}}, "beyond 2^53"},
		{"Cast", "to:i64", []NodeType{{f, []int{1}}}, [][]float64{{math.NaN()}}, "NaN is no integer"},
		{"Cast", "to:i32", []NodeType{{i, []int{1}}}, [][]float64{{-1 << 62}}, "beyond 2^53"},
		{"Add", "", []NodeType{{i, []int{1}}, {i, []int{1}}}, [][]float64{{1 << 53}, {-1}}, "beyond 2^53"},
		{"Div", "", []NodeType{{i, []int{1}}, {i, []int{1}}}, [][]float64{{1 << 53}, {3}}, "beyond 2^53"},
		{"Equal", "", []NodeType{{i, []int{1}}, {i, []int{1}}}, [][]float64{{1 << 53}, {1 << 53}}, "beyond 2^53"},
		{"Greater", "", []NodeType{{i, []int{1}}, {i, []int{1}}}, [][]float64{{1}, {-1 << 53}}, "beyond 2^53"},
		{"Less", "", []NodeType{{i, []int{1}}, {i, []int{1}}}, [][]float64{{1}, {1 << 60}}, "beyond 2^53"},
		{"ArgMax", "", []NodeType{{i, []int{2}}}, [][]float64{{1 << 53, 1 << 53}}, "beyond 2^53"},
		{"ArgMin", "", []NodeType{{i, []int{2}}}, [][]float64{{1 << 53, 1 << 53}}, "beyond 2^53"},
		{"TopK", "k:1", []NodeType{{i, []int{2}}}, [][]float64{{1 << 53, 1 << 53}}, "beyond 2^53"},
		{"Max", "", []NodeType{{i, []int{1}}, {i, []int{1}}}, [][]float64{{1 << 53}, {0}}, "beyond 2^53"},
		{"ReduceMin", "", []NodeType{{i, []int{2}}}, [][]float64{{-1 << 53, 0}}, "beyond 2^53"},
		{"Abs", "", []NodeType{{i, []int{1}}}, [][]float64{{-1 << 53}}, "beyond 2^53"},
	} {
		p, err := PlanNode(c.op, c.attrs, c.in, false)
		if err != nil {
			t.Errorf("%s: %v", c.op, err)
			continue
		}
		if _, err := p.Eval(c.x); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.op, err, c.want)
		}
	}
}

// TestHostileEmpty runs every operator as a step of a program, with operands that may have no
// elements.
func TestHostileEmpty(t *testing.T) {
	r := draws{rand.New(rand.NewPCG(3, 4))}
	ops := NodeNames()
	for op := range nodeDynamic {
		ops = append(ops, op)
	}
	slices.Sort(ops)
	run := 0
	for _, op := range ops {
		if op == "Program" {
			continue
		}
		for range 1500 {
			in, same := make([]NodeArray, 1+r.IntN(4)), r.emptyShape()
			for i := range in {
				in[i].Kind, in[i].Shape = NodeFloat, same
				if r.IntN(2) == 0 {
					in[i].Shape = r.emptyShape()
				}
				if r.IntN(3) == 0 {
					in[i].Kind = NodeKind(1 + r.IntN(len(nodeKindNames)-1))
				}
				in[i].Data = make([]float64, in[i].Len())
				for j := range in[i].Data {
					in[i].Data[j] = in[i].Kind.Round(r.NormFloat64() * 4)
				}
			}
			attrs := NodeAttrs{}
			for range r.IntN(4) {
				attrs[drawnAttrs[r.IntN(len(drawnAttrs))]] = r.value()
			}
			if triedStep(t, op, attrs, in) {
				run++
			}
		}
	}
	if run < 10000 {
		t.Errorf("only %d steps were run", run)
	}
}

// triedStep runs a step of a program and reports whether it was accepted.
func triedStep(t *testing.T, op string, attrs NodeAttrs, in []NodeArray) bool {
	defer func() {
		if x := recover(); x != nil {
			var shapes []NodeType
			for _, a := range in {
				shapes = append(shapes, a.NodeType)
			}
			t.Errorf("%s %v of %v: %v", op, attrs, shapes, x)
		}
	}()
	left := 1 << 16
	out, err := nodeStepOf(&NodeStep{Op: op, Outs: 1}, attrs, in, false, func(n int) error {
		if left -= n; left < 0 {
			return errNodeMemory
		}
		return nil
	})
	for _, a := range out {
		if a.Len() != len(a.Data) {
			t.Errorf("%s: %d elements for %v", op, len(a.Data), a.Shape)
		}
	}
	return err == nil
}

// TestProgram: a program reads back as it was printed, and runs.
func TestProgram(t *testing.T) {
	const text = "NonZero 0 - 1 Const i64 scalar 1 Shape 1 - 1 Gather 3,2 axis=0 1 Cast 4 to=bool 1 " +
		"If 5 - 1 { Const i64 1 9 return 6 } { Const i64 0 - return 6 } Slice 0,starts=2,ends=4 axes=0 1 return 1,6"
	p, err := ParseNodeProgram(strings.Replace(text, "Slice 0,starts=2,ends=4 axes=0 1 ", "", 1), 1)
	if err != nil {
		t.Fatal(err)
	}
	if q, err := ParseNodeProgram(p.String(), 1); err != nil || q.String() != p.String() {
		t.Errorf("%v became %v, %v", p, q, err)
	}
	attrs := NodeAttrs{"program": p.String(), "kinds": "i64,i64", "bounds": "1x4,1"}.String()
	plan, err := PlanNode("Program", attrs, []NodeType{{NodeFloat, []int{4}}}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ x, index, other, sizes []float64 }{
		{[]float64{0, 5, 0, 6}, []float64{1, 3, 0, 0}, []float64{9}, []float64{1, 2, 1, 0}},
		{[]float64{0, 0, 0, 0}, []float64{0, 0, 0, 0}, []float64{0}, []float64{1, 0, 0, 0}},
	} {
		y, err := plan.Eval([][]float64{c.x})
		if err != nil || !slices.Equal(y[0], c.index) || !slices.Equal(y[1], c.other) || !slices.Equal(y[2], c.sizes) {
			t.Errorf("%v: %v, %v", c.x, y, err)
		}
	}
	for bad, want := range map[string]string{
		"": "without return", "NonZero 1 - 1 return 0": "operand", "Gather 0 - 1": "without return", "Telepathy 0 - 1 return 1": "not known", "return 1": "operand", "return 0 x": "follows",
		"Const i64 2 1 return 1": "1 elements", "If 0 - 1 { return 0 } return 1": "want", "Program 0 - 1 return 1": "not known", "Const i64 2x 1,1 return 1": "shape",
		"Const i64 99999999999x999999999 - return 1": "shape", "Const i64 2097152x2097152x2097152x2 - return 1": "too large", "If 0 - 1 { return 0,0 } { return 0 } return 1": "another number",
	} {
		if _, err := ParseNodeProgram(bad, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", bad, err, want)
		}
	}
}

// TestProgramErrors: what a program cannot compute for the elements of a run is an error.
func TestProgramErrors(t *testing.T) {
	for _, c := range []struct{ program, kinds, bounds, want string }{
		{"NonZero 0 - 1 return 1", "i64", "1x2", "larger than"},
		{"NonZero 0 - 1 return 1", "f32", "1x4", "want f32"},
		{"Gather 0,1 axis=0 1 return 1", "f32", "4", "operand"},
		{"Const i64 1 9 Gather 0,1 axis=0 1 return 2", "f32", "1", "index 9"},
		{"Const i64 2 100000,100000 ConstantOfShape 1 - 1 return 2", "f32", "1x1", "memory"},
		{"Const i64 2 100000,100000 Expand 0,shape=1 - 1 return 2", "f32", "1x1", "do not fit"},
		{"Const i64 2 100000,4 Const i64 1 1000 Expand 0,shape=1 - 1 Tile 3,repeats=1 - 1 return 3", "f32", "1x1", "large"},
		{"Const i64 1 -1 ConstantOfShape 1 - 1 return 2", "f32", "1", "-1 elements"},
	} {
		attrs := NodeAttrs{"program": c.program, "kinds": c.kinds, "bounds": c.bounds}.String()
		p, err := PlanNode("Program", attrs, []NodeType{{NodeFloat, []int{4}}}, false)
		if err == nil {
			_, err = p.Eval([][]float64{{1, 1, 1, 1}})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.program, err, c.want)
		}
	}
}

// TestConcatOfMany: a detector joins the boxes of each of its classes, 90 and more.
func TestConcatOfMany(t *testing.T) {
	const n = 300
	var types []NodeType
	var x [][]float64
	var want []float64
	for i := range n {
		types = append(types, NodeType{NodeFloat, []int{1 + i%2}})
		x = append(x, []float64{float64(i), float64(-i)}[:1+i%2])
		want = append(want, x[i]...)
	}
	plan, err := PlanNode("Concat", NodeAttrs{"axis": "0"}.String(), types, false)
	if err != nil {
		t.Fatal(err)
	}
	if y, err := plan.Eval(x); err != nil || !slices.Equal(y[0], want) {
		t.Errorf("%v, %v; want %v", y, err, want)
	}
	if _, err := PlanNode("Concat", NodeAttrs{"axis": "0"}.String(), append(types, NodeType{NodeFloat, []int{1, 1}}), false); err == nil {
		t.Error("an operand with another number of axes is accepted")
	}
}
