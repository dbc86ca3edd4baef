package torch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ops"
)

// call is how PyTorch computes a node: with a module that forward calls, or with an
// expression.
type call struct {
	n *ir.Node
	// make is the constructor of the module, "" for none. $0, $1 and so on stand for the
	// numbers of slots.
	make  string
	slots []slot
	// tensors are the names that the module gives to the params n.In[1:].
	tensors []string
	// text is the value, where %0, %1 and so on stand for the operands and @ for the module.
	text string
	// follows says that the text is short and applies to one value, such as an activation:
	// it can enclose the text of its operand.
	follows bool
	any     bool // mypy does not know the type of text: it is that of a module's call
}

// slot is a number that can differ between the objects of one class.
type slot struct {
	name  string // what an argument for it is called, with @ for the module's attribute
	value int
}

// table has what PyTorch calls each op.
var table = ir.NewTable(append(activationRows,
	ir.For(conv), ir.For(dense), ir.For(batchNorm),
	ir.For(maxPool), ir.For(avgPool), ir.For(gap), ir.For(lrn), ir.For(dropout), ir.For(pad),
	ir.For(concat), ir.For(maxout), ir.For(flatten), ir.For(reshape), ir.For(transpose), ir.For(slice), ir.For(split),
	ir.For(reduce), ir.For(matMul), ir.For(maximum), ir.For(scale), ir.For(leakyReLU),
	ir.For(node), ir.For(softmax), ir.For(logSoftmax), unary[ops.Sqrt]("torch.sqrt(%0)"),
	infix[ops.Add](" + "), infix[ops.Sub](" - "), infix[ops.Mul](" * "), infix[ops.Div](" / "),
)...)

// activations has the ops that can be part of another, as its attribute act.
var activations = ir.NewTable(activationRows...)

var activationRows = []ir.Row[*call]{
	unary[ops.ReLU]("F.relu(%0)"), unary[ops.Sigmoid]("torch.sigmoid(%0)"), unary[ops.Tanh]("torch.tanh(%0)"),
	unary[ops.SiLU]("F.silu(%0)"), unary[ops.HardSwish]("F.hardswish(%0)"),
	ir.For(clip), ir.For(gelu), ir.For(hardSigmoid),
}

// callOf returns how PyTorch computes a node.
func callOf(n *ir.Node) (*call, error) {
	c := &call{n: n}
	switch ok, err := table.Do(n, c); {
	case !ok:
		why := ""
		if d := ir.DefOf(n.Op); d != nil && d.Grad {
			why = ", which only training needs"
		}
		return nil, fmt.Errorf("%s: incc gen torch has no way to write the op %s%s", n.Out[0].Name, diag.Quote(ir.FormatOp(n.Op)), why)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", n.Out[0].Name, err)
	}
	return c, nil
}

func unary[T ir.Op](text string) ir.Row[*call] {
	return ir.For(func(_ T, _ *ir.Node, c *call) error {
		c.text, c.follows = text, true
		return nil
	})
}

func infix[T ir.Op](sign string) ir.Row[*call] {
	return ir.For(func(_ T, n *ir.Node, c *call) error {
		terms := make([]string, len(n.In))
		for i := range terms {
			terms[i] = "%" + strconv.Itoa(i)
		}
		c.text = strings.Join(terms, sign)
		return nil
	})
}

// regular reports whether the params of a node, n.In[1:], can be those of a module: none of
// them is computed or left out, and all belong to one layer.
func regular(n *ir.Node) bool {
	for _, v := range n.In[1:] {
		if v == nil || v.Param == nil {
			return false
		}
	}
	return layerOf(n) != ""
}

// activated sets the text of a layer with an activation behind it.
func (c *call) activated(text string, act ops.Act) error {
	c.text = text
	op := act.Op()
	if op == nil {
		c.any = c.make != ""
		return nil
	}
	after := &call{n: c.n}
	if ok, err := activations.Do(&ir.Node{Op: op, In: c.n.In[:1], Out: c.n.Out}, after); !ok || err != nil {
		return fmt.Errorf("no way to write the activation %s: %w", act, err)
	}
	c.text = strings.ReplaceAll(after.text, "%0", text)
	return nil
}

