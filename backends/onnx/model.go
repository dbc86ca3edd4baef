package onnx

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// Model is an ONNX model. Its weights may be kept outside of the protobuf message,
// so that they are not copied when the model is built or written.
type Model struct {
	Proto *onnxpb.ModelProto
	// Weights holds, by name, the values of FLOAT initializers of the main graph whose
	// TensorProto has no data itself. The slices are not copied, so they must not change
	// while the model is written.
	Weights map[string][]float32
	// origin names the node of the file that a node was made of, by the first output of the
	// node; see unfoldQ.
	origin map[string]string
}

// MaxModel is the largest size of a model file in bytes: the limit of protobuf for a
// message. ONNX Runtime and other readers in C++ do not read larger files.
const MaxModel = math.MaxInt32

// WriteTo writes the model as one file. The bytes are those that proto.Marshal makes of the
// message with every weight in its raw_data (little endian). Weights are converted in a
// small buffer, so that writing needs little memory. It returns an error if the file would
// be larger than MaxModel.
func (m *Model) WriteTo(w io.Writer) (int64, error) {
	s, err := m.layout()
	if err != nil {
		return 0, err
	}
	c := &counter{w: bufio.NewWriterSize(w, 1<<16)}
	for _, p := range s.parts {
		c.write(p.bytes)
		c.floats(p.floats)
	}
	if c.err == nil {
		c.err = c.w.Flush()
	}
	return c.n, c.err
}

// Size returns the length of the file that WriteTo writes, in bytes.
func (m *Model) Size() (int64, error) {
	s, err := m.layout()
	if err != nil {
		return 0, err
	}
	return s.size, nil
}

// stream is an encoded message in pieces. A piece is encoded bytes or weights that are not
// encoded yet. size is in bytes.
type stream struct {
	parts []part
	size  int64
}

type part struct {
	bytes  []byte
	floats []float32
}

func (s *stream) add(b []byte) {
	s.parts = append(s.parts, part{bytes: b})
	s.size += int64(len(b))
}

func (s *stream) addFloats(f []float32) {
	s.parts = append(s.parts, part{floats: f})
	s.size += 4 * int64(len(f))
}

// wrap adds a field whose value is the message in.
func (s *stream) wrap(field protowire.Number, in *stream) {
	b := protowire.AppendTag(nil, field, protowire.BytesType)
	s.add(protowire.AppendVarint(b, uint64(in.size)))
	s.parts = append(s.parts, in.parts...)
	s.size += in.size
}

// Numbers of the fields that layout writes itself.
const (
	modelGraph       = 7
	graphInitializer = 5
	tensorRawData    = 9
)

func (m *Model) layout() (*stream, error) {
	used := 0
	modelHead, modelTail, err := splitAt(m.Proto, modelGraph)
	if err != nil {
		return nil, err
	}
	s := &stream{}
	s.add(modelHead)
	if g := m.Proto.GetGraph(); g != nil {
		gs := &stream{}
		head, tail, err := splitAt(g, graphInitializer)
		if err != nil {
			return nil, err
		}
		gs.add(head)
		for _, t := range g.Initializer {
			ts := &stream{}
			head, tail, err := splitAt(t, tensorRawData)
			if err != nil {
				return nil, err
			}
			ts.add(head)
			values, ok := m.Weights[t.Name]
			switch {
			case ok && len(t.RawData) > 0:
				return nil, fmt.Errorf("initializer %q has values both inside and outside of its message", t.Name)
			case ok:
				used++
				b := protowire.AppendTag(nil, tensorRawData, protowire.BytesType)
				ts.add(protowire.AppendVarint(b, 4*uint64(len(values))))
				ts.addFloats(values)
			case len(t.RawData) > 0:
				b := protowire.AppendTag(nil, tensorRawData, protowire.BytesType)
				ts.add(protowire.AppendVarint(b, uint64(len(t.RawData))))
				ts.add(t.RawData)
			}
			ts.add(tail)
			gs.wrap(graphInitializer, ts)
		}
		gs.add(tail)
		s.wrap(modelGraph, gs)
	}
	s.add(modelTail)
	if used != len(m.Weights) {
		return nil, fmt.Errorf("%d weights have no initializer, or more than one", len(m.Weights)-used)
	}
	if s.size > MaxModel {
		return nil, fmt.Errorf("the model takes %d bytes, but a protobuf file can hold only %d: write the weights to a separate file (external data)", s.size, MaxModel)
	}
	return s, nil
}

