// Package onnxpb is the ONNX model as protobuf messages, generated from
// incc/onnx.proto. It is registered as package incc.onnx in file
// incc/onnx.proto, so that it can live in one program with other ONNX packages.
package onnxpb

//go:generate go run ./internal/generate
