package kernel

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/nodes"
)

// samples holds a small value of every kernel.
func samples() []Kernel {
	out := Output{C: 20}
	c := Conv{IC: 20, H: 6, W: 6, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{out}}
	c.In.H = 8 * Block
	line := Conv{IC: 20, H: 6, W: 6, KH: 1, KW: 7, PW: 3, Outputs: [4]Output{out}}
	depthwise := c
	depthwise.Groups = 20
	grouped := c
	grouped.Groups = 5
	d := Dense{C: 20, H: 2, W: 2, Out: out}
	parts := ConvBackwardWeightsSplit{Whole: ConvBackwardWeights{Conv: c}, Images: 4}
	repack := Repack{From: c, To: c}
	tap := c
	tap.KH, tap.KW, tap.PH, tap.PW = 1, 1, 0, 0
	return []Kernel{
		c, ConvTap{Conv: tap, KH: 3, KW: 3}, Winograd{Conv: c}, Winograd1D{Conv: line}, Depthwise{depthwise}, DepthwiseBackwardWeights{Conv: depthwise, Images: 4}, DepthwiseRepack{Repack{From: depthwise, To: depthwise}}, Grouped{grouped}, N16Conv{c},
		ConvBackwardData{Conv: c}, ConvBackwardWeights{Conv: c}, parts, ConvBackwardWeightsRows{Conv: c, Images: 4},
		ConvBackwardWeightsWinograd{Parts: parts, Padded: true}, N16ConvBackwardWeights{Conv: N16Conv{c}},
		repack, N16RepackOf(repack), WinogradRepack{Winograd{Conv: c}}, SumPartials{N: 32, Images: 4},
		d, MatVec{C: 20, H: 2, W: 2, Out: out}, DenseSplitK{d, 2}, DenseSplitKSum{Splits: 2, Out: out}, DenseBackwardData{Dense: d}, DenseBackwardWeights{Dense: d},
		N16Dense{C: 20, H: 2, W: 2, Out: out}, N16DenseSplitK{Dense: d, Splits: 2}, N16DenseSplitKSum{Splits: 2, Out: out},
		N16DenseBackwardData{Dense: d}, N16DenseBackwardWeights{DenseBackwardWeights{Dense: d}},
		MaxPool{C: 20, H: 3, W: 3, KH: 2, KW: 2}, MaxPoolBackward{C: 20, H: 3, W: 3, KH: 2, KW: 2}, MaxPoolBackward{C: 20, H: 3, W: 3, KH: 2, KW: 2, Indexed: true},
		AvgPool{C: 20, H: 3, W: 3, KH: 2, KW: 2}, AvgPoolBackward{C: 20, H: 3, W: 3, KH: 2, KW: 2},
		LRN{C: 20, H: 3, W: 3, Size: 5}, LRNBackward{C: 20, H: 3, W: 3, Size: 5}, BatchNormTrain{C: 20, H: 3, W: 3}, BatchNormBackward{C: 20, H: 3, W: 3},
		ChannelNorm{C: 20, H: 3, W: 3}, BatchNormFold{C: 20}, BatchNormRunning{C: 20, Pixels: 9}, SumPixels{C: 20, H: 3, W: 3}, N16SumPixels{C: 20, H: 3, W: 3}, ChannelSums{C: 20, Partials: 2},
		Activation{Act: ActReLU, C: 20, H: 3, W: 3}, Activation{Act: ActTanh, C: 20, H: 3, W: 3}, Activation{Act: ActClip, A: -1, B: 2, C: 20, H: 3, W: 3}, ActBackward{Act: ActReLU, C: 20, H: 3, W: 3}, Affine{C: 20, H: 3, W: 3},
		Binary{Op: OpMax, Stretch: ByPixel, C: 20, H: 3, W: 3}, MaxBackward{C: 20, H: 3, W: 3}, Maxout{C: 20, H: 3, W: 3, Pieces: 2}, MaxoutBackward{C: 20, H: 3, W: 3, Pieces: 2},
		Softmax{C: 20, H: 1, W: 1}, SoftmaxBackward{C: 20, H: 1, W: 1}, Dropout{C: 20, H: 3, W: 3},
		CrossEntropy{C: 20}, WeightedCrossEntropy{C: 20}, WeightedCrossEntropyBackward{C: 20}, CrossEntropyBackward{C: 20}, WeightedSum{Weights: [4]float32{1, 0.3}}, Product{},
		SGD{N: 100}, RMSProp{N: 100}, Adam{N: 100}, Average{N: 100}, AverageRate{}, Penalty{N: 100}, SquareSums{N: 100}, NormOfSums{N: 3}, ClipNorm{N: 100}, ClipValue{N: 100},
		MaxNormPacked{Blocks: 2, K: 9},
		FakeQuantize{C: 20, H: 3, W: 3, High: 255}, FakeQuantizeBackward{C: 20, H: 3, W: 3, High: 255}, FakeQuantizeStep{Of: FakeQuantizeBackward{C: 20, H: 3, W: 3}},
		Copy{C: 20, H: 3, W: 3}, CopyChannels{C: 20, H: 3, W: 3}, CopyNCHW{C: 20, H: 3, W: 3}, Pad{C: 20, H: 3, W: 3}, FromNCHW{C: 20, H: 3, W: 3}, ToNCHW{C: 20, H: 3, W: 3},
		PixelsToVector{C: 20, H: 3, W: 3}, Interleave{H: 3, W: 3, Inputs: [4]InterleaveInput{{C: 20}, {C: 10, To: 20}}},
		Resample{C: 20, IH: 3, IW: 3, H: 6, W: 6, Rows: true, Cols: true}, Permute{Axes: 2, Dims: [MaxAxes]int{4, 5}}, Reduce{Op: ReduceMax, Axes: 2, Dims: [MaxAxes]int{4, 5}},
		Pointwise{Op: "Exp", C: 20, H: 3, W: 3}, Widen{N: 20, InN: 20}, Narrow{N: 20, OutN: 20},
		Node{Op: "Exp", In: [nodeOperands]NodeOperand{{Kind: nodes.NodeFloat, Axes: 2, Dims: [nodes.NodeMaxAxes]int{-1, 20}}}},
		ConvInt8{IC: 20, C: 20, H: 6, W: 6, KH: 3, KW: 3}, DepthwiseInt8{ConvInt8{IC: 1, C: 20, H: 6, W: 6, KH: 3, KW: 3}}, Quantize{C: 20, H: 3, W: 3}, QuantizeQuads{C: 3, IH: 3, IW: 3, H: 5, W: 8}, Dequantize{C: 20, H: 3, W: 3}, DequantizeNCHW{C: 20, H: 3, W: 3}, AddInt8{C: 20, H: 3, W: 3},
		MaxPoolInt8{C: 20, H: 3, W: 3, KH: 2, KW: 2}, CopyInt8{C: 20, H: 3, W: 3},
		N16{Copy{C: 320, H: 3, W: 3}}, N16FromNCHW{C: 20, H: 3, W: 3}, N16ToNCHW{C: 20, H: 3, W: 3}, N16FromBlocked{C: 20, H: 3, W: 3}, N16ToBlocked{C: 20, H: 3, W: 3},
	}
}