func conv(op ops.Conv, n *ir.Node, c *call) error {
	w := n.In[1].Type.Shape
	x := "%0"
	p := op.Pad
	padding := ir.HW{p[0], p[1]}
	if p[0] != p[2] || p[1] != p[3] {
		x, padding = fmt.Sprintf("F.pad(%%0, (%d, %d, %d, %d))", p[1], p[3], p[0], p[2]), ir.HW{}
	}
	var settings strings.Builder
	for _, s := range []struct {
		name  string
		value ir.HW
		usual ir.HW
	}{{"stride", op.Stride, ir.HW{1, 1}}, {"padding", padding, ir.HW{}}, {"dilation", op.Dilation, ir.HW{1, 1}}} {
		if s.value != s.usual {
			fmt.Fprintf(&settings, ", %s=%s", s.name, pair(s.value))
		}
	}
	if !regular(n) {
		bias := "None"
		if len(n.In) > 2 {
			bias = "%2"
		}
		return c.activated(fmt.Sprintf("F.conv2d(%s, %%1, %s%s, groups=%d)", x, bias, settings.String(), op.Groups), op.Act)
	}
	c.slots = []slot{{"in_channels", w[1] * op.Groups}, {"@", w[0]}}
	groups, bias := "", ""
	if op.Groups > 1 {
		c.slots = append(c.slots, slot{"@_groups", op.Groups})
		groups = ", groups=$2"
	}
	if c.tensors = []string{"weight"}; len(n.In) > 2 {
		c.tensors = append(c.tensors, "bias")
	} else {
		bias = ", bias=False"
	}
	c.make = fmt.Sprintf("nn.Conv2d($0, $1, %s%s%s%s)", pair(ir.HW{w[2], w[3]}), settings.String(), groups, bias)
	return c.activated(fmt.Sprintf("@(%s)", x), op.Act)
}

func dense(op ops.Dense, n *ir.Node, c *call) error {
	if !regular(n) {
		bias := ""
		if len(n.In) > 2 {
			bias = ", %2"
		}
		return c.activated("F.linear(%0, %1"+bias+")", op.Act)
	}
	w := n.In[1].Type.Shape
	c.slots = []slot{{"in_features", w[1]}, {"@", w[0]}}
	c.make = "nn.Linear($0, $1, bias=False)"
	if c.tensors = []string{"weight"}; len(n.In) > 2 {
		c.tensors = append(c.tensors, "bias")
		c.make = "nn.Linear($0, $1)"
	}
	return c.activated("@(%0)", op.Act)
}

func batchNorm(op ops.BatchNorm, n *ir.Node, c *call) error {
	x := n.In[0].Type.Shape
	class := map[int]string{2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}[len(x)]
	trains := n.In[3].Param != nil && n.In[3].Param.Kind == ir.State
	if class == "" || !regular(n) || !trains {
		mode := "False"
		if trains {
			mode = "self.training"
		}
		c.text = fmt.Sprintf("F.batch_norm(%%0, %%3, %%4, %%1, %%2, %s, %s, %s)", mode, momentum(op), float(op.Eps))
		return nil
	}
	var settings strings.Builder
	if op.Eps != 1e-5 {
		settings.WriteString(", eps=" + float(op.Eps))
	}
	if m := momentum(op); m != "0.1" {
		settings.WriteString(", momentum=" + m)
	}
	c.slots = []slot{{"in_channels", x[1]}}
	c.tensors = []string{"weight", "bias", "running_mean", "running_var"}
	c.make = fmt.Sprintf("nn.%s($0%s)", class, settings.String())
	c.text, c.follows, c.any = "@(%0)", true, true
	return nil
}

// momentum is that of PyTorch, which is the share of the new value.
func momentum(op ops.BatchNorm) string {
	return float(float64(int64((1-op.Momentum)*1e12+0.5)) / 1e12)
}

// window describes the windows of a pool in the words of PyTorch.
type window struct {
	args string // kernel, stride and so on
	pad  string // an operand of F.pad that must come first, "" for none
}

// poolWindow finds arguments of MaxPool2d or AvgPool2d that give the windows of a pool. Only
// PyTorch's own padding has the same rows and columns on both sides; other paddings become
// ceil_mode where the last windows end after the input, or else a step of their own.
func poolWindow(kernel, stride ir.HW, pad ir.Pads, ceil bool, x, y ir.Shape, padCounts bool) window {
	args := pair(kernel)
	if stride != kernel {
		args += ", stride=" + pair(stride)
	}
	before := ir.HW{pad[0], pad[1]}
	fits := 2*before[0] <= kernel[0] && 2*before[1] <= kernel[1]
	if padCounts && before != (ir.HW{pad[2], pad[3]}) {
		fits = false
	}
	if before != (ir.HW{}) {
		args += ", padding=" + pair(before)
	}
	for _, up := range []bool{false, true} {
		same := fits
		for a := range 2 {
			span := x[2+a] + 2*before[a] - kernel[a]
			out := span/stride[a] + 1
			if up {
				out = (span+stride[a]-1)/stride[a] + 1
				if (out-1)*stride[a] >= x[2+a]+before[a] {
					out--
				}
			}
			same = same && out == y[2+a]
		}
		if same && up {
			return window{args: args + ", ceil_mode=True"}
		}
		if same {
			return window{args: args}
		}
	}
	args, _, _ = strings.Cut(args, ", padding=")
	var after ir.HW
	for a := range 2 {
		after[a] = (y[2+a]-1)*stride[a] + kernel[a] - x[2+a] - before[a]
	}
	return window{args, fmt.Sprintf("(%d, %d, %d, %d)", before[1], after[1], before[0], after[0])}
}

