package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// tiny returns a model of two convolutions with everything that models of incc contain.
func tiny() *Model {
	info := func(name string, dims ...any) *onnxpb.ValueInfoProto {
		s := &onnxpb.TensorShapeProto{}
		for _, d := range dims {
			x := &onnxpb.TensorShapeProto_Dimension{}
			switch d := d.(type) {
			case int:
				x.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}
			case string:
				x.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d}
			}
			s.Dim = append(s.Dim, x)
		}
		return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
			TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(onnxpb.TensorProto_FLOAT), Shape: s}}}}
	}
	tensor := func(name string, dims ...int64) *onnxpb.TensorProto {
		return &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_FLOAT), Dims: dims, DocString: "of " + name}
	}
	ints := func(name string, v ...int64) *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS, Ints: v}
	}
	g := &onnxpb.GraphProto{
		Name: "tiny", DocString: "two convolutions",
		Input:       []*onnxpb.ValueInfoProto{info("image", "N", 3, 8, 8)},
		Output:      []*onnxpb.ValueInfoProto{info("c2", "N", 5, 6, 6)},
		ValueInfo:   []*onnxpb.ValueInfoProto{info("c1", "N", 4, 8, 8), info("c1/relu", "N", 4, 8, 8)},
		Initializer: []*onnxpb.TensorProto{tensor("c1/weight", 4, 3, 3, 3), tensor("c1/bias", 4), tensor("c2/weight", 5, 4, 3, 3)},
		Node: []*onnxpb.NodeProto{
			{Name: "c1", OpType: "Conv", Input: []string{"image", "c1/weight", "c1/bias"}, Output: []string{"c1"}, DocString: "line 3",
				Attribute: []*onnxpb.AttributeProto{ints("kernel_shape", 3, 3), ints("pads", 1, 1, 1, 1)}},
			{Name: "c1/relu", OpType: "Relu", Input: []string{"c1"}, Output: []string{"c1/relu"}},
			{Name: "c2", OpType: "Conv", Input: []string{"c1/relu", "c2/weight"}, Output: []string{"c2"},
				Attribute: []*onnxpb.AttributeProto{ints("kernel_shape", 3, 3)}},
		},
	}
	m := &Model{
		Proto: &onnxpb.ModelProto{IrVersion: 8, ProducerName: "incc", Graph: g,
			OpsetImport:   []*onnxpb.OperatorSetIdProto{{Version: 17}},
			MetadataProps: []*onnxpb.StringStringEntryProto{{Key: "incc_version", Value: "test"}}},
		Weights: map[string][]float32{},
	}
	for _, t := range g.Initializer {
		n, _ := elements(t.Dims)
		w := make([]float32, n)
		for i := range w {
			w[i] = float32(math.Sin(float64(i + len(t.Name))))
		}
		m.Weights[t.Name] = w
	}
	return m
}

// inline returns the model's message with the weights inside.
func inline(m *Model) *onnxpb.ModelProto {
	p := proto.Clone(m.Proto).(*onnxpb.ModelProto)
	for _, t := range p.Graph.Initializer {
		if w, ok := m.Weights[t.Name]; ok {
			t.RawData = nil
			for _, v := range w {
				t.RawData = binary.LittleEndian.AppendUint32(t.RawData, math.Float32bits(v))
			}
		}
	}
	return p
}

func encode(t testing.TB, m *Model) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := m.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	size, err := m.Size()
	if err != nil || n != int64(b.Len()) || n != size {
		t.Fatalf("WriteTo says %d bytes, Size %d (%v), written were %d", n, size, err, b.Len())
	}
	return b.Bytes()
}

func TestStreamEqualsMarshal(t *testing.T) {
	m := tiny()
	want, err := proto.MarshalOptions{Deterministic: true}.Marshal(inline(m))
	if err != nil {
		t.Fatal(err)
	}
	if got := encode(t, m); !bytes.Equal(got, want) {
		t.Errorf("the stream differs from proto.Marshal (%d and %d bytes)", len(got), len(want))
	}
	// Fields before and after, raw data in the message, and unknown fields.
	p := inline(m)
	p.Domain, p.ModelVersion, p.DocString = "org.incc", 3, "doc"
	p.Functions = []*onnxpb.FunctionProto{{Name: "f"}}
	p.ProtoReflect().SetUnknown([]byte{0xa2, 0x01, 0x00}) // training_info, field 20
	p.Graph.QuantizationAnnotation = []*onnxpb.TensorAnnotation{{TensorName: "x"}}
	want, err = proto.MarshalOptions{Deterministic: true}.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if got := encode(t, &Model{Proto: p}); !bytes.Equal(got, want) {
		t.Error("the stream of a model with data in the message differs from proto.Marshal")
	}
}

