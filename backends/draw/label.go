package draw

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ops"
)

// line is a line of text in a box.
type line struct {
	text string
	bold bool
}

// kindOf returns the class that decides the colour of a layer's box.
func kindOf(n *ir.Node) string {
	switch ir.Name(n.Op) {
	case "conv":
		return "conv"
	case "dense":
		return "dense"
	case "maxpool", "avgpool", "gap", "pad":
		return "pool"
	case "lrn", "batchnorm", "dropout":
		return "norm"
	case "concat", "add", "max", "maxout", "mul", "sub":
		return "join"
	case "softmax", "log_softmax":
		return "out"
	}
	return "act"
}

// mostFollowers is how many layers a box names besides its first one.
const mostFollowers = 6

// describe returns the lines of a box: the first layer with kernel, stride and channels, the
// layers that follow it, and the shape of the result without its batch.
func describe(nodes []*ir.Node) []line {
	lines := []line{{text: layerText(nodes[0]), bold: true}}
	var rest []string
	if act := fusedAct(nodes[0]); act != "" {
		rest = append(rest, act)
	}
	for i, n := range nodes[1:] {
		if i == mostFollowers {
			rest = append(rest, fmt.Sprintf("%d more", len(nodes)-1-i))
			break
		}
		switch name := ir.Name(n.Op); name {
		case "batchnorm":
			rest = append(rest, "bn")
		case "clip":
			if c, ok := n.Op.(ops.Clip); ok && c.Min == 0 && c.Max == 6 {
				name = "relu6"
			}
			rest = append(rest, name)
		default:
			rest = append(rest, name)
		}
	}
	if len(rest) > 0 {
		lines = append(lines, line{text: strings.Join(rest, ", ")})
	}
	last := nodes[len(nodes)-1].Out
	shapes := make([]string, len(last))
	for i, v := range last {
		shapes[i] = v.Type.Shape.WithoutBatch().String()
	}
	return append(lines, line{text: strings.Join(shapes, ", ")})
}

// layerText names a layer as the language writes it: conv 3x3/2 64.
func layerText(n *ir.Node) string {
	switch op := n.Op.(type) {
	case ops.Conv:
		w := n.In[1].Type.Shape // OIHW
		s := fmt.Sprintf("conv %dx%d%s %d", w[2], w[3], strideText(op.Stride), w[0])
		switch in := n.In[0].Type.Shape[1]; {
		case op.Groups > 1 && op.Groups == in:
			s += " depthwise"
		case op.Groups > 1:
			s += fmt.Sprintf(" groups=%d", op.Groups)
		}
		if op.Dilation != (ir.HW{1, 1}) {
			s += " dilation=" + op.Dilation.Short()
		}
		return s
	case ops.MaxPool:
		return "maxpool " + op.Kernel.String() + strideText(op.Stride)
	case ops.AvgPool:
		return "avgpool " + op.Kernel.String() + strideText(op.Stride)
	case ops.Dense:
		return fmt.Sprintf("fc %d", n.Out[0].Type.Shape[1])
	case ops.LRN:
		return fmt.Sprintf("lrn %d", op.Size)
	}
	name := ir.Name(n.Op)
	if name == "batchnorm" {
		return "bn"
	}
	return name
}

// fusedAct returns the activation that a pass has put into a layer, or "".
func fusedAct(n *ir.Node) string {
	var act ops.Act
	switch op := n.Op.(type) {
	case ops.Conv:
		act = op.Act
	case ops.Dense:
		act = op.Act
	}
	if act == "none" {
		return ""
	}
	return string(act)
}

func strideText(s ir.HW) string {
	if s == (ir.HW{1, 1}) {
		return ""
	}
	return "/" + s.Short()
}

// noteOf returns the text beside the pointer: path, output and cost of a box.
func noteOf(it *item, out ir.Shape, o Options) string {
	s := fmt.Sprintf("%s: output %s", it.path, out.WithoutBatch().String())
	if it.sum.params > 0 {
		s += ", " + plural64(it.sum.params, "parameter")
	}
	if it.sum.macs > 0 {
		s += ", " + diag.Thousands(it.sum.macs) + " MACs"
	}
	if it.sum.micros > 0 {
		s += fmt.Sprintf(", %.1f µs", it.sum.micros)
	}
	if it.line > 0 {
		s += fmt.Sprintf(", line %d", it.line)
	}
	return s
}

func plural(n int, what string) string { return plural64(int64(n), what) }

func plural64(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return diag.Thousands(n) + " " + what + "s"
}

// amount returns the cost of a folded part, in the unit that the colours show.
func (o Options) amount(s sums) string {
	switch o.Colour {
	case ByMACs:
		return short(s.macs) + " MACs"
	case ByTime:
		return fmt.Sprintf("%.0f µs", s.micros)
	}
	return short(s.params) + " parameters"
}

// short returns a number in three digits: 164k, 3.57M.
func short(n int64) string {
	x, unit := float64(n), ""
	for _, u := range []string{"k", "M", "G"} {
		if x < 999.5 {
			break
		}
		x, unit = x/1000, u
	}
	if unit == "" {
		return strconv.FormatInt(n, 10)
	}
	return strconv.FormatFloat(x, 'g', 3, 64) + unit
}
