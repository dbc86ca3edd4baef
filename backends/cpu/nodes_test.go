package cpu

import (
	"errors"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// TestNodes runs graphs in which nodes meet other ops: products of two activations, operands that
// are both stretched, reductions over the batch, values without a batch, and activations that are
// fused to such ops.
func TestNodes(t *testing.T) {
	for name, build := range map[string]func(b *net, x *ir.Value) *ir.Value{
		"both stretched": func(b *net, x *ir.Value) *ir.Value {
			r := b.op("r", ops.Reduce{Kind: ops.ReduceMax, Axes: "2", Keep: true}, x)
			c := b.op("c", ops.Reduce{Kind: ops.ReduceMean, Axes: "3", Keep: true}, x)
			return b.op("act", ops.ReLU{}, b.op("sum", ops.Add{}, r, c))
		},
		"product": func(b *net, x *ir.Value) *ir.Value {
			y := b.op("t", ops.Transpose{Perm: "0,1,3,2"}, x)
			return b.op("act", ops.Tanh{}, b.op("p", ops.Node{Type: "MatMul"}, x, y))
		},
		"over the batch": func(b *net, x *ir.Value) *ir.Value {
			m := b.op("m", ops.Reduce{Kind: ops.ReduceMean, Axes: "0", Keep: true}, x)
			return b.op("d", ops.Sub{}, x, m)
		},
		"batch second": func(b *net, x *ir.Value) *ir.Value {
			y := b.op("t", ops.Transpose{Perm: "1,0,2,3"}, x)
			return b.op("back", ops.Transpose{Perm: "1,0,2,3"}, b.op("exp", ops.Node{Type: "Exp"}, y))
		},
		"rows": func(b *net, x *ir.Value) *ir.Value { // a param of height and width
			return b.op("sum", ops.Add{}, x, b.weight("w", 4, 5))
		},
		"indices": func(b *net, x *ir.Value) *ir.Value {
			i := b.op("i", ops.Node{Type: "ArgMax", Attrs: "axis:3;keepdims:1"}, x)
			return b.op("g", ops.Node{Type: "GatherElements", Attrs: "axis:3", Kinds: "f32,i64"}, x, i)
		},
		"integers of the graph": func(b *net, x *ir.Value) *ir.Value {
			i := b.Const("at", tensor.Of([]float32{2, 0, -1}, 3))
			i.Type.DType = ir.I64
			y := b.op("g", ops.Node{Type: "Gather", Attrs: "axis:1", Kinds: "f32,i64"}, x, i)
			return b.conv("conv", y, 17, ir.HW{3, 3}, ops.Conv{})
		},
		"functions": func(b *net, x *ir.Value) *ir.Value {
			y := b.op("soft", ops.Node{Type: "Softplus"}, b.conv("conv", x, 21, ir.HW{1, 1}, ops.Conv{}))
			return b.conv("conv2", b.op("exp", ops.Node{Type: "Exp"}, y), 3, ir.HW{3, 3}, ops.Conv{Pad: ir.Pads{1, 1, 1, 1}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newNet(t, name)
			g := b.done(build(b, b.image(3, 4, 5)))
			for _, batch := range []int{1, 3} {
				verify(t, g, batch)
			}
		})
	}
}

// TestNodesAllocateNothing: the first run of a number of images plans the nodes; the others only
// compute.
func TestNodesAllocateNothing(t *testing.T) {
	b := newNet(t, "nodes")
	x := b.op("c", ops.Node{Type: "CumSum", Attrs: "axis:3"}, b.image(3, 4, 5))
	x = b.op("t", ops.Node{Type: "ConvTranspose", Attrs: "strides:2,2"}, x, b.weight("w", 3, 2, 3, 3))
	g := b.done(b.op("l", ops.Node{Type: "TopK", Attrs: "axis:1;k:2"}, b.op("s", ops.Node{Type: "Selu"}, x)))
	p, err := Compile(g, Options{Batch: 2, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSession()
	in, out := [][]float32{make([]float32, 2*3*4*5)}, [][]float32{make([]float32, 2*2*9*11)}
	if n := testing.AllocsPerRun(5, func() {
		if err := s.Run(in, out); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a run allocates %v times", n)
	}
}

// TestConstantOutputs: outputs that depend on no input are written, too.
func TestConstantOutputs(t *testing.T) {
	b := newNet(t, "constants")
	x := b.image(2, 3, 3)
	w := b.Const("w", tensor.Of([]float32{1, -2, 3}, 3))
	folded := b.op("twice", ops.Scale{By: 2}, w)
	g := b.done(b.op("y", ops.ReLU{}, x), w, folded, w)
	p, err := Compile(g, Options{Batch: 2})
	if err != nil {
		t.Fatal(err)
	}
	out := [][]float32{make([]float32, 36), make([]float32, 3), make([]float32, 3), make([]float32, 3)}
	if err := p.NewSession().Run([][]float32{make([]float32, 36)}, out); err != nil {
		t.Fatal(err)
	}
	if out[1][1] != -2 || out[2][2] != 6 || out[3][0] != 1 {
		t.Errorf("outputs are %v", out[1:])
	}
}

// TestNodeWithTooManyOperands: a node of more computed operands than a step has is refused.
func TestNodeWithTooManyOperands(t *testing.T) {
	b := newNet(t, "many")
	var in []*ir.Value
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		in = append(in, b.Input(name, ir.Float(ir.Batch, 3)))
	}
	if n, err := b.Add("y", ops.Node{Type: "Max"}, in...); err == nil {
		_, err = Compile(b.done(n.Out...), Options{})
		if err == nil || !strings.Contains(err.Error(), "5 operands") {
			t.Errorf("error: %v", err)
		}
	} else if !strings.Contains(err.Error(), "5 operands") {
		t.Error(err)
	}
}

// TestNumbersWithoutResult: an index outside of its axis, and an integer that float32 does not
// hold, end a run with an error; the next run with other numbers has results.
func TestNumbersWithoutResult(t *testing.T) {
	b := newNet(t, "outside")
	x := b.image(1, 1, 2)
	i := b.op("i", ops.Node{Type: "Cast", Attrs: "to:i64"}, x)
	g := b.done(b.op("g", ops.Node{Type: "GatherElements", Attrs: "axis:3", Kinds: "f32,i64"}, x, i), b.op("twice", ops.Node{Type: "Add", Kinds: "i64,i64"}, i, i))
	for _, threads := range []int{1, 2} {
		p, err := Compile(g, Options{Batch: 3, Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		s := p.NewSession()
		for _, c := range []struct {
			x    []float32
			want string
		}{
			{[]float32{0, 1, 1, 0, 0, 0}, ""},
			{[]float32{0, 1, 1, 0, 0, 2}, "index 2, element 5"},
			{[]float32{0, 1, -1, -2, 0, 0}, ""},
			{[]float32{0, 0, 1, 0, 0, -3}, "index -3"},
			{[]float32{0, 0, 1, 0, 0, 1 << 23}, "index 8388608"},
			{[]float32{1, 0, 1, 0, 0, 0}, ""},
		} {
			err := s.Run([][]float32{c.x}, [][]float32{make([]float32, 6), make([]float32, 6)})
			if (err == nil) != (c.want == "") || err != nil && (!errors.Is(err, ErrNumbers) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v: %v, want %q", c.x, err, c.want)
			}
		}
	}
}

// TestIntegersBeyondFloat32: an integer result that float32 does not hold is an error.
func TestIntegersBeyondFloat32(t *testing.T) {
	b := newNet(t, "large")
	i := b.op("i", ops.Node{Type: "Cast", Attrs: "to:i64"}, b.image(1, 1, 1))
	g := b.done(b.op("square", ops.Node{Type: "Mul", Kinds: "i64,i64"}, i, i))
	p, err := Compile(g, Options{Batch: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, y := p.NewSession(), []float32{0}
	if err := s.Run([][]float32{{4098}}, [][]float32{y}); err != nil || y[0] != 4098*4098 {
		t.Errorf("4098*4098 is %v, %v", y, err)
	}
	if err := s.Run([][]float32{{4097}}, [][]float32{y}); err == nil || !strings.Contains(err.Error(), "16785409") {
		t.Errorf("4097*4097 is %v, %v", y, err)
	}
}
