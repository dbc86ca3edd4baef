// Package onnxpb has the protobuf messages of ONNX models, generated from incc/onnx.proto.
// They are registered under the protobuf package incc.onnx and the file incc/onnx.proto, so
// that a program can also link other packages with the messages of ONNX.
package onnxpb

//go:generate go run ./internal/generate
