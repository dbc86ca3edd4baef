// Package onnxgo is the bridge to github.com/owulveryck/onnx-go. It is a library
// of its own that cmd/incc does not link: the decoder alone adds 15 MB.
//
// Read decodes a model with onnx-go's decoder and Diff holds what it understood
// against the message, which proves that models of ours reach its users as they
// were meant. Run executes a model with onnx-go's own executor, gorgonnx, and
// Runnable tells first whether gorgonnx computes it rightly: on asymmetric
// padding, groups, a softmax over inner axes or a concat of a value with itself
// it gives wrong numbers without an error.
//
// Backend is incc's executor for users of onnx-go: a ComputationBackend to give to
// its NewModel in place of gorgonnx. It passes 176 of the 348 node cases that
// onnx-go carries, where gorgonnx passes 96; for the others it says what is
// missing (TestNodeCases lists them).
//
// onnx-go panics on malformed files, and some end the program (stack overflow,
// memory), so Read, Run and Load hand it no bytes that onnx.Decode has not passed. Who calls
// its UnmarshalBinary has to see to that.
package onnxgo
