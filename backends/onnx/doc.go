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
//	import_more.go, import_axis.go, import_norm.go, import_transposed.go  convert operators that
//	               need several ops
//	nodes.go, emit_nodes.go  convert operators that have no op of their own to nodes (ops.Node)
//	               and back
//	tolerate.go    removes what does not change the numbers before a model is imported
//	fold.go        computes nodes whose inputs are constants or shapes; constant.go has integers
//	               that depend on the batch
//	layout.go      moves transpositions of a graph so that they cancel
//	freebatch.go   makes a model for a fixed number of images one for any number
//	conformance    measures what Import reads, with a table
//	upgrade.go     converts models of opsets 7 to 12 to opset 13
//	verify.go      the verifier; infer.go and infer_more.go infer shapes, schema.go lists
//	               operators
//
// Verify is needed because two widely used checkers miss defects. ONNX Runtime accepts
// wrong declared shapes and nodes out of order. The checker of the Python package onnx
// (1.12, full_check) accepts raw_data of the wrong length and weights that do not fit their
// convolution. Verify finds all of these. Tests check the models that incc writes with all
// three.
package onnx