// splitAt encodes the fields of a message with numbers below at (head) and above at (tail).
// proto.Marshal writes fields in the order of their numbers, so field at belongs between
// head and tail.
func splitAt(m proto.Message, at protoreflect.FieldNumber) (head, tail []byte, err error) {
	r := m.ProtoReflect()
	h, t := r.New(), r.New()
	r.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Number() < at {
			h.Set(f, v)
		} else if f.Number() > at {
			t.Set(f, v)
		}
		return true
	})
	t.SetUnknown(r.GetUnknown())
	o := proto.MarshalOptions{Deterministic: true}
	if head, err = o.Marshal(h.Interface()); err != nil {
		return nil, nil, err
	}
	tail, err = o.Marshal(t.Interface())
	return head, tail, err
}

type counter struct {
	w   *bufio.Writer
	n   int64
	err error
	buf [1 << 14]byte
}

func (c *counter) write(b []byte) {
	if c.err == nil {
		var n int
		n, c.err = c.w.Write(b)
		c.n += int64(n)
	}
}

func (c *counter) floats(f []float32) {
	for len(f) > 0 && c.err == nil {
		n := min(len(f), len(c.buf)/4)
		for i, v := range f[:n] {
			binary.LittleEndian.PutUint32(c.buf[4*i:], math.Float32bits(v))
		}
		c.write(c.buf[:4*n])
		f = f[n:]
	}
}

// externalAlign is the alignment, in bytes, of tensors in a file of external data: a page,
// so that readers can map the file into memory (ONNX docs/ExternalData.md).
const externalAlign = 4096

// externalMin is the size in bytes below which a tensor stays in the message. Small tensors
// are biases, and constants that shape inference needs.
const externalMin = 1024

// Externalize returns a model in which weights of 1 KiB or more are references to a file
// with external data, and the contents of that file. location is the name of the file, in
// the folder of the model. m does not change.
func (m *Model) Externalize(location string) (*Model, io.WriterTo, error) {
	if err := checkLocation(location); err != nil {
		return nil, nil, err
	}
	p := shallow(m.Proto)
	r := &Model{Proto: p, Weights: map[string][]float32{}}
	if m.Proto.GetGraph() == nil {
		return nil, nil, errors.New("the model has no graph")
	}
	p.Graph = shallow(m.Proto.Graph)
	p.Graph.Initializer = slices.Clone(m.Proto.Graph.Initializer)
	d := &externalData{}
	offset := int64(0)
	for i, t := range p.Graph.Initializer {
		values, ok := m.Weights[t.Name]
		if !ok {
			continue
		}
		size := 4 * int64(len(values))
		if size < externalMin {
			r.Weights[t.Name] = values
			continue
		}
		offset = (offset + externalAlign - 1) / externalAlign * externalAlign
		t = shallow(t)
		t.DataLocation = onnxpb.TensorProto_EXTERNAL
		t.ExternalData = []*onnxpb.StringStringEntryProto{
			{Key: "location", Value: location},
			{Key: "offset", Value: strconv.FormatInt(offset, 10)},
			{Key: "length", Value: strconv.FormatInt(size, 10)},
		}
		p.Graph.Initializer[i] = t
		d.parts = append(d.parts, externalPart{offset, values})
		offset += size
	}
	return r, d, nil
}

// shallow returns a shallow copy of a message.
func shallow[M proto.Message](m M) M {
	r := m.ProtoReflect()
	c := r.New()
	r.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool { c.Set(f, v); return true })
	c.SetUnknown(r.GetUnknown())
	return c.Interface().(M)
}

// externalData is the contents of a file with external data.
type externalData struct{ parts []externalPart }

type externalPart struct {
	offset int64
	values []float32
}

func (d *externalData) WriteTo(w io.Writer) (int64, error) {
	c := &counter{w: bufio.NewWriterSize(w, 1<<16)}
	var gap [externalAlign]byte
	for _, p := range d.parts {
		c.write(gap[:max(0, p.offset-c.n)])
		c.floats(p.values)
	}
	if c.err == nil {
		c.err = c.w.Flush()
	}
	return c.n, c.err
}
