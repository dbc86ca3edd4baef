package onnx_test

import (
	"bytes"
	"errors"
	"io/fs"
	"runtime"
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/form"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes"
)

// besideModel provides a file with external data.
type besideModel struct{ fs.FS }

func (b besideModel) Open(name string) (onnx.File, error) {
	f, err := b.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return f.(onnx.File), nil
}

// fuzzSeeds adds models of small networks with every kind of layer.
func fuzzSeeds(f *testing.F) {
	for _, spec := range []string{
		"net a\ninput image 1x4x4\nconv 3x3 2 pad=1 act=relu -> maxpool 2x2/2 -> lrn 3 -> gap -> fc 3 -> softmax\n",
		"net b\ninput image 2x4x4\nconv 1x1 4 bn=1e-3 -> avgpool 3x3/2 pad=1 -> dropout 0.5 -> fc 2 maxout=2\n",
		"net c\ninput image 1x4x4\ninception {\n  conv 1x1 2\n  conv 3x3 2 pad=1\n}\nlrn 4 -> fc 2 -> softmax\n",
	} {
		g, problems := dsl.Load("a.incc", []byte(spec), dsl.Options{})
		if problems.HasErrors() {
			continue // the language no longer accepts this spec
		}
		for _, b := range []onnx.Backend{{}, {Opset: onnx.MaxOpset, Batch: 2, Dropout: true}, {External: true, Path: "w"}} {
			files, err := b.Emit(g)
			if err != nil {
				f.Fatal(err)
			}
			var parts [2]bytes.Buffer
			for i, file := range files {
				if _, err := file.WriteTo(&parts[i]); err != nil {
					f.Fatal(err)
				}
			}
			f.Add(parts[0].Bytes(), parts[1].Bytes())
		}
	}
}

// foreignSeeds adds models of other exporters, with computed shapes.
func foreignSeeds(f *testing.F) {
	type tensors = []*onnxpb.TensorProto
	for _, m := range []*onnxpb.ModelProto{
		small(),
		foreignModel(17, "Nx4x6x5", tensors{scalarInt("zero", 0), ints("at", 0), ints("rest", -1)}, op("Shape", "x", "s"), op("Gather", "s zero", "n"),
			op("Unsqueeze", "n at", "n1"), op("Concat", "n1 rest", "to", attribute("axis", 0)), op("Reshape", "x to", "y")),
		foreignModel(17, "Nx2x4x6", tensors{ints("sizes", 2, 2, 7, 3), ints("pads", 0, 0, 1, 1, 0, 0, 1, 1)}, op("Resize", "x _ _ sizes", "r", attribute("mode", "cubic")),
			op("Pad", "r pads", "y", attribute("mode", "reflect"))),
		foreignModel(17, "2x2x4x6", tensors{scalarInt("no", 0)}, op("Cast", "no", "is", attribute("to", int(onnxpb.TensorProto_BOOL))),
			op("If", "is", "y", attribute("then_branch", branch(op("Relu", "x", "out"))), attribute("else_branch", branch(op("Neg", "x", "out"))))),
		foreignModel(17, "Nx2x4x6", tensors{ints("k", 2), ints("axes", 2), ints("pads", 0, 1, 0, 0, 1, 0, 1, 2)}, op("Pad", "x pads", "p", attribute("mode", "reflect")),
			op("TopK", "p k", "v i", attribute("axis", 1)), op("GatherElements", "p i", "g", attribute("axis", 1)), op("Unsqueeze", "g axes", "u"), op("Erf", "u", "y")),
		foreignModel(17, "2x2x4x6", nil, op("DynamicQuantizeLinear", "x", "q s z"), op("DequantizeLinear", "q s z", "d"), op("ArgMax", "d", "a", attribute("axis", 3)),
			op("Cast", "a", "f", attribute("to", int(onnxpb.TensorProto_FLOAT))), op("Einsum", "f d", "e", attribute("equation", "abcd,abce->abde")), op("MaxPool", "e", "m i", attribute("kernel_shape", []int64{2, 2})),
			op("MaxUnpool", "m i", "y", attribute("kernel_shape", []int64{2, 2}))),
		foreignModel(17, "Nx6x5x4", nil, op("Transpose", "x", "c", attribute("perm", []int64{0, 3, 1, 2})), op("LpNormalization", "c", "l"),
			op("Transpose", "l", "y", attribute("perm", []int64{0, 2, 3, 1}))),
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, []byte{})
	}
}

// FuzzImport reads arbitrary bytes as a model and as its external data, and does what incc
// verify --run does before it computes. It checks that nothing panics, that the memory is at
// most 256 MB plus 8 times the size of the bytes, and that a graph from Import passes
// ir.Verify and can be emitted again.
func FuzzImport(f *testing.F) {
	fuzzSeeds(f)
	foreignSeeds(f)
	f.Fuzz(func(t *testing.T, model, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		importAny(t, model, data)
		runtime.ReadMemStats(&after)
		if n, most := after.TotalAlloc-before.TotalAlloc, uint64(256<<20+8*(len(model)+len(data))); n > most {
			t.Fatalf("%d bytes of a model take %d bytes of memory, want at most %d", len(model)+len(data), n, most)
		}
	})
}

func importAny(t *testing.T, model, data []byte) {
	p, err := onnx.Decode(model)
	if err != nil {
		return
	}
	if onnx.HasExternal(p) {
		if err := onnx.LoadExternal(p, besideModel{fstest.MapFS{"w.data": {Data: data}}}); err != nil {
			return
		}
	}
	m := &onnx.Model{Proto: p}
	sound := len(onnx.Verify(m)) == 0
	g, err := onnx.Import(m)
	if err != nil {
		if sound && !errors.Is(err, onnx.ErrUnsupported) {
			t.Fatalf("Verify finds nothing, Import says %v", err)
		}
		return
	}
	if !sound {
		return // Import checks only what it needs
	}
	if err := ir.Verify(g); err != nil {
		t.Fatalf("the graph of a sound model: %v", err)
	}
	again, err := onnx.Backend{}.Model(g)
	if err == nil {
		if problems := onnx.Verify(again); len(problems) > 0 {
			t.Fatalf("the model written again: %v", problems)
		}
	}
	if fixed, err := onnx.ImportWith(onnx.Bind(m, 1), onnx.ImportOptions{FixedBatch: true}); err == nil {
		for _, rewrite := range form.All {
			if h, _, err := rewrite(fixed); err == nil {
				if err := ir.Verify(h); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	work := int64(0)
	for _, l := range ir.Summarize(g).Layers {
		work += l.Cost.MACs + l.Bytes
	}
	if work > 1<<24 {
		return // passes and plans take long for large shapes
	}
	if _, err := passes.Run(g, passes.Level(1), passes.Options{}); err != nil {
		t.Fatalf("passes: %v", err)
	}
	_, _ = cpu.Plan(g, cpu.Options{}) // not every graph has a plan
}
