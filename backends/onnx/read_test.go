package onnx

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/cputime"
	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// nest wraps bytes n times in a field with the given number.
func nest(b []byte, field protowire.Number, n int) []byte {
	for range n {
		b = protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), b)
	}
	return b
}

// spiral nests graphs in attributes in nodes in graphs, n times. It takes linear time.
func spiral(n int) []byte {
	sizes := make([]int, 0, 3*n)
	size := 0
	for range 3 * n {
		sizes = append(sizes, size)
		size = 1 + protowire.SizeBytes(size)
	}
	fields := [3]protowire.Number{6, 5, 1} // attribute.g, node.attribute, graph.node
	var b []byte
	for i := 3*n - 1; i >= 0; i-- {
		b = protowire.AppendTag(b, fields[i%3], protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(sizes[i]))
	}
	return b
}

// model makes the bytes of a model from the bytes of a graph.
func model(graph []byte) []byte {
	return append([]byte{0x08, 8}, nest(graph, modelGraph, 1)...)
}

func marshal(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func withTensor(t *onnxpb.TensorProto) []byte {
	return marshal(&onnxpb.ModelProto{IrVersion: 8, Graph: &onnxpb.GraphProto{Initializer: []*onnxpb.TensorProto{t}}})
}

func withNode(a *onnxpb.AttributeProto) []byte {
	return marshal(&onnxpb.ModelProto{IrVersion: 8, Graph: &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{{OpType: "X", Attribute: []*onnxpb.AttributeProto{a}}}}})
}

func withShape(dims ...int64) []byte {
	s := &onnxpb.TensorShapeProto{}
	for _, d := range dims {
		s.Dim = append(s.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
	}
	return marshal(&onnxpb.ModelProto{IrVersion: 8, Graph: &onnxpb.GraphProto{Input: []*onnxpb.ValueInfoProto{{Name: "x",
		Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: 1, Shape: s}}}}}}})
}

func ones(n int, v int64) []int64 {
	d := make([]int64, n)
	for i := range d {
		d[i] = v
	}
	return d
}