// moves are the kernels that compute nothing.
var moves = map[string]bool{
	"Copy": true, "CopyChannels": true, "CopyNCHW": true, "Pad": true, "FromNCHW": true, "ToNCHW": true, "PixelsToVector": true, "Interleave": true, "Permute": true,
	"Widen": true, "Narrow": true, "N16": true, "N16FromNCHW": true, "N16ToNCHW": true, "N16FromBlocked": true, "N16ToBlocked": true, "Repack": true, "DepthwiseRepack": true, "N16Repack": true,
	"CopyInt8": true,
}

// TestKernelsStateTheirCost: every type of this package that runs is a Kernel, and none
// says that it takes no time or moves nothing, or, if it computes, no operations. Twice the
// images do not cost less.
func TestKernelsStateTheirCost(t *testing.T) {
	missing := map[string]bool{}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if m, ok := d.(*ast.FuncDecl); ok && m.Name.Name == "Run" && m.Recv != nil && m.Type.Params.NumFields() == 3 {
				if recv, ok := m.Recv.List[0].Type.(*ast.Ident); ok {
					missing[recv.Name] = true
				}
			}
		}
	}
	if len(missing) < 70 {
		t.Fatalf("only %d kernels found", len(missing))
	}
	for _, k := range samples() {
		name := strings.TrimPrefix(fmt.Sprintf("%T", k), "kernel.")
		delete(missing, name)
		one, two := k.Cost(16), k.Cost(32)
		if !(one.NS > 0) || math.IsInf(one.NS, 0) || one.Bytes <= 0 || one.MACs < 0 {
			t.Errorf("%s costs %+v", name, one)
		}
		if (one.FLOPs > 0) == moves[name] {
			t.Errorf("%s: %d floating-point operations", name, one.FLOPs)
		}
		if one.MACs > 0 && one.FLOPs != 2*one.MACs {
			t.Errorf("%s: %d operations, %d multiply-accumulates", name, one.FLOPs, one.MACs)
		}
		if two.NS < one.NS || two.Bytes < one.Bytes || two.FLOPs < one.FLOPs {
			t.Errorf("%s: 16 images cost %+v, 32 images %+v", name, one, two)
		}
	}
	for name := range missing {
		t.Errorf("no sample of %s: add one to samples", name)
	}
}

// TestKernelsAreValues: every kernel is comparable, and prints as the Go that makes
// it.
func TestKernelsAreValues(t *testing.T) {
	for _, k := range samples() {
		if k != k { // panics where it is not comparable
			t.Errorf("%#v is not itself", k)
		}
		if s := fmt.Sprintf("%#v", k); len(s) < len("kernel.X{}") || s[:7] != "kernel." {
			t.Errorf("prints as %s", s)
		}
	}
}
