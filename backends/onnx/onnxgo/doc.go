// Package onnxgo lets users of github.com/owulveryck/onnx-go run ONNX models on incc's
// kernels. The command incc does not link it, because onnx-go would add 15 MB.
//
// Backend is a ComputationBackend: pass it to onnx-go's NewModel instead of gorgonnx,
// onnx-go's own executor. It passes 286 of the 348 node tests of onnx-go (gorgonnx passes
// 96). For most of the others it returns an error that says what is missing; TestNodeCases
// lists them.
//
// Read decodes a model with onnx-go's decoder, and Diff compares the result with the model.
// Tests use both to check that onnx-go understands the models that incc writes. Run
// executes a model with gorgonnx. Runnable reports whether gorgonnx computes a model
// correctly: for asymmetric padding, groups, a softmax over inner axes or a concat of a
// value with itself it computes wrong numbers without an error.
//
// onnx-go panics on some malformed files and ends the program on others (stack overflow,
// memory). Therefore Read, Run and Load pass it only bytes that onnx.Decode has accepted.
// Programs that call its UnmarshalBinary must check the bytes themselves.
package onnxgo
