package decompile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// layerer joins pieces into stages: a convolution, its batch normalization and its
// activation are one stage.
type layerer struct {
	pinned map[*ir.Value]bool // values that a stage must end with, because a head reads them
	forms  map[string]dsl.Entry
}

func newLayerer() *layerer {
	l := &layerer{pinned: map[*ir.Value]bool{}, forms: map[string]dsl.Entry{}}
	for _, e := range dsl.Ops() {
		if !e.Block {
			l.forms[e.Name] = e
		}
	}
	return l
}

// cursor reads the pieces of a pipeline.
type cursor struct {
	l    *layerer
	list []*piece
}

// next returns the next node if the stage may go on with it.
func (c *cursor) next(s *stage) *ir.Node {
	if len(c.list) == 0 || c.list[0].branches != nil || c.l.pinned[s.out] {
		return nil
	}
	return c.list[0].node
}

func (c *cursor) take(s *stage) *ir.Node {
	n := c.list[0].node
	c.list = c.list[1:]
	s.out = n.Out[0]
	return n
}

// seq converts pieces to stages.
func (l *layerer) seq(list []*piece) (*seq, error) {
	q := &seq{}
	c := &cursor{l, list}
	for len(c.list) > 0 {
		p := c.list[0]
		if p.from != nil {
			c.list = c.list[1:]
			s := &stage{op: "from", ref: p.from, out: p.from}
			s.set("#0", "")
			q.stages = append(q.stages, s)
			continue
		}
		s := &stage{in: p.node.In[0]}
		var err error
		switch op := p.node.Op.(type) {
		case ops.Conv:
			l.conv(c, s, op)
		case ops.Dense:
			l.fc(c, s)
		case ops.BatchNorm:
			err = l.norm(c, s, op)
		case ops.MaxPool:
			c.take(s)
			maxPool(s, op, p.node)
		case ops.AvgPool:
			c.take(s)
			avgPool(s, op, p.node)
		case ops.Flatten:
			if len(c.list) > 1 && c.list[1].branches == nil && !l.pinned[p.node.Out[0]] && len(s.in.Type.Shape) != 2 {
				if _, ok := c.list[1].node.Op.(ops.Dense); ok {
					c.list = c.list[1:] // fc flattens by itself
					continue
				}
			}
			err = l.generic(c, s)
		default:
			node, isNode := p.node.Op.(ops.Node)
			switch {
			case p.branches != nil:
				err = l.join(c, s, p)
			case !isNode || !l.operator(c, s, node):
				err = l.generic(c, s)
			}
		}
		if err != nil {
			return nil, err
		}
		q.stages = append(q.stages, s)
	}
	return q, nil
}

// hw returns the text of a pair: 2 for 2x2.
func hw(k ir.HW) string {
	if k[0] == k[1] {
		return itoa(k[0])
	}
	return k.String()
}

func (l *layerer) conv(c *cursor, s *stage, op ops.Conv) {
	n := c.take(s)
	s.op = "conv"
	x, w := n.In[0].Type.Shape, n.In[1].Type.Shape
	s.params = append(s.params, n.In[1:]...)
	k := ir.HW{w[2], w[3]}
	s.set("kernel", k.String())
	s.set("stride", hw(op.Stride))
	s.set("units", itoa(w[0]))
	s.set("pad", padTexts(op.Pad, window{k, op.Stride, op.Dilation}, x, false)...)
	s.set("dilation", hw(op.Dilation))
	groups := []string{itoa(op.Groups)}
	if op.Groups == x[1] && x[1] > 1 {
		groups = []string{"depthwise", itoa(op.Groups)}
	}
	s.set("groups", groups...)
	l.finish(c, s, len(n.In) > 2, w[0])
}

func (l *layerer) fc(c *cursor, s *stage) {
	n := c.take(s)
	s.op = "fc"
	s.params = append(s.params, n.In[1:]...)
	s.set("units", itoa(n.In[1].Type.Shape[0]))
	l.finish(c, s, len(n.In) > 2, n.In[1].Type.Shape[0])
}

