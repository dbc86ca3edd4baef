// Package onnxpb has the protobuf messages of an ONNX model, generated from
// incc/onnx.proto. They are registered as package incc.onnx of file incc/onnx.proto, so
// that a program can link other ONNX packages beside this one.
package onnxpb

//go:generate go run ./internal/generate
