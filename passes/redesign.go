package passes

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// redesignArgs are the arguments that the redesigns share.
var redesignArgs = []Arg{
	{"mid", "channels between the two convolutions: in, out or a number", ""},
	{"only", "redesign only layers with these kernels, joined by +, such as 5x5 or 3x3+5x5", ""},
	{"force", "also redesign layers that would not cost less", ""},
}

// layer is a convolution with the batch norm and the activation that follow it.
type layer struct {
	linear
	bn *ir.Node // nil if there is none
	af ops.Act  // the layer's activation, which may be part of the convolution or a node of its own
}

// convLayer describes the layer of a convolution. ok is false for other nodes.
func convLayer(r *ir.Rewriter, n *ir.Node) (l layer, ok bool) {
	if l.linear, ok = asConv(n); !ok {
		return l, false
	}
	l.af = l.act
	if l.act != ops.ActNone {
		return l, true
	}
	u := soleUser(r, n.Out[0])
	if u != nil {
		if _, is := u.Op.(ops.BatchNorm); is && u.In[0] == n.Out[0] {
			l.bn = u
			u = soleUser(r, u.Out[0])
		}
	}
	l.af = actOf(u)
	return l, true
}

// half is one of the two convolutions that replace a layer.
type half struct {
	conv   ops.Conv
	kernel ir.HW
}

// plan is the pair of convolutions that a redesign would replace a layer by.
type plan struct {
	first, second half
	mid           int  // channels between the two
	linear        bool // there is no bias, batch norm or activation between the two
}

// redesigner holds the arguments and the state that the Redesign passes have in common.
type redesigner struct {
	r     *ir.Rewriter
	o     Options
	mid   string
	only  []ir.HW
	force bool
	uses  map[*ir.Value]int // readers of each param
}

func newRedesigner(r *ir.Rewriter, o Options) (*redesigner, error) {
	d := &redesigner{r: r, o: o, mid: o.Arg("mid"), uses: map[*ir.Value]int{}}
	switch f := o.Arg("force"); f {
	case "on", "1":
		d.force = true
	case "", "off", "0":
	default:
		return nil, fmt.Errorf("force=%s: want on or off", f)
	}
	if s := o.Arg("only"); s != "" {
		for _, w := range strings.Split(s, "+") {
			var k ir.HW
			if err := k.UnmarshalText([]byte(w)); err != nil {
				return nil, fmt.Errorf("only=%s: %w", s, err)
			}
			d.only = append(d.only, k)
		}
	}
	if n, err := strconv.Atoi(d.mid); !slices.Contains([]string{"in", "out", "full"}, d.mid) && (err != nil || n < 1 || n > ir.MaxDim) {
		return nil, fmt.Errorf("mid=%s: want in, out or a number of channels", d.mid)
	}
	for _, n := range r.Graph().Nodes {
		for _, v := range n.In {
			if v.Param != nil {
				d.uses[v]++
			}
		}
	}
	return d, nil
}

// errTrained is returned by a redesign of a network that has weights.
var errTrained = errors.New("it changes the function of the network, so the trained weights would be lost")

// untrained returns an error if a weight of the graph has data. instead says what the user
// can do instead.
func (d *redesigner) untrained(instead string) error {
	g := d.r.Graph()
	for _, v := range g.Params {
		if v.Param.Kind == ir.Weight && g.Data[v.Name] != nil {
			return fmt.Errorf("%w (%s has data); %s", errTrained, v.Name, instead)
		}
	}
	return nil
}

// wants reports whether the argument only allows the kernel.
func (d *redesigner) wants(k ir.HW) bool {
	for _, x := range d.only {
		if x == k {
			return true
		}
	}
	return len(d.only) == 0
}

// width returns the number of channels between the two convolutions.
func (d *redesigner) width(l layer) int {
	switch d.mid {
	case "in":
		return l.weight.Type.Shape[1] * l.conv.Groups
	case "out":
		return l.outs()
	}
	// No error is possible: newRedesigner has checked it.
	n, _ := strconv.Atoi(d.mid)
	return n
}

// refuse returns the reason why the layer cannot be split into two, "" if it can.
func (d *redesigner) refuse(l layer) string {
	switch {
	case l.conv.Groups != 1:
		return fmt.Sprintf("it has %d groups", l.conv.Groups)
	case l.weight.Param == nil || (l.bias != nil && l.bias.Param == nil):
		return "its weights are computed by nodes"
	case d.uses[l.weight] != 1:
		return "it shares its weights with another layer"
	}
	return ""
}