// bombs returns files that would take a decoder much memory or time, and a part of the
// expected error ("a|b" means either).
func bombs() []struct {
	name  string
	bytes []byte
	want  string
} {
	rep := func(b []byte, n int) []byte { return bytes.Repeat(b, n) }
	float := int32(onnxpb.TensorProto_FLOAT)
	return []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"empty file", nil, "empty"},
		{"text", []byte("net lenet5\ninput image 1x28x28\n"), "not"},
		{"zeros", make([]byte, 1<<16), "protobuf"},
		{"ones", rep([]byte{0xff}, 1<<16), "protobuf"},
		{"no graph", []byte{0x08, 8}, "no graph"},
		{"no ir version", marshal(&onnxpb.ModelProto{Graph: &onnxpb.GraphProto{Name: "g"}}), "ir_version"},
		{"10 MB of empty nodes", model(rep([]byte{0x0a, 0}, 5<<20)), "memory|nodes"},
		{"10 MB of empty initializers", model(rep([]byte{0x2a, 0}, 5<<20)), "memory|tensors"},
		{"10 MB of empty inputs", model(rep([]byte{0x5a, 0}, 5<<20)), "memory"},
		{"10 MB of empty outputs", model(rep([]byte{0x62, 0}, 5<<20)), "memory"},
		{"10 MB of empty value_info", model(rep([]byte{0x6a, 0}, 5<<20)), "memory"},
		{"10 MB of empty annotations", model(rep([]byte{0x72, 0}, 5<<20)), "memory"},
		{"10 MB of empty sparse initializers", model(rep([]byte{0x7a, 0}, 5<<20)), "memory"},
		{"10 MB of empty metadata", append(model(nil), rep([]byte{0x72, 0}, 5<<20)...), "memory"},
		{"10 MB of empty opset imports", append(model(nil), rep([]byte{0x42, 0}, 5<<20)...), "memory"},
		{"10 MB of empty functions", append(model(nil), rep([]byte{0xca, 1, 0}, 3<<20)...), "memory"},
		{"10 MB of graphs to merge", rep(nest(nil, modelGraph, 1), 5<<20), "memory"},
		{"10 MB of empty inputs of a node", model(nest(rep([]byte{0x0a, 0}, 5<<20), 1, 1)), "memory"},
		{"10 MB of empty attributes", model(nest(rep([]byte{0x2a, 0}, 5<<20), 1, 1)), "memory"},
		{"10 MB of empty strings in an attribute", model(nest(nest(rep([]byte{0x4a, 0}, 5<<20), 5, 1), 1, 1)), "memory"},
		{"20 MB of small integers, packed", model(nest(nest(nest(make([]byte, 20<<20), 8, 1), 5, 1), 1, 1)), "memory"},
		{"10 MB of empty string_data", model(nest(rep([]byte{0x32, 0}, 5<<20), 5, 1)), "memory"},
		{"10 MB of empty dims in a shape", model(nest(nest(nest(nest(rep([]byte{0x0a, 0}, 5<<20), 2, 1), 1, 1), 2, 1), 11, 1)), "memory"},
		{"100,001 nodes", model(rep([]byte{0x0a, 3, 0x22, 1, 'X'}, maxNodes+1)), "nodes"},
		{"100,001 initializers", model(rep([]byte{0x2a, 2, 0x10, 1}, maxNodes+1)), "tensors"},
		{"100,001 nodes in subgraphs", model(rep(nest(nest(nest([]byte{0x0a, 0}, 6, 1), 5, 1), 1, 1), maxNodes/2+1)), "nodes"},
		{"sequence types nested 100 deep", model(nest(nest(seq(100), 2, 1), 11, 1)), "nested"},
		{"graphs nested 100 deep", model(spiral(100)), "nested"},
		{"graphs nested 4.5 MB deep", model(spiral(300_000)), "nested"},
		{"sequence types nested 4 MB deep", model(nest(nest(seq(500_000), 2, 1), 11, 1)), "nested"},
		{"group", append(model(nil), 0x0b, 0x0c), "group"},
		{"groups 1 MB deep", append(model(nil), rep([]byte{0xfb, 0x01}, 1<<19)...), "group"},
		{"group that never ends", append(model(nil), 0x0b), "group"},
		{"length beyond the end", append(model(nil), 0x3a, 0xff, 0xff, 0xff, 0xff, 0x07), "protobuf"},
		{"length of 2^63", append(model(nil), 0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), "protobuf"},
		{"varint without end", append(model(nil), 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "protobuf"},
		{"field number 0", append(model(nil), 0x00, 0x00), "protobuf"},
		{"string that is not UTF-8", model([]byte{0x12, 2, 0xff, 0xfe}), "UTF-8"},
		{"tensor of 2^62 elements", withTensor(&onnxpb.TensorProto{Name: "w", DataType: float, Dims: []int64{1 << 31, 1 << 31}}), "axis"},
		{"tensor whose product overflows to 0", withTensor(&onnxpb.TensorProto{Name: "w", DataType: float, Dims: ones(8, 1<<8)}), "elements"},
		{"tensor of 2^24 x 2^24", withTensor(&onnxpb.TensorProto{Name: "w", DataType: float, Dims: []int64{1 << 24, 1 << 24}}), "elements"},
		{"tensor of 1 GB without data", withTensor(&onnxpb.TensorProto{Name: "w", DataType: float, Dims: []int64{1 << 14, 1 << 14}}), "has 0"},
		{"tensor with negative axis", withTensor(&onnxpb.TensorProto{Name: "w", DataType: float, Dims: []int64{-1}}), "axis"},
		{"tensor of rank 9", withTensor(&onnxpb.TensorProto{Name: "w", DataType: float, Dims: ones(9, 1), FloatData: []float32{1}}), "axes"},
		{"tensor of rank 100,000", withTensor(&onnxpb.TensorProto{Name: "w", DataType: float, Dims: ones(100_000, 1), FloatData: []float32{1}}), "axes"},
		{"tensor of no type", withTensor(&onnxpb.TensorProto{Name: "w", Dims: []int64{1}}), "data type"},
		{"tensor of type -5", withTensor(&onnxpb.TensorProto{Name: "w", DataType: -5, Dims: []int64{1}}), "data type"},
		{"tensor in an attribute without data", withNode(&onnxpb.AttributeProto{Name: "value", T: &onnxpb.TensorProto{DataType: float, Dims: []int64{1 << 20}}}), "has 0"},
		{"tensors in an attribute without data", withNode(&onnxpb.AttributeProto{Name: "values", Tensors: []*onnxpb.TensorProto{{DataType: float, Dims: []int64{1 << 20}}}}), "has 0"},
		{"sparse tensor of 2^48", withNode(&onnxpb.AttributeProto{Name: "v", SparseTensor: &onnxpb.SparseTensorProto{Dims: []int64{1 << 24, 1 << 24}}}), "elements"},
		{"sparse tensor without values", withNode(&onnxpb.AttributeProto{Name: "v", SparseTensor: &onnxpb.SparseTensorProto{Dims: []int64{4}}}), "without values"},
		{"subgraph with such a tensor", withNode(&onnxpb.AttributeProto{Name: "body", G: &onnxpb.GraphProto{Initializer: []*onnxpb.TensorProto{{DataType: float, Dims: []int64{1 << 20}}}}}), "has 0"},
		{"function with such a tensor", marshal(&onnxpb.ModelProto{IrVersion: 8, Graph: &onnxpb.GraphProto{}, Functions: []*onnxpb.FunctionProto{{Node: []*onnxpb.NodeProto{{
			Attribute: []*onnxpb.AttributeProto{{Name: "value", T: &onnxpb.TensorProto{DataType: float, Dims: []int64{1 << 20}}}}}}}}}), "has 0"},
		{"two halves of a tensor that merge to rank 10", model(nest(nest(append(nest(marshal(&onnxpb.TensorProto{Dims: ones(5, 1)}), 5, 1),
			nest(marshal(&onnxpb.TensorProto{Dims: ones(5, 1), DataType: float}), 5, 1)...), 5, 1), 1, 1)), "axes"},
		{"input of rank 9", withShape(ones(9, 1)...), "axes"},
		{"input of 2^48 elements", withShape(1<<24, 1<<24), "elements"},
		{"input with axis 2^63-1", withShape(1<<63 - 1), "axis"},
	}
}

