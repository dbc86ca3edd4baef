package triton_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// field describes a field of a message: its name, number and type. A type with a capital letter
// is a message or an enumeration of the schema.
type field struct {
	name     string
	number   int32
	kind     string
	repeated bool
}

// schema has the messages of Triton's public schema, version of 2024, that a configuration of
// this package uses, with all fields of ModelConfig that a reader might mistake for others:
// https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
var schema = map[string][]field{
	"ModelTensorReshape": {{"shape", 1, "int64", true}},
	"ModelInput": {{"name", 1, "string", false}, {"data_type", 2, "DataType", false}, {"dims", 4, "int64", true}, {"reshape", 5, "ModelTensorReshape", false},
		{"is_shape_tensor", 6, "bool", false}, {"allow_ragged_batch", 7, "bool", false}, {"optional", 8, "bool", false}},
	"ModelOutput": {{"name", 1, "string", false}, {"data_type", 2, "DataType", false}, {"dims", 3, "int64", true}, {"label_filename", 4, "string", false},
		{"reshape", 5, "ModelTensorReshape", false}, {"is_shape_tensor", 6, "bool", false}},
	"ModelDynamicBatching": {{"preferred_batch_size", 1, "int32", true}, {"max_queue_delay_microseconds", 2, "uint64", false}, {"preserve_ordering", 3, "bool", false}},
	"ModelConfig": {{"name", 1, "string", false}, {"platform", 2, "string", false}, {"max_batch_size", 4, "int32", false}, {"input", 5, "ModelInput", true},
		{"output", 6, "ModelOutput", true}, {"default_model_filename", 8, "string", false}, {"dynamic_batching", 11, "ModelDynamicBatching", false}, {"backend", 17, "string", false}},
}

// dataTypes is the enumeration DataType of the schema, in the order of its numbers.
var dataTypes = []string{"TYPE_INVALID", "TYPE_BOOL", "TYPE_UINT8", "TYPE_UINT16", "TYPE_UINT32", "TYPE_UINT64", "TYPE_INT8", "TYPE_INT16", "TYPE_INT32", "TYPE_INT64",
	"TYPE_FP16", "TYPE_FP32", "TYPE_FP64", "TYPE_STRING", "TYPE_BF16"}

// modelConfig returns the descriptor of ModelConfig.
func modelConfig(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	file := &descriptorpb.FileDescriptorProto{Name: proto.String("model_config.proto"), Package: proto.String("inference"), Syntax: proto.String("proto3")}
	enum := &descriptorpb.EnumDescriptorProto{Name: proto.String("DataType")}
	for i, name := range dataTypes {
		enum.Value = append(enum.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String(name), Number: proto.Int32(int32(i))})
	}
	file.EnumType = append(file.EnumType, enum)
	kinds := map[string]descriptorpb.FieldDescriptorProto_Type{
		"string": descriptorpb.FieldDescriptorProto_TYPE_STRING, "bool": descriptorpb.FieldDescriptorProto_TYPE_BOOL, "int32": descriptorpb.FieldDescriptorProto_TYPE_INT32,
		"int64": descriptorpb.FieldDescriptorProto_TYPE_INT64, "uint64": descriptorpb.FieldDescriptorProto_TYPE_UINT64, "DataType": descriptorpb.FieldDescriptorProto_TYPE_ENUM,
	}
	for name, fields := range schema {
		m := &descriptorpb.DescriptorProto{Name: proto.String(name)}
		for _, f := range fields {
			d := &descriptorpb.FieldDescriptorProto{Name: proto.String(f.name), Number: proto.Int32(f.number), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
			if f.repeated {
				d.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			}
			kind, ok := kinds[f.kind]
			if !ok {
				kind = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
			}
			d.Type = kind.Enum()
			if f.kind[0] < 'a' {
				d.TypeName = proto.String(".inference." + f.kind)
			}
			m.Field = append(m.Field, d)
		}
		file.MessageType = append(file.MessageType, m)
	}
	d, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d.Messages().ByName("ModelConfig")
}
