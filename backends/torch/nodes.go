package torch

import (
	"fmt"
	"strconv"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
	"github.com/incc-lang/incc/ir/ops"
)

// This file writes the operators of ONNX that are layers of the language.

// nodeTexts are operators of one number without attributes, and of two arrays.
var nodeTexts = map[string]string{
	"Exp": "torch.exp(%0)", "Log": "torch.log(%0)", "Abs": "torch.abs(%0)", "Neg": "-%0", "Sin": "torch.sin(%0)", "Cos": "torch.cos(%0)",
	"Erf": "torch.erf(%0)", "Sign": "torch.sign(%0)", "Floor": "torch.floor(%0)", "Ceil": "torch.ceil(%0)", "Reciprocal": "torch.reciprocal(%0)",
	"Mish": "F.mish(%0)", "Softplus": "F.softplus(%0)", "Softsign": "F.softsign(%0)", "Identity": "%0",
	"Add": "%0 + %1", "Sub": "%0 - %1", "Mul": "%0 * %1", "Div": "%0 / %1", "Pow": "torch.pow(%0, %1)",
}

func node(op ops.Node, n *ir.Node, c *call) error {
	types := make([]ir.Type, len(n.In))
	for i, v := range n.In {
		types[i] = v.Type
	}
	none := fmt.Errorf("incc gen torch has no way to write the operator %s with the attributes %q", op.Type, op.Attrs)
	if op.Kinds != "" {
		return none
	}
	if text := nodeTexts[op.Type]; text != "" && op.Attrs == "" {
		c.text, c.follows = text, len(n.In) == 1 && text != "-%0"
		return nil
	}
	switch op.Type {
	case "ConvTranspose":
		if t, ok := ops.TransposedOf(op, types); ok {
			convTranspose(t, n, c)
			return nil
		}
	case "Resize":
		if r, ok := ops.ResizingOf(op, types); ok {
			s := types[0].Shape
			return resize(r.Simplify(ir.HW{s[2], s[3]}), c)
		}
	case "DepthToSpace":
		if b, crd, ok := ops.ShuffleOf(op); ok {
			s := n.Out[0].Type.Shape
			if c.text = fmt.Sprintf("F.pixel_shuffle(%%0, %d)", b); !crd {
				c.text = fmt.Sprintf("%%0.reshape(-1, %d, %d, %d, %d, %d).permute(0, 3, 4, 1, 5, 2).reshape(-1, %d, %d, %d)", b, b, s[1], s[2]/b, s[3]/b, s[1], s[2], s[3])
			}
			return nil
		}
	case "Pad":
		if p, mode, ok := ops.PaddingOf(op, types); ok && len(n.In) == 1 {
			mode = map[string]string{"reflect": "reflect", "edge": "replicate", "wrap": "circular"}[mode]
			c.text = fmt.Sprintf("F.pad(%%0, (%d, %d, %d, %d), mode=%q)", p[1], p[3], p[0], p[2], mode)
			return nil
		}
	case "InstanceNormalization", "GroupNormalization":
		if groupedNorm(op, n, c) {
			return nil
		}
	case "PRelu":
		c.text = "F.prelu(%0, %1.reshape(-1))"
		return nil
	case "Elu", "Celu":
		attrs, err := nodes.ParseNodeAttrs(op.Attrs)
		alpha := 1.0
		if err == nil && attrs["alpha"] != "" {
			alpha, err = strconv.ParseFloat(attrs["alpha"], 64)
		}
		if err == nil {
			c.text, c.follows = fmt.Sprintf("F.%s(%%0, %s)", map[string]string{"Elu": "elu", "Celu": "celu"}[op.Type], float(alpha)), true
			return nil
		}
	}
	return none
}