// seq returns the bytes of n nested sequence types.
func seq(n int) []byte {
	sizes := make([]int, 0, 2*n)
	size := 0
	for range 2 * n {
		sizes = append(sizes, size)
		size = 1 + protowire.SizeBytes(size)
	}
	fields := [2]protowire.Number{1, 4} // sequence.elem_type, type.sequence_type
	var b []byte
	for i := 2*n - 1; i >= 0; i-- {
		b = protowire.AppendTag(b, fields[i%2], protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(sizes[i]))
	}
	return b
}

// again repeats f up to four times if it took longer than a second, and returns the shortest
// time, because another process may have disturbed the first measurement.
func again(took time.Duration, f func()) time.Duration {
	for range 4 {
		if took <= time.Second {
			break
		}
		since := cputime.Start()
		f()
		took = min(took, since())
	}
	return took
}

func TestBombs(t *testing.T) {
	list := bombs()
	if len(list) < 40 {
		t.Fatalf("%d bombs", len(list))
	}
	for _, b := range list {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		since := cputime.Start()
		_, err := Decode(b.bytes)
		took := since()
		runtime.ReadMemStats(&after)
		took = again(took, func() { _, _ = Decode(b.bytes) })
		if err == nil {
			t.Errorf("%s: accepted", b.name)
			continue
		}
		ok := false
		for _, w := range strings.Split(b.want, "|") {
			ok = ok || strings.Contains(err.Error(), w)
		}
		if !ok {
			t.Errorf("%s: %v, want something about %q", b.name, err, b.want)
		}
		if len(err.Error()) > 300 {
			t.Errorf("%s: an error of %d bytes", b.name, len(err.Error()))
		}
		if took > time.Second {
			t.Errorf("%s: took %v", b.name, took)
		}
		if a, bound := after.TotalAlloc-before.TotalAlloc, uint64(256<<20+8*len(b.bytes)); a > bound {
			t.Errorf("%s: allocated %d bytes for a file of %d", b.name, a, len(b.bytes))
		}
	}
}