// refuseActivated is refuse for a pair with an activation between the two.
func (d *redesigner) refuseActivated(l layer) string {
	switch reason := d.refuse(l); {
	case reason != "":
		return reason
	case l.conv.Stride != ir.HW{1, 1}:
		return fmt.Sprintf("its stride is %v", l.conv.Stride)
	case l.af == ops.ActNone:
		return "it has no activation to put between the two"
	}
	return ""
}

// types infers the types of the pair's results. It returns the pair's cost by the cost
// model and its multiply-accumulates. It returns an error if the pair's output would have
// another type than the layer's.
func (p plan) types(d *redesigner, l layer) (cost float64, macs int64, err error) {
	x := l.n.In[0].Type
	in := x
	for i, h := range []half{p.first, p.second} {
		o, c := p.mid, in.Shape[1]
		if i == 1 {
			o = l.outs()
		}
		args := []ir.Type{in, ir.Float(o, c, h.kernel[0], h.kernel[1])}
		inner := i == 0 && p.linear
		if l.bias != nil && !inner {
			args = append(args, ir.Float(o))
		}
		out, err := h.conv.Infer(args)
		if err != nil {
			return 0, 0, err
		}
		cost += d.o.cost().Cost(h.conv, args, out)
		macs += h.conv.Cost(args, out).MACs
		in = out[0]
		if i == 1 || p.linear {
			continue
		}
		if l.bn != nil {
			v := ir.Float(o)
			cost += d.o.cost().Cost(l.bn.Op, []ir.Type{in, v, v, v, v}, out)
		}
		if l.act == ops.ActNone && l.af != ops.ActNone {
			cost += d.o.cost().Cost(l.af.Op(), out, out)
		}
	}
	if want := l.n.Out[0].Type; !in.Equal(want) {
		return 0, 0, fmt.Errorf("its output would be %v instead of %v", in, want)
	}
	return cost, macs, nil
}

// params returns the number of trained elements of the layer, before and after.
func (p plan) params(l layer) (n [2]int64) {
	c := int64(l.weight.Type.Shape[1])
	o, m := int64(l.outs()), int64(p.mid)
	each := int64(0) // trained elements for each output channel, besides the filters
	if l.bias != nil && l.bias.Param != nil && l.bias.Param.Kind == ir.Weight {
		each++
	}
	if l.bn != nil {
		for _, v := range l.bn.In[1:3] {
			if v.Param != nil && v.Param.Kind == ir.Weight {
				each++
			}
		}
	}
	k := l.kernel()
	n[0] = int64(k[0]*k[1])*c*o + each*o
	n[1] = int64(p.first.kernel[0]*p.first.kernel[1])*c*m + int64(p.second.kernel[0]*p.second.kernel[1])*m*o + each*(m+o)
	if p.linear {
		n[1] -= each * m
	}
	return n
}

func (p plan) String(l layer) string {
	c := l.weight.Type.Shape[1]
	return fmt.Sprintf("%v %d -> %d becomes %v %d -> %d, %v %d -> %d", l.kernel(), c, l.outs(), p.first.kernel, c, p.mid, p.second.kernel, p.mid, l.outs())
}

// consider decides whether to redesign a layer, logs the decision, and reports whether the
// layer is to be redesigned. pays says whether the pair has fewer weights, why gives the
// numbers.
func (d *redesigner) consider(l layer, p plan, pays bool, why string) bool {
	dec := d.decide(l, p, d.refuseActivated(l), pays, why)
	d.o.log(dec)
	return dec.Done
}

// decide is consider without logging. reason says why the layer cannot be redesigned, ""
// if it can.
func (d *redesigner) decide(l layer, p plan, reason string, pays bool, why string) Decision {
	dec := Decision{Layer: l.n.Out[0].Name, Pos: l.n.Pos, What: p.String(l), Params: p.params(l)}
	dec.MACs[0] = l.conv.Cost([]ir.Type{l.n.In[0].Type.Bind(1), l.weight.Type}, []ir.Type{l.n.Out[0].Type.Bind(1)}).MACs
	cost, macs, err := p.types(d, l)
	dec.MACs[1] = macs
	before := d.o.priceNode(l.n)
	switch {
	case reason != "" || err != nil:
		dec.Why = reason
		if reason == "" {
			dec.Why = err.Error()
		}
		k := l.kernel()
		dec.What = fmt.Sprintf("%v %d -> %d", k, l.weight.Type.Shape[1], l.outs())
		dec.Params[1], dec.MACs[1] = dec.Params[0], dec.MACs[0]
	case pays && cost < before:
		dec.Done, dec.Why = true, why
	case d.force:
		dec.Done, dec.Why = true, "forced, though "+why
	case pays:
		dec.Why = fmt.Sprintf("%s, but the cost model predicts %.3g times the cost", why, cost/before)
	default:
		dec.Why = why
	}
	return dec
}

