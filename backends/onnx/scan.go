package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// Limits of what a file may ask of the decoder. They are far beyond any network
// (Inception-ResNet v2 has about 900 nodes in 5 levels of messages) and keep a
// hostile file from costing more than a small multiple of its own size: a valid
// 10 MB message of empty sub-messages decodes to 1.3 GB without them.
const (
	maxDepth   = 64
	maxNodes   = 100_000 // in all graphs and functions together; initializers likewise
	costBase   = 128 << 20
	costFactor = 4 // bytes of memory that a byte of the file may cost besides costBase
)

// scan walks the wire form of a ModelProto without building anything and reports
// the first thing that breaks a limit. Only bytes that pass are decoded.
func scan(b []byte) error {
	s := scanner{budget: costBase + costFactor*int64(len(b))}
	return s.message(b, modelLayout, 1)
}

type scanner struct {
	budget int64
	nodes  int
	inits  int
	path   []string // fields from the root, for errors
}

// messageLayout is a message type as the scanner sees it.
type messageLayout struct {
	name   protoreflect.FullName
	fields [32]fieldLayout // ONNX's field numbers are below 32
	cost   int64           // memory of the decoded struct, before its fields
}

type fieldLayout struct {
	name    string
	kind    protoreflect.Kind
	list    bool
	elem    int64 // memory of one element of a numeric field
	wire    protowire.Type
	message *messageLayout
}

var modelLayout = layoutOf((&onnxpb.ModelProto{}).ProtoReflect().Descriptor(), map[protoreflect.FullName]*messageLayout{})

func layoutOf(d protoreflect.MessageDescriptor, seen map[protoreflect.FullName]*messageLayout) *messageLayout {
	if l := seen[d.FullName()]; l != nil {
		return l
	}
	l := &messageLayout{name: d.FullName()}
	seen[d.FullName()] = l
	// A struct holds the message's state (about 32 bytes) and 8 to 24 bytes a
	// field; the allocator rounds up and its list holds a pointer, with room to
	// grow.
	l.cost = 64
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		fl := fieldLayout{name: string(f.Name()), kind: f.Kind(), list: f.IsList()}
		l.cost += 8
		if f.IsList() {
			l.cost += 16
		}
		switch f.Kind() {
		case protoreflect.MessageKind:
			fl.wire = protowire.BytesType
			fl.message = layoutOf(f.Message(), seen)
		case protoreflect.StringKind, protoreflect.BytesKind:
			fl.wire = protowire.BytesType
			l.cost += 16
		case protoreflect.FloatKind:
			fl.wire, fl.elem = protowire.Fixed32Type, 4
		case protoreflect.DoubleKind:
			fl.wire, fl.elem = protowire.Fixed64Type, 8
		default:
			fl.wire, fl.elem = protowire.VarintType, 8
		}
		l.fields[f.Number()] = fl
	}
	return l
}

func (s *scanner) fail(format string, args ...any) error {
	path := s.path
	if len(path) > 8 {
		path = append(slices.Clone(path[:8]), "…")
	}
	where := strings.Join(append([]string{"model"}, path...), ".")
	return fmt.Errorf("%s: %w", where, fmt.Errorf(format, args...))
}

var errBudget = errors.New("decoding it would take memory out of proportion to the file's size")

func (s *scanner) spend(n int64) error {
	if s.budget -= n; s.budget < 0 {
		return s.fail("%w", errBudget)
	}
	return nil
}

func (s *scanner) message(b []byte, l *messageLayout, depth int) error {
	if depth > maxDepth {
		return s.fail("messages are nested more than %d deep", maxDepth)
	}
	if err := s.spend(l.cost + 16); err != nil {
		return err
	}
	switch l.name {
	case "incc.onnx.NodeProto":
		if s.nodes++; s.nodes > maxNodes {
			return s.fail("more than %d nodes", maxNodes)
		}
	case "incc.onnx.TensorProto":
		if s.inits++; s.inits > maxNodes {
			return s.fail("more than %d tensors", maxNodes)
		}
	}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return s.fail("not a protobuf message: %v", protowire.ParseError(n))
		}
		if typ == protowire.StartGroupType || typ == protowire.EndGroupType {
			return s.fail("field %d is a group, which ONNX does not have", num)
		}
		v := protowire.ConsumeFieldValue(num, typ, b[n:])
		if v < 0 {
			return s.fail("field %d: not a protobuf message: %v", num, protowire.ParseError(v))
		}
		field, value := b[:n+v], b[n:n+v]
		b = b[n+v:]
		var f *fieldLayout
		if int(num) < len(l.fields) && l.fields[num].kind != 0 {
			f = &l.fields[num]
		}
		if f == nil || typ != f.wire && (typ != protowire.BytesType || f.elem == 0) {
			// Kept as unknown bytes, in a slice that grows by doubling.
			if err := s.spend(3 * int64(len(field))); err != nil {
				return err
			}
			continue
		}
		if err := s.field(f, typ, value, depth); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) field(f *fieldLayout, typ protowire.Type, value []byte, depth int) error {
	s.path = append(s.path, f.name)
	defer func() { s.path = s.path[:len(s.path)-1] }()
	if typ != protowire.BytesType { // one number
		return s.spend(3 * f.elem)
	}
	value, _ = protowire.ConsumeBytes(value) // ConsumeFieldValue has seen that it is whole
	switch {
	case f.message != nil:
		return s.message(value, f.message, depth+1)
	case f.kind == protoreflect.BytesKind && !f.list:
		return s.spend(int64(len(value)) + 16)
	case f.elem == 0:
		return s.spend(int64(len(value)) + 64)
	case f.wire == protowire.VarintType: // packed, grown by appending
		n := int64(0)
		for _, c := range value {
			if c < 0x80 {
				n++
			}
		}
		return s.spend(3 * 8 * n)
	}
	return s.spend(2 * int64(len(value)))
}