func convTranspose(t ops.Transposed, n *ir.Node, c *call) {
	w := n.In[1].Type.Shape
	p := ir.HW{min(t.Pad[0], t.Pad[2]), min(t.Pad[1], t.Pad[3])} // what is cut off on both sides
	settings := ""
	for _, s := range []struct {
		name         string
		value, usual ir.HW
	}{{"stride", t.Stride, ir.HW{1, 1}}, {"padding", p, ir.HW{}}, {"output_padding", t.Out, ir.HW{}}, {"dilation", t.Dilation, ir.HW{1, 1}}} {
		if s.value != s.usual {
			settings += fmt.Sprintf(", %s=%s", s.name, pair(s.value))
		}
	}
	if regular(n) {
		c.slots = []slot{{"in_channels", w[0]}, {"@", w[1] * t.Groups}}
		groups, bias := "", ""
		if t.Groups > 1 {
			c.slots = append(c.slots, slot{"@_groups", t.Groups})
			groups = ", groups=$2"
		}
		if c.tensors = []string{"weight"}; len(n.In) > 2 {
			c.tensors = append(c.tensors, "bias")
		} else {
			bias = ", bias=False"
		}
		c.make = fmt.Sprintf("nn.ConvTranspose2d($0, $1, %s%s%s%s)", pair(ir.HW{w[2], w[3]}), settings, groups, bias)
		c.text, c.any = "@(%0)", true
	} else {
		bias := "None"
		if len(n.In) > 2 {
			bias = "%2"
		}
		c.text = fmt.Sprintf("F.conv_transpose2d(%%0, %%1, %s%s, groups=%d)", bias, settings, t.Groups)
	}
	if t.Pad != (ir.Pads{p[0], p[1], p[0], p[1]}) {
		c.text = fmt.Sprintf("F.pad(%s, (%d, %d, %d, %d))", c.text, p[1]-t.Pad[1], p[1]-t.Pad[3], p[0]-t.Pad[0], p[0]-t.Pad[2])
	}
}

func resize(r ops.Resizing, c *call) error {
	size := "size=" + pair(r.To)
	if r.By != ([2]float64{}) {
		if size = "scale_factor=" + float(r.By[0]); r.By[0] != r.By[1] {
			size = fmt.Sprintf("scale_factor=(%s, %s)", float(r.By[0]), float(r.By[1]))
		}
	}
	mode := ""
	switch {
	case r.Mode == "nearest" && r.Coords == "asymmetric" && r.Nearest == "floor":
		mode = `mode="nearest"`
	case r.Mode == "nearest" && r.Coords == "half_pixel" && r.Nearest == "round_prefer_ceil":
		mode = `mode="nearest-exact"`
	case r.Mode == "linear" && (r.Coords == "half_pixel" || r.Coords == "align_corners"):
		mode = `mode="bilinear"`
	case r.Mode == "cubic" && r.Cubic == -0.75 && (r.Coords == "half_pixel" || r.Coords == "align_corners"):
		mode = `mode="bicubic"`
	default:
		return fmt.Errorf("PyTorch has no resizing with mode=%s coords=%s round=%s", r.Mode, r.Coords, r.Nearest)
	}
	if r.Coords == "align_corners" {
		mode += ", align_corners=True"
	}
	c.text = fmt.Sprintf("F.interpolate(%%0, %s, %s)", size, mode)
	return nil
}

// groupedNorm writes a normalization by statistics of the input.
func groupedNorm(op ops.Node, n *ir.Node, c *call) bool {
	eps, ok := ops.EpsilonOf(op)
	groups, okGroups := ops.GroupsOf(op)
	channels := n.In[0].Type.Shape[1]
	grouped := op.Type == "GroupNormalization"
	if !ok || !okGroups || n.In[1].Type.Shape.Size() != channels || !grouped && len(n.In[0].Type.Shape) != 4 {
		return false
	}
	setting := ""
	if eps != 1e-5 {
		setting = ", eps=" + float(eps)
	}
	if !regular(n) {
		if c.text = "F.instance_norm(%0, weight=%1, bias=%2" + setting + ")"; grouped {
			c.text = fmt.Sprintf("F.group_norm(%%0, %d, %%1, %%2%s)", groups, setting)
		}
		return true
	}
	c.slots = []slot{{"in_channels", channels}}
	c.tensors = []string{"weight", "bias"}
	if c.make = "nn.InstanceNorm2d($0" + setting + ", affine=True)"; grouped {
		c.slots = append(c.slots, slot{"@_groups", groups})
		c.make = "nn.GroupNorm($1, $0" + setting + ")"
	}
	c.text, c.follows, c.any = "@(%0)", true, true
	return true
}