// apply replaces the layer's convolution by the two convolutions of the plan. Between them
// it adds a batch norm and an activation like those of the layer.
func (d *redesigner) apply(l layer, p plan) {
	r := d.r
	r.For(l.n)
	old := layerName(l.linear)
	firstName := r.Fresh(renamed(old, l.kernel(), p.first.kernel))
	secondName := r.Fresh(renamed(old, l.kernel(), p.second.kernel))
	c := l.weight.Type.Shape[1]
	y := d.half(l, p.first, firstName, l.n.In[0], p.mid, c)
	if l.bn != nil {
		args := []*ir.Value{y}
		for _, v := range l.bn.In[1:] {
			args = append(args, d.like(v, old, firstName, p.mid))
		}
		y = add(r, firstName+"/bn", l.bn.Op, args...)
		for _, v := range l.bn.In[1:] {
			d.rename(v, old, secondName)
		}
	}
	if l.act == ops.ActNone && l.af != ops.ActNone {
		y = add(r, firstName+"/"+string(l.af), l.af.Op(), y)
	}
	// The batch norm and activation after the layer now belong to the second convolution.
	if l.bn != nil {
		d.rename(l.bn.Out[0], old, secondName)
	}
	if l.act == ops.ActNone {
		last := l.n.Out[0]
		if l.bn != nil {
			last = l.bn.Out[0]
		}
		d.rename(soleUser(r, last).Out[0], old, secondName)
	}
	y = d.half(l, p.second, secondName, y, l.outs(), p.mid)
	r.Replace(l.n.Out[0], y)
}

// half adds a convolution with new weights. They have the same attributes as the layer's.
func (d *redesigner) half(l layer, h half, name string, x *ir.Value, outs, ins int) *ir.Value {
	p := *l.weight.Param
	in := []*ir.Value{x, d.r.Param(name+"/weight", ir.Shape{outs, ins, h.kernel[0], h.kernel[1]}, p)}
	if l.bias != nil {
		b := *l.bias.Param
		in = append(in, d.r.Param(name+"/bias", ir.Shape{outs}, b))
	}
	// The caller has reserved the name with Fresh, so add gets another one. Give the name to
	// the output here.
	v := add(d.r, name+"/conv", h.conv, in...)
	v.Name = name
	return v
}

// like adds a param with n elements and the attributes of v, under the new layer's name.
func (d *redesigner) like(v *ir.Value, old, name string, n int) *ir.Value {
	_, last, _ := cutLast(v.Name)
	p := *v.Param
	return d.r.Param(name+"/"+last, ir.Shape{n}, p)
}

// rename gives a value of the old layer the new layer's name, and does the same for its
// entry in the graph's Data. Roots keep their names.
func (d *redesigner) rename(v *ir.Value, old, name string) {
	rest, ok := strings.CutPrefix(v.Name, old+"/")
	if !ok || d.r.IsRoot(v) {
		return
	}
	g := d.r.Graph()
	to := d.r.Fresh(name + "/" + rest)
	if x := g.Data[v.Name]; x != nil {
		delete(g.Data, v.Name)
		g.Data[to] = x
	}
	v.Name = to
}

// renamed returns the layer's name with another kernel size in it: a/conv_5x5 becomes
// a/conv_3x3. If the name does not contain the kernel size, as in the case of a label a, the
// result is a/conv_3x3.
func renamed(name string, from, to ir.HW) string {
	dir, last, has := cutLast(name)
	base, ok := strings.CutPrefix(last, "conv_"+from.String())
	if !ok || (base != "" && base[0] != '_') {
		return name + "/conv_" + to.String()
	}
	if !has {
		return "conv_" + to.String()
	}
	return dir + "/conv_" + to.String()
}