func maxPool(op ops.MaxPool, n *ir.Node, c *call) error {
	w := poolWindow(op.Kernel, op.Stride, op.Pad, op.Ceil, n.In[0].Type.Shape, n.Out[0].Type.Shape, false)
	c.make, c.text, c.any = "nn.MaxPool2d("+w.args+")", "@(%0)", true
	if w.pad != "" {
		c.text = "@(F.pad(%0, " + w.pad + ", value=-torch.inf))"
	}
	return nil
}

func avgPool(op ops.AvgPool, n *ir.Node, c *call) error {
	x, y := n.In[0].Type.Shape, n.Out[0].Type.Shape
	w := poolWindow(op.Kernel, op.Stride, op.Pad, op.Ceil, x, y, op.IncludePad)
	if w.pad == "" {
		if op.Pad != (ir.Pads{}) && !op.IncludePad {
			w.args += ", count_include_pad=False"
		}
		c.make, c.text, c.any = "nn.AvgPool2d("+w.args+")", "@(%0)", true
		return nil
	}
	// The sum of a window divided by the number of elements that count.
	ones := "torch.ones_like(%0), " + w.pad
	if op.IncludePad {
		p := op.Pad
		ones = fmt.Sprintf("torch.ones_like(F.pad(%%0, (%d, %d, %d, %d))), (0, %d, 0, %d)", p[1], p[3], p[0], p[2],
			(y[3]-1)*op.Stride[1]+op.Kernel[1]-x[3]-p[1]-p[3], (y[2]-1)*op.Stride[0]+op.Kernel[0]-x[2]-p[0]-p[2])
	}
	c.make = "nn.AvgPool2d(" + w.args + ", divisor_override=1)"
	c.text, c.any = "@(F.pad(%0, "+w.pad+")) / @(F.pad("+ones+"))", true
	return nil
}

func gap(_ ops.GlobalAvgPool, _ *ir.Node, c *call) error {
	c.text = "F.adaptive_avg_pool2d(%0, 1)"
	return nil
}

func lrn(op ops.LRN, _ *ir.Node, c *call) error {
	args := strconv.Itoa(op.Size)
	if op.Alpha != 1e-4 {
		args += ", alpha=" + float(op.Alpha)
	}
	if op.Beta != 0.75 {
		args += ", beta=" + float(op.Beta)
	}
	if op.K != 1 {
		args += ", k=" + float(op.K)
	}
	c.make, c.text, c.any = "nn.LocalResponseNorm("+args+")", "@(%0)", true
	if op.Size%2 == 0 {
		// PyTorch has the larger half of an even window before the channel, incc behind it.
		c.text = "@(%0.flip(1)).flip(1)"
	}
	return nil
}

func dropout(op ops.Dropout, _ *ir.Node, c *call) error {
	c.make, c.text, c.any = "nn.Dropout("+float(op.P)+")", "@(%0)", true
	return nil
}

func pad(op ops.Pad, _ *ir.Node, c *call) error {
	value := ""
	if op.Value != 0 {
		value = ", value=" + float(op.Value)
	}
	c.text = fmt.Sprintf("F.pad(%%0, (%d, %d, %d, %d)%s)", op.Pad[1], op.Pad[3], op.Pad[0], op.Pad[2], value)
	return nil
}

// operands lists the placeholders of all operands.
func operands(n *ir.Node) string {
	list := make([]string, len(n.In))
	for i := range list {
		list[i] = "%" + strconv.Itoa(i)
	}
	return strings.Join(list, ", ")
}

func concat(op ops.Concat, n *ir.Node, c *call) error {
	c.text = fmt.Sprintf("torch.cat([%s], %d)", operands(n), op.Axis)
	return nil
}

func maxout(op ops.Maxout, _ *ir.Node, c *call) error {
	c.text = fmt.Sprintf("%%0.unflatten(1, (-1, %d)).max(2).values", op.Pieces)
	return nil
}

func flatten(_ ops.Flatten, _ *ir.Node, c *call) error {
	c.text = "torch.flatten(%0, 1)"
	return nil
}

