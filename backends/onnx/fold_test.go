package onnx

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// TestFoldIsBounded folds models of some kilobytes that ask for gigabytes of constants. Import
// and Verify must not allocate them.
func TestFoldIsBounded(t *testing.T) {
	intTensor := func(name string, dims []int64, v ...int64) *onnxpb.TensorProto {
		return &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_INT64), Dims: dims, Int64Data: v}
	}
	for name, c := range map[string]struct {
		first, next *onnxpb.NodeProto // next reads the result of the node before
	}{
		"real numbers": {&onnxpb.NodeProto{OpType: "ConstantOfShape", Input: []string{"large"}}, &onnxpb.NodeProto{OpType: "Add"}},
		"integers":     {&onnxpb.NodeProto{OpType: "Range", Input: []string{"zero", "most", "one"}}, &onnxpb.NodeProto{OpType: "Mul"}},
		"copies":       {&onnxpb.NodeProto{OpType: "ConstantOfShape", Input: []string{"small"}}, &onnxpb.NodeProto{OpType: "Concat", Attribute: []*onnxpb.AttributeProto{intAttr("axis", 0)}}},
		"powers":       {&onnxpb.NodeProto{OpType: "ConstantOfShape", Input: []string{"small"}}, &onnxpb.NodeProto{OpType: "Exp"}},
	} {
		g := &onnxpb.GraphProto{Name: "g", Initializer: []*onnxpb.TensorProto{intTensor("large", []int64{1}, 1<<24), intTensor("small", []int64{1}, 1<<20),
			intTensor("zero", nil, 0), intTensor("one", nil, 1), intTensor("most", nil, 1<<16)}}
		for i := range 500 {
			n := &onnxpb.NodeProto{OpType: c.next.OpType, Attribute: c.next.Attribute, Output: []string{fmt.Sprint("v", i)}}
			switch before := fmt.Sprint("v", i-1); {
			case i == 0:
				n.OpType, n.Input, n.Attribute = c.first.OpType, c.first.Input, nil
			case c.next.OpType == "Exp":
				n.Input = []string{before}
			default:
				n.Input = []string{before, before}
			}
			g.Node = append(g.Node, n)
		}
		g.Output = []*onnxpb.ValueInfoProto{testInfo("v499", "?")}
		m := &Model{Proto: &onnxpb.ModelProto{IrVersion: 8, Graph: g, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Import(m)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
			t.Errorf("%s: Import allocates %d bytes (%v)", name, n, err)
		}
		runtime.ReadMemStats(&before)
		Verify(m)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
			t.Errorf("%s: Verify allocates %d bytes", name, n)
		}
	}
}

// TestImportOfManyPiecesIsBounded imports models whose every node becomes many ops or a large
// matrix.
func TestImportOfManyPiecesIsBounded(t *testing.T) {
	ints := func(name, op string, v ...int64) (*onnxpb.TensorProto, *onnxpb.NodeProto) {
		return &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_INT64), Dims: []int64{int64(len(v))}, Int64Data: v}, &onnxpb.NodeProto{OpType: op}
	}
	far := make([]int64, 1000) // not neighbours: 16 pieces, or a matrix
	for i := range far {
		far[i] = int64(i * 7 % 1000)
	}
	for name, at := range map[string]int64{"pieces": 16, "matrices": 1000} {
		list, n := ints("at", "Gather", far[:at]...)
		g := &onnxpb.GraphProto{Name: "g", Initializer: []*onnxpb.TensorProto{list}, Input: []*onnxpb.ValueInfoProto{testInfo("x", "Nx1000x2")}, Output: []*onnxpb.ValueInfoProto{testInfo("y", "?")}}
		sum := &onnxpb.NodeProto{OpType: "Sum", Output: []string{"y"}}
		for i := range 20000 {
			out := fmt.Sprint("v", i)
			g.Node = append(g.Node, &onnxpb.NodeProto{OpType: n.OpType, Input: []string{"x", "at"}, Output: []string{out}, Attribute: []*onnxpb.AttributeProto{intAttr("axis", 1)}})
			sum.Input = append(sum.Input, out)
		}
		g.Node = append(g.Node, sum)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Import(&Model{Proto: &onnxpb.ModelProto{IrVersion: 8, Graph: g, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}}})
		runtime.ReadMemStats(&after)
		// Where matrices would take too much memory, nodes gather. The number counts garbage, too.
		most := uint64(256 << 20)
		if name == "matrices" {
			most = 512 << 20
		} else if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > most {
			t.Errorf("%s: Import allocates %d bytes (%v)", name, n, err)
		}
	}
}