func TestWriteErrors(t *testing.T) {
	m := tiny()
	m.Weights["nobody"] = []float32{1}
	if _, err := m.WriteTo(io.Discard); err == nil {
		t.Error("a weight without an initializer was accepted")
	}
	m = tiny()
	m.Proto.Graph.Initializer[0].RawData = []byte{1}
	if _, err := m.WriteTo(io.Discard); err == nil {
		t.Error("values in two places were accepted")
	}
	m = tiny()
	if _, err := m.WriteTo(failing{}); !errors.Is(err, errFull) {
		t.Errorf("a full disk gives %v", err)
	}
	m = tiny()
	huge := make([]float32, 1<<20)
	for i := range 520 { // shared memory: 2 GiB of weights that cost 4 MiB
		name := strings.Repeat("x", i+1)
		m.Weights[name] = huge
		m.Proto.Graph.Initializer = append(m.Proto.Graph.Initializer,
			&onnxpb.TensorProto{Name: name, DataType: 1, Dims: []int64{1 << 20}})
	}
	if _, err := m.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), "external data") {
		t.Errorf("a model beyond protobuf's 2 GiB gives %v", err)
	}
	e, data, err := m.Externalize("huge.bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.WriteTo(io.Discard); err != nil {
		t.Errorf("the same model with external data: %v", err)
	}
	if n, err := data.WriteTo(io.Discard); err != nil || n < 520<<22 {
		t.Errorf("its data: %d bytes, %v", n, err)
	}
}

var errFull = errors.New("disk full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

// TestWritingCopiesNoWeights: writing 256 MiB of weights allocates at most 1 MiB.
func TestWritingCopiesNoWeights(t *testing.T) {
	m := tiny()
	w := make([]float32, 64<<20)
	m.Weights["big"] = w
	m.Proto.Graph.Initializer = append(m.Proto.Graph.Initializer, &onnxpb.TensorProto{Name: "big", DataType: 1, Dims: []int64{64 << 20}})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := m.WriteTo(io.Discard); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if a := after.TotalAlloc - before.TotalAlloc; a > 1<<20 {
		t.Errorf("writing allocated %d bytes", a)
	}
	runtime.KeepAlive(w)
}

func TestReadBack(t *testing.T) {
	m := tiny()
	got, err := Decode(encode(t, m))
	if err != nil {
		t.Fatal(err)
	}
	if want := inline(m); !proto.Equal(got, want) {
		t.Errorf("read %v\nwant %v", got, want)
	}
	for i, x := range got.Graph.Initializer {
		f, err := Floats(x)
		if err != nil {
			t.Fatal(err)
		}
		want := m.Weights[m.Proto.Graph.Initializer[i].Name]
		for j := range want {
			if f[j] != want[j] {
				t.Fatalf("%s[%d] = %g, want %g", x.Name, j, f[j], want[j])
			}
		}
	}
}

func TestExternalData(t *testing.T) {
	m := tiny()
	big := make([]float32, 5000)
	for i := range big {
		big[i] = float32(i)
	}
	m.Weights["big"] = big
	m.Proto.Graph.Initializer = append(m.Proto.Graph.Initializer, &onnxpb.TensorProto{Name: "big", DataType: 1, Dims: []int64{50, 100}})
	e, data, err := m.Externalize("tiny.onnx.data")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := e.Weights["c2/weight"]; !ok || len(e.Weights) != 3 {
		t.Errorf("%d weights stay in the message, want the three small ones", len(e.Weights))
	}
	if proto.Equal(e.Proto, m.Proto) || HasExternal(m.Proto) {
		t.Error("Externalize changed the model it was given")
	}
	var file bytes.Buffer
	if _, err := data.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "tiny.onnx.data"), file.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	p, err := Decode(encode(t, e))
	if err != nil {
		t.Fatal(err)
	}
	if !HasExternal(p) {
		t.Fatal("nothing is external")
	}
	if err := LoadExternal(p, Dir(root)); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(p, inline(m)) {
		t.Error("the model with external data reads back differently")
	}
	for _, bad := range []string{"", "/etc/passwd", "../x", "a/../../x", ".", `..\x`, "C:x", "a\x00b"} {
		if _, _, err := m.Externalize(bad); err == nil {
			t.Errorf("location %q was accepted", bad)
		}
	}
}