// finish adds the batch normalization, the maximum over pieces and the activation that
// follow conv and fc.
func (l *layerer) finish(c *cursor, s *stage, bias bool, units int) {
	eps, momentum := "off", "0.9"
	if n := c.next(s); n != nil {
		if op, ok := n.Op.(ops.BatchNorm); ok && op.Eps > 0 && op.Eps < 1 {
			c.take(s)
			s.params = append(s.params, n.In[1:]...)
			eps, momentum = numberText(op.Eps), ir.FormatFloat(op.Momentum)
		}
	}
	on := "off"
	if bias {
		on = "on"
	}
	if bias == (eps == "off") {
		s.set("bias", on, "auto")
	} else {
		s.set("bias", on)
	}
	s.set("bn", eps)
	if eps != "off" {
		s.set("bn.momentum", momentum)
	}
	pieces := 1
	if n := c.next(s); n != nil && units > 0 {
		if op, ok := n.Op.(ops.Maxout); ok && units%op.Pieces == 0 {
			c.take(s)
			pieces = op.Pieces
			s.field("units").alts = []string{itoa(units / pieces)}
		}
	}
	if s.op != "conv_transpose" {
		s.set("maxout", itoa(pieces))
	}
	s.set("act", l.act(c, s))
}

// act takes the activation that follows a stage and returns its word.
func (l *layerer) act(c *cursor, s *stage) string {
	n := c.next(s)
	if n == nil {
		return "none"
	}
	for _, a := range ops.Acts() {
		if a.Op() == n.Op {
			c.take(s)
			return string(a)
		}
	}
	return "none"
}

func (l *layerer) norm(c *cursor, s *stage, op ops.BatchNorm) error {
	n := c.take(s)
	s.op = "bn"
	if !(op.Eps > 0) {
		return fmt.Errorf("bn needs an epsilon above 0, not %g", op.Eps)
	}
	s.params = append(s.params, n.In[1:]...)
	s.set("eps", numberText(op.Eps))
	s.set("momentum", numberText(op.Momentum))
	return nil
}

// window is the geometry of a convolution or pool.
type window struct{ size, stride, dilation ir.HW }

// padTexts returns the texts of a padding, the best one first. lopsided says whether same
// is a good word for a padding that differs between the sides although there is a stride.
func padTexts(p ir.Pads, w window, in ir.Shape, lopsided bool) []string {
	same := true
	for a := range 2 {
		out := (in[2+a] + w.stride[a] - 1) / w.stride[a]
		total := max(0, (out-1)*w.stride[a]+(w.size[a]-1)*w.dilation[a]+1-in[2+a])
		same = same && p[a] == total/2 && p[2+a] == total-total/2
	}
	text := p.String()
	simple := p[0] == p[2] && p[1] == p[3]
	strided := w.stride[0] > 1 || w.stride[1] > 1
	switch {
	case !same || !simple && strided && !lopsided:
		return []string{text}
	case !simple || strings.Contains(text, "x"):
		return []string{"same", text}
	}
	return []string{text, "same"}
}

func maxPool(s *stage, op ops.MaxPool, n *ir.Node) {
	in, out := n.In[0].Type.Shape, n.Out[0].Type.Shape
	s.op = "maxpool"
	s.set("kernel", op.Kernel.String())
	s.set("stride", hw(op.Stride))
	texts := padTexts(op.Pad, window{op.Kernel, op.Stride, ir.HW{1, 1}}, in, true)
	ceil := op.Ceil
	if p := op.Pad; (p[0] != p[2] || p[1] != p[3]) && texts[0] != "same" {
		even := op
		even.Ceil, even.Pad = true, ir.Pads{p[0], p[1], p[0], p[1]}
		if t, err := even.Infer([]ir.Type{n.In[0].Type}); err == nil && t[0].Shape.Equal(out) && openCeil(even, in, out).Pad == p {
			ceil, texts = true, []string{even.Pad.String()}
		}
	}
	s.set("pad", texts...)
	s.set("ceil", bit(ceil))
}

