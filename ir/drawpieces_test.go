package ir_test

import (
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
)

// TestDrawPieces checks that the pieces, joined, equal the result of Draw.
func TestDrawPieces(t *testing.T) {
	for _, c := range []struct {
		shape ir.Shape
		init  ir.Init
	}{
		{ir.Shape{3}, ir.Init{Kind: ir.InitGaussian, A: 2}},
		{ir.Shape{1025, 1025}, ir.Init{Kind: ir.InitUniform, A: 1}},
		{ir.Shape{1 << 21}, ir.Init{Kind: ir.InitConstant, A: 5}},
	} {
		var got []float32
		pieces := 0
		err := ir.DrawPieces("w", c.shape, c.init, 7, func(p []float32) error {
			pieces++
			got = append(got, p...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := ir.Draw("w", c.shape, c.init, 7).Data; !slices.Equal(got, want) {
			t.Errorf("%v: %d elements in %d pieces differ from the %d of Draw", c.shape, len(got), pieces, len(want))
		}
		if c.shape.Size() > 1<<20 && pieces != 2 {
			t.Errorf("%v: %d pieces, want 2", c.shape, pieces)
		}
	}
}