// TestCostIsAnUpperBound decodes files that just pass scan, with as many small messages as
// possible. The limit must cover the memory that protobuf allocates for them.
func TestCostIsAnUpperBound(t *testing.T) {
	rep := func(b []byte, n int) []byte { return bytes.Repeat(b, n) }
	for name, unit := range map[string][]byte{
		"nodes":       {0x0a, 0},
		"inputs":      {0x5a, 0},
		"dims":        nest(nest(nest(nest(rep([]byte{0x0a, 2, 0x08, 1}, 20), 2, 1), 1, 1), 2, 1), 11, 1),
		"annotations": {0x72, 0},
		"metadata":    {0x82, 0x01, 0},
		"node inputs": nest(rep([]byte{0x0a, 0}, 20), 1, 1),
		"attributes":  nest(rep([]byte{0x2a, 0}, 20), 1, 1),
		"packed":      nest(nest(nest(make([]byte, 100), 8, 1), 5, 1), 1, 1),
		"strings":     nest(nest(rep([]byte{0x4a, 0}, 100), 5, 1), 1, 1),
	} {
		lo, hi := 0, 1<<10
		for scan(model(rep(unit, hi))) == nil {
			lo, hi = hi, 2*hi
		}
		for hi-lo > hi/16 { // the largest count that passes
			mid := (lo + hi) / 2
			if scan(model(rep(unit, mid))) == nil {
				lo = mid
			} else {
				hi = mid
			}
		}
		b := model(rep(unit, lo))
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m := new(onnxpb.ModelProto)
		if err := proto.Unmarshal(b, m); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		a := after.TotalAlloc - before.TotalAlloc
		if bound := uint64(256<<20 + 8*len(b)); a > bound {
			t.Errorf("%s: a file of %d bytes that passes costs %d, more than %d", name, len(b), a, bound)
		}
		if testing.Verbose() {
			fmt.Printf("%-12s %8d units, %9d bytes -> %11d\n", name, lo, len(b), a)
		}
	}
}

