package ops_test

import (
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// BenchmarkConv reports multiply-accumulates a second on layers of GoogLeNet:
// the reference must stay fast enough to be used on whole networks.
func BenchmarkConv(b *testing.B) {
	for _, c := range []struct {
		name           string
		c, side, o, k  int
		stride, padded int
	}{
		{"conv1_7x7s2", 3, 224, 64, 7, 2, 3},
		{"conv2_3x3_56", 64, 56, 192, 3, 1, 1},
		{"1x1_28", 256, 28, 128, 1, 1, 0},
		{"3x3_14", 144, 14, 288, 3, 1, 1},
		{"1x1_7", 832, 7, 384, 1, 1, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			op := ops.Conv{Stride: ir.HW{c.stride, c.stride}, Dilation: ir.HW{1, 1}, Groups: 1, Pad: ir.Pads{c.padded, c.padded, c.padded, c.padded}}
			in := []ir.Type{float(1, c.c, c.side, c.side), float(c.o, c.c, c.k, c.k)}
			xs := newDraw(1).values(op, in, 1)
			out, err := op.Infer(in)
			if err != nil {
				b.Fatal(err)
			}
			var y []*tensor.Tensor
			for b.Loop() {
				if y, err = op.Eval(xs); err != nil {
					b.Fatal(err)
				}
			}
			_ = y
			b.ReportMetric(float64(op.Cost(in, out).MACs)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
		})
	}
}