func reshape(op ops.Reshape, _ *ir.Node, c *call) error {
	s, err := op.Shape.Shape()
	if err != nil {
		return err
	}
	dims := strings.ReplaceAll(strings.ReplaceAll(fmt.Sprint([]int(s)), " ", ", "), "[", "")
	c.text = "%0.reshape(" + strings.TrimSuffix(dims, "]") + ")"
	if len(s) == 0 {
		c.text = "%0.reshape(())"
	}
	return nil
}

func transpose(op ops.Transpose, _ *ir.Node, c *call) error {
	c.text = "%0.permute(" + strings.ReplaceAll(string(op.Perm), ",", ", ") + ")"
	return nil
}

func slice(op ops.Slice, _ *ir.Node, c *call) error {
	c.text = fmt.Sprintf("%%0.narrow(%d, %d, %d)", op.Axis, op.Start, op.Stop-op.Start)
	return nil
}

func split(op ops.Split, _ *ir.Node, c *call) error {
	c.text = fmt.Sprintf("torch.split(%%0, [%s], %d)", strings.ReplaceAll(string(op.Sizes), ",", ", "), op.Axis)
	return nil
}

func reduce(op ops.Reduce, n *ir.Node, c *call) error {
	axes, err := op.Over(len(n.In[0].Type.Shape))
	if err != nil {
		return err
	}
	slices.Sort(axes)
	keep := ""
	if op.Keep {
		keep = ", keepdim=True"
	}
	list := strings.ReplaceAll(strings.Trim(fmt.Sprint(axes), "[]"), " ", ", ")
	if len(axes) == 1 {
		list += ","
	}
	name := map[ops.ReduceKind]string{ops.ReduceSum: "sum", ops.ReduceMean: "mean", ops.ReduceMax: "amax"}[op.Kind]
	c.text = fmt.Sprintf("%%0.%s((%s)%s)", name, list, keep)
	return nil
}

func matMul(op ops.MatMul, _ *ir.Node, c *call) error {
	a, b := "%0", "%1"
	if op.TransA {
		a += ".T"
	}
	if op.TransB {
		b += ".T"
	}
	c.text = "torch.matmul(" + a + ", " + b + ")"
	return nil
}

func maximum(_ ops.Max, n *ir.Node, c *call) error {
	for _, v := range n.In[1:] {
		if !v.Type.Shape.Equal(n.In[0].Type.Shape) {
			c.text = "%0"
			for i := range n.In[1:] {
				c.text = fmt.Sprintf("torch.maximum(%s, %%%d)", c.text, i+1)
			}
			return nil
		}
	}
	c.text = "torch.stack([" + operands(n) + "]).max(0).values"
	return nil
}

func clip(op ops.Clip, _ *ir.Node, c *call) error {
	c.text, c.follows = fmt.Sprintf("torch.clamp(%%0, %s, %s)", bound(op.Min), bound(op.Max)), true
	if op == (ops.Clip{Min: 0, Max: 6}) {
		c.text = "F.relu6(%0)"
	}
	return nil
}

func bound(x float64) string {
	switch s := float(x); s {
	case "+Inf", "-Inf":
		return "None"
	default:
		return s
	}
}

func scale(op ops.Scale, _ *ir.Node, c *call) error {
	c.text = "%0 * " + float(op.By)
	return nil
}

func leakyReLU(op ops.LeakyReLU, _ *ir.Node, c *call) error {
	c.text, c.follows = fmt.Sprintf("F.leaky_relu(%%0, %s)", float(op.Alpha)), true
	return nil
}

func gelu(op ops.GELU, _ *ir.Node, c *call) error {
	if c.text, c.follows = "F.gelu(%0)", true; op.Tanh {
		c.text = `F.gelu(%0, approximate="tanh")`
	}
	return nil
}

func hardSigmoid(op ops.HardSigmoid, _ *ir.Node, c *call) error {
	c.text, c.follows = fmt.Sprintf("torch.clamp(%s * %%0 + %s, 0.0, 1.0)", float(op.Alpha), float(op.Beta)), true
	if def, ok := ops.ActHardSigmoid.Op().(ops.HardSigmoid); ok && op == def {
		c.text = "F.hardsigmoid(%0)"
	}
	return nil
}

func softmax(op ops.Softmax, _ *ir.Node, c *call) error {
	c.text, c.follows = fmt.Sprintf("torch.softmax(%%0, %d)", op.Axis), true
	return nil
}

func logSoftmax(op ops.LogSoftmax, _ *ir.Node, c *call) error {
	c.text, c.follows = fmt.Sprintf("torch.log_softmax(%%0, %d)", op.Axis), true
	return nil
}
