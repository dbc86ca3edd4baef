package passes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// For both padding modes, with and without padding, ceil, a bias and an activation: the
// pass keeps the function, and the bias moves with the convolution if and only if the
// pool's weights sum to one.
func TestCommuteAvgPoolModes(t *testing.T) {
	for i := range 32 {
		include, pad, ceil, bias, act := i&1 != 0, i&2 != 0, i&4 != 0, i&8 != 0, i&16 != 0
		name := fmt.Sprintf("include_pad=%v pad=%v ceil=%v bias=%v act=%v", include, pad, ceil, bias, act)
		b := ir.NewBuilder("n")
		x := b.Input("x", ir.Float(ir.Batch, 24, 8, 7))
		pool := ops.AvgPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{1, 1}, IncludePad: include}
		if pad {
			pool.Pad = ir.Pads{1, 1, 0, 2}
		}
		if ceil {
			// With ceil, the last window covers a column outside of the map: windows fit
			// exactly into 7 = 3 + 2*2 columns, but not into 8.
			pool.Stride, pool.Ceil = ir.HW{2, 1}, true
		}
		weight := func(name string, shape ...int) *ir.Value {
			return b.Param(name, shape, ir.Param{Init: ir.Init{Kind: ir.InitGaussian, A: 1}, LR: 1})
		}
		in := []*ir.Value{b.Do(pool, x), weight("c/weight", 2, 24, 1, 1)}
		if bias {
			in = append(in, weight("c/bias", 2))
		}
		y := b.Do(ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, in...)
		if act {
			y = b.Do(ops.ReLU{}, y)
		}
		g := b.Graph()
		g.Outputs = []*ir.Value{y}
		if err := b.Err(); err != nil {
			t.Fatal(name, err)
		}
		table, err := check(g, Pipeline{{Pass: &FuseAct}, {Pass: &CommuteAvgPool}}, Options{Cost: always{}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if table[1].Changed == 0 {
			t.Errorf("%s: the convolution stays behind the pool", name)
		}
		var order []string
		inside := false
		for _, n := range g.Nodes {
			if l, ok := asConv(n); ok {
				inside = l.bias != nil
			}
			if ir.Name(n.Op) != "reshape" {
				order = append(order, ir.Name(n.Op))
			}
		}
		want := "conv avgpool"
		if bias && include && pad {
			want += " add"
		}
		if act {
			want += " relu"
		}
		if got := strings.Join(order, " "); got != want || inside != (bias && !(include && pad)) {
			t.Errorf("%s: %s, bias inside: %v, want %s", name, got, inside, want)
		}
	}
}

// always is a cost model in which only pools cost something, in proportion to their
// channels, so that moving a convolution always pays.
type always struct{}

func (always) Cost(op ir.Op, in, out []ir.Type) float64 {
	if _, ok := op.(ops.AvgPool); ok {
		return float64(in[0].Shape[1])
	}
	return 0
}