func avgPool(s *stage, op ops.AvgPool, n *ir.Node) {
	s.op = "avgpool"
	s.set("kernel", op.Kernel.String())
	s.set("stride", hw(op.Stride))
	s.set("pad", padTexts(op.Pad, window{op.Kernel, op.Stride, ir.HW{1, 1}}, n.In[0].Type.Shape, true)...)
	s.set("ceil", bit(op.Ceil))
	include := []string{bit(op.IncludePad)}
	if op.Pad == (ir.Pads{}) && !op.Ceil {
		include = []string{"0", "1"}
	}
	s.set("include_pad", include...)
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// generic makes a stage of an op without weights from its attributes.
func (l *layerer) generic(c *cursor, s *stage) error {
	n := c.list[0].node
	s.op = ir.Name(n.Op)
	if form, ok := l.forms[s.op]; n.Op != ops.ActReLU6.Op() && (!ok || form.Body || len(n.In) != 1 || s.op == "node") {
		return l.anyNode(c, s, c.list[0])
	}
	c.take(s)
	if n.Op == ops.ActReLU6.Op() {
		s.op = "relu6"
		return nil
	}
	form := l.forms[s.op]
	given := map[string]string{}
	for _, a := range ir.AttrsOf(n.Op) {
		given[a.Name] = a.Text
		if a.IsDefault {
			given[a.Name] = ""
		}
		if a.Name == "shape" {
			rest, batched := strings.CutPrefix(a.Text, "N")
			if given[a.Name] = strings.TrimPrefix(rest, "x"); !batched || rest == "" {
				return fmt.Errorf("a reshape to %s does not keep the batch", a.Text)
			}
		}
	}
	for i, a := range form.Args {
		text := given[a.Name]
		if text == "" {
			text = ir.AttrsOf(n.Op)[slices.IndexFunc(ir.AttrsOf(n.Op), func(t ir.AttrText) bool { return t.Name == a.Name })].Text
		}
		s.set("#"+itoa(i), text)
	}
	for _, k := range form.Keys {
		if text := given[k.Name]; text != "" {
			s.set(k.Name, text)
		}
	}
	return nil
}

// join makes a stage of a node that joins branches.
func (l *layerer) join(c *cursor, s *stage, p *piece) error {
	switch op := p.node.Op.(type) {
	case ops.Add, ops.Max, ops.Mul:
		if shape := p.node.Out[0].Type.Shape; !sayable(p.node, shape) {
			return l.anyNode(c, s, p)
		}
	case ops.Concat:
		if axis := axisOf(op.Axis, len(p.node.Out[0].Type.Shape)); axis != 1 {
			s.set("axis", itoa(axis))
		}
	default:
		return l.anyNode(c, s, p)
	}
	c.list = c.list[1:]
	s.out = p.node.Out[0]
	s.op = ir.Name(p.node.Op)
	for _, b := range p.branches {
		q, err := l.seq(b)
		if err != nil {
			return err
		}
		s.body = append(s.body, q)
	}
	s.in = nil
	if s.op == "add" && len(s.body) == 2 && l.residual(s) {
		s.set("scale", scaleOf(s))
		s.set("act", l.act(c, s))
		return nil
	}
	if s.op == "mul" && len(s.body) == 2 && len(s.body[1].stages) == 0 {
		s.body[0], s.body[1] = s.body[1], s.body[0] // as the papers write a gate
	}
	for _, q := range s.body {
		if len(q.stages) == 0 {
			q.stages = []*stage{{op: "identity"}}
		}
	}
	return nil
}

// sayable reports whether the operands of a sum, maximum or product have shapes that the language
// joins without an operator of ONNX.
func sayable(n *ir.Node, out ir.Shape) bool {
	_, gate := n.Op.(ops.Mul)
	for _, v := range n.In {
		s := v.Type.Shape
		whole := s.Equal(out)
		if gate && !whole && len(n.In) == 2 && len(s) == 4 && len(out) == 4 {
			whole = s[0] == out[0] && (s[1] == out[1] && s[2] == 1 && s[3] == 1 || s[1] == 1 && s[2] == out[2] && s[3] == out[3])
		}
		if !whole {
			return false
		}
	}
	return true
}

// residual makes a residual of a sum of two branches, if one of them is the shortcut: it is
// empty, or short.
func (l *layerer) residual(s *stage) bool {
	short, body := s.body[0], s.body[1]
	if layers(short) > layers(body) || layers(short) == layers(body) && len(short.stages) > len(body.stages) {
		short, body = body, short
	}
	for _, q := range s.body {
		if len(q.stages) > 0 && q.stages[0].op == "from" {
			return false
		}
	}
	if len(body.stages) == 0 || layers(short) > 1 || layers(short) == 1 && layers(body) < 2 || layers(short) == 0 && len(short.stages) > 0 {
		return false
	}
	s.op, s.body = "residual", []*seq{body}
	if len(short.stages) > 0 {
		s.proj = short
	}
	return true
}

// layers counts the stages with weights of a pipeline.
func layers(q *seq) int {
	n := 0
	for _, s := range q.stages {
		s.each(func(t *stage) {
			if len(t.params) > 0 {
				n++
			}
		})
	}
	return n
}

// scaleOf removes the factor at the end of the body of a residual, and returns it.
func scaleOf(s *stage) string {
	body := s.body[0]
	last := body.stages[len(body.stages)-1]
	if last.op != "scale" || len(body.stages) == 1 || last.first("#0") == "1" {
		return "1"
	}
	body.stages = body.stages[:len(body.stages)-1]
	return last.first("#0")
}

// numberText returns the text of a number: 1e-5, not 1e-05.
func numberText(x float64) string {
	t := ir.FormatFloat(x)
	t = strings.Replace(t, "e-0", "e-", 1)
	return strings.Replace(t, "e+0", "e+", 1)
}
