// Package onnxgo lets users of github.com/owulveryck/onnx-go run ONNX models on incc's
// kernels. The command incc does not link it, because onnx-go would add 15 MB.
//
// Read decodes a model with onnx-go's decoder, and Diff compares the result with the
// model, to prove that onnx-go understands the models that incc writes. Run executes a model with onnx-go's own executor, gorgonnx, and
// Runnable tells first whether gorgonnx computes it rightly: on asymmetric
// padding, groups, a softmax over inner axes or a concat of a value with itself
// it gives wrong numbers without an error.
//
// Backend is the executor for users of onnx-go: a ComputationBackend to pass to
// onnx-go's NewModel instead of gorgonnx. It passes 176 of the 348 node cases that
// onnx-go carries, where gorgonnx passes 96; for the others it says what is
// missing (TestNodeCases lists them).
//
// onnx-go panics on malformed files, and some end the program (stack overflow,
// memory), so Read, Run and Load hand it only bytes that onnx.Decode
// has accepted. Programs that call its UnmarshalBinary must check the bytes themselves.
package onnxgo
