package form

import (
	"errors"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// An op on params alone gets no axis in front: Single refuses the graph instead of a panic.
func TestSingleOfParams(t *testing.T) {
	b := ir.NewBuilder("g")
	x := b.Input("x", ir.Float(3, 4))
	half := b.Const("half", tensor.Of([]float32{0.5}))
	b.Graph().Outputs = []*ir.Value{b.Do(ops.Mul{}, x, b.Do(ops.ReLU{}, half))}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Single(b.Graph()); !errors.Is(err, ErrNone) {
		t.Errorf("%v, want ErrNone", err)
	}
}
