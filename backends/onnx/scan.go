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

// Limits on decoding a file. They are far above the needs of any network (Inception-ResNet
// v2 has about 900 nodes and 5 levels of messages). They limit the memory that decoding a
// hostile file takes: without them, a valid message of 10 MB that consists of empty
// messages would take 1.3 GB.
const (
	maxDepth   = 64        // levels of nested messages
	maxNodes   = 100_000   // nodes in all graphs and functions; also the limit for tensors
	costBase   = 128 << 20 // bytes of memory that decoding any file may take
	costFactor = 4         // further bytes of memory for each byte of the file
)

// scan parses the encoding of a ModelProto without building the message. It returns an
// error at the first place that exceeds a limit. Bytes must pass scan before they are
// decoded.
func scan(b []byte) error {
	s := scanner{budget: costBase + costFactor*int64(len(b))}
	return s.message(b, modelLayout, 1)
}

type scanner struct {
	budget int64
	nodes  int
	inits  int
	path   []string // names of the fields from the model to the current one, for errors
}

// messageLayout is what the scanner needs to know about a message type.
type messageLayout struct {
	name   protoreflect.FullName
	fields [32]fieldLayout // by field number; ONNX's numbers are below 32
	cost   int64           // bytes of the decoded struct, without what its fields refer to
}

type fieldLayout struct {
	name    string
	kind    protoreflect.Kind
	list    bool
	elem    int64 // bytes of an element of a numeric field; 0 for other fields
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
	// An upper bound: a struct has the message's state (about 32 bytes) and 8 to 24 bytes
	// for each field. The allocator rounds up, and a list of messages has a pointer to it
	// and spare capacity.
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
			// The decoder keeps the field as unknown bytes, in a slice that grows by
			// doubling.
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
	value, _ = protowire.ConsumeBytes(value) // no error: ConsumeFieldValue has checked it
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
