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
	// Weights holds, by name, the values of FLOAT initializers of the main graph
	// whose TensorProto has no data of its own. The slices are not copies: they must
	// not change while the model is written.
	Weights map[string][]float32
}

// MaxModel is what protobuf allows a message to be. ONNX Runtime and every
// other reader in C++ refuse larger ones.
const MaxModel = math.MaxInt32

// WriteTo writes the model as one file: the bytes that proto.Marshal gives for
// the message with every weight in its raw_data. Weights pass through a small
// buffer, little-endian as the standard wants.
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

// stream is a message in order of its bytes: pieces of encoding and, between
// them, weights that are still floats.
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

// wrap adds a message field that holds another stream.
func (s *stream) wrap(field protowire.Number, in *stream) {
	b := protowire.AppendTag(nil, field, protowire.BytesType)
	s.add(protowire.AppendVarint(b, uint64(in.size)))
	s.parts = append(s.parts, in.parts...)
	s.size += in.size
}

// Fields of the messages that are written in pieces.
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
				return nil, fmt.Errorf("initializer %q has values in the message and beside it", t.Name)
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
		return nil, fmt.Errorf("the model takes %d bytes and a protobuf file holds %d: write the weights to a file of their own (external data)", s.size, MaxModel)
	}
	return s, nil
}

// splitAt encodes the fields of a message before the given one and those after it.
// proto.Marshal writes fields in order of number, so the field itself belongs
// between the two.
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

// externalAlign is the alignment of tensors in a file of external data: a page,
// so that readers can map it (ONNX, docs/ExternalData.md).
const externalAlign = 4096

// externalMin keeps small tensors in the message: biases, and whatever shape
// inference needs to see.
const externalMin = 1024

// Externalize returns the model with the weights of 1 KiB and more replaced by
// references to a file called location, beside the model's own, and what writes
// that file. The location is a plain file name.
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

// shallow copies a message's fields and shares what they refer to.
func shallow[M proto.Message](m M) M {
	r := m.ProtoReflect()
	c := r.New()
	r.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool { c.Set(f, v); return true })
	c.SetUnknown(r.GetUnknown())
	return c.Interface().(M)
}

// externalData writes the tensors of a model at their offsets.
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
