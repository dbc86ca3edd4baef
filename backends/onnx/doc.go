// Package onnx writes networks as ONNX models, verifies models, and reads untrusted ONNX
// files.
//
//	ops.go         how each op of the IR is written, one function for each
//	emit.go        the other parts of a model: names, shapes, weights, metadata
//	model.go       writes a model to one or two files without copying its weights
//	scan.go        checks untrusted bytes before protobuf decodes them
//	read.go        decodes a model within limits
//	external.go    reads external data
//	import.go      converts a model to a graph of the IR
//	import_more.go converts operators that need several ops
//	upgrade.go     converts models of opsets 7 to 12 to opset 13
//	verify.go      the verifier; infer.go infers shapes, schema.go lists operators
//
// Verify is needed because two widely used checkers miss defects. ONNX Runtime accepts
// wrong declared shapes and nodes out of order. The checker of the Python package onnx
// (1.12, full_check) accepts raw_data of the wrong length and weights that do not fit their
// convolution. Verify finds all of these. Tests check the models that incc writes with all
// three.
package onnx