// TestMutatedModels decodes and imports valid models in which bits are flipped and bytes
// are changed, cut off, repeated, removed or inserted.
func TestMutatedModels(t *testing.T) {
	n := longtest.Count(20_000, 80_000, 1_000_000)
	small := encode(t, tiny())
	noWeights := tiny()
	noWeights.Weights = nil
	for _, x := range noWeights.Proto.Graph.Initializer {
		x.Dims, x.FloatData = []int64{1}, []float32{1}
	}
	seeds := [][]byte{small, encode(t, noWeights)}
	rng := rand.New(rand.NewPCG(1, 2))
	passed, imported, worst := 0, 0, time.Duration(0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	total := 0
	for range n {
		b := bytes.Clone(seeds[rng.IntN(len(seeds))])
		for range 1 + rng.IntN(3) {
			i := rng.IntN(len(b))
			switch rng.IntN(12) {
			default:
				b[i] ^= 1 << rng.IntN(8)
			case 0, 1:
				b[i] = byte(rng.IntN(256))
			case 2:
				b = b[:i+1]
			case 3:
				j := i + rng.IntN(len(b)-i)
				b = append(b[:j:j], b[i:]...)
			case 4:
				j := i + rng.IntN(len(b)-i)
				b = append(b[:i:i], b[j:]...)
			case 5:
				b = append(b[:i:i], append([]byte{0xff, 0xff, 0xff, 0xff, 0x7f}, b[i:]...)...)
			}
			if len(b) == 0 {
				b = []byte{0}
			}
		}
		total += len(b)
		since := cputime.Start()
		m, err := Decode(b)
		if err == nil {
			passed++
			if g, err := Import(&Model{Proto: m}); err == nil {
				imported++
				if err := ir.Verify(g); err != nil {
					t.Errorf("an imported mutant: %v", err)
				}
			}
		}
		worst = max(worst, again(since(), func() {
			if m, err := Decode(b); err == nil {
				_, _ = Import(&Model{Proto: m})
			}
		}))
	}
	runtime.ReadMemStats(&after)
	if worst > time.Second {
		t.Errorf("one took %v", worst)
	}
	if passed < n/10 {
		t.Errorf("only %d of %d mutants decode: the mutations are too coarse to reach the checks behind", passed, n)
	}
	if a := (after.TotalAlloc - before.TotalAlloc) / uint64(n); a > 1<<20 {
		t.Errorf("a mutant costs %d bytes on average", a)
	}
	if imported == 0 {
		t.Error("no mutant is imported")
	}
	t.Logf("%d of %d mutants decode, %d import; the slowest took %v", passed, n, imported, worst)
}

// TestHostileExternalData: a model cannot read files that it must not read as external data.
func TestHostileExternalData(t *testing.T) {
	path := t.TempDir()
	inside := filepath.Join(path, "model")
	if err := os.Mkdir(inside, 0o777); err != nil {
		t.Fatal(err)
	}
	write := func(name string) {
		if err := os.WriteFile(name, make([]byte, 64), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(path, "secret"))
	write(filepath.Join(inside, "good"))
	write(filepath.Join(inside, "other"))
	if err := os.Link(filepath.Join(path, "secret"), filepath.Join(inside, "hard")); err != nil {
		t.Skip("no hard links here:", err)
	}
	if err := os.Symlink(filepath.Join("..", "secret"), filepath.Join(inside, "soft")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(inside, "folder"), 0o777); err != nil {
		t.Fatal(err)
	}
	fifo(t, filepath.Join(inside, "fifo"))
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	kv := func(s ...string) []*onnxpb.StringStringEntryProto {
		var r []*onnxpb.StringStringEntryProto
		for i := 0; i < len(s); i += 2 {
			r = append(r, &onnxpb.StringStringEntryProto{Key: s[i], Value: s[i+1]})
		}
		return r
	}
	load := func(files Files, dims []int64, entries ...[]*onnxpb.StringStringEntryProto) error {
		m := &onnxpb.ModelProto{Graph: &onnxpb.GraphProto{}}
		for _, e := range entries {
			m.Graph.Initializer = append(m.Graph.Initializer, &onnxpb.TensorProto{Name: "w", DataType: 1, Dims: dims,
				DataLocation: onnxpb.TensorProto_EXTERNAL, ExternalData: e})
		}
		return LoadExternal(m, files)
	}
	if err := load(Dir(root), []int64{16}, kv("location", "good", "offset", "0", "length", "64")); err != nil {
		t.Fatal(err)
	}
	if err := load(Dir(root), []int64{8}, kv("location", "good", "offset", "32")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		entries []*onnxpb.StringStringEntryProto
		want    string
	}{
		"no location":       {kv("offset", "0"), "relative path"},
		"absolute":          {kv("location", filepath.Join(path, "secret")), "relative path"},
		"dots":              {kv("location", "../secret"), "relative path"},
		"inner dots":        {kv("location", "folder/../../secret"), "relative path"},
		"the folder":        {kv("location", "."), "relative path"},
		"soft link":         {kv("location", "soft"), "escapes"},
		"hard link":         {kv("location", "hard"), "hard link"},
		"fifo":              {kv("location", "fifo"), "regular file"},
		"directory":         {kv("location", "folder"), "regular file"},
		"missing":           {kv("location", "nowhere"), "no such file"},
		"beyond the end":    {kv("location", "good", "offset", "4"), "the tensor needs bytes"},
		"offset overflow":   {kv("location", "good", "offset", "9223372036854775807"), "number of bytes"},
		"offset near 2^62":  {kv("location", "good", "offset", "4611686018427387904"), "the tensor needs bytes"},
		"negative offset":   {kv("location", "good", "offset", "-4"), "number of bytes"},
		"negative length":   {kv("location", "good", "length", "-64"), "number of bytes"},
		"length of another": {kv("location", "good", "length", "60"), "shape"},
		"two locations":     {kv("location", "good", "location", "hard"), "twice"},
		"nul":               {kv("location", "good\x00"), "relative path"},
	} {
		done := make(chan error, 1)
		go func() { done <- load(Dir(root), []int64{16}, c.entries) }()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want something about %q", name, err, c.want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: hangs", name)
		}
	}
	same := kv("location", "good")
	if err := load(Dir(root), []int64{16}, same, same); err == nil || !strings.Contains(err.Error(), "more bytes") {
		t.Errorf("the same bytes twice: %v", err)
	}
	if err := load(shrinking{Dir(root)}, []int64{16}, same); err == nil {
		t.Error("a file that shrinks while it is read was accepted")
	}
}

// shrinking opens files whose data ends before the size that Stat reports.
type shrinking struct{ Files }

func (s shrinking) Open(name string) (File, error) {
	f, err := s.Files.Open(name)
	return short{f}, err
}

type short struct{ File }

func (short) ReadAt(b []byte, off int64) (int, error) { return 0, fs.ErrInvalid }
