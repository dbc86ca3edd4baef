// Package onnx writes networks as ONNX models and reads ONNX files safely.
//
//	ops.go     the whole mapping: one typed row for each op of the IR
//	emit.go    the rest of a model: names, shapes, weights, metadata
//	model.go   a model beside its weights, streamed to a file or two
//	scan.go    what is checked before protobuf decodes foreign bytes
//	read.go    decoding within limits, external data
//	import.go  a model as a graph of the IR (import_more.go: what several ops make up)
//	upgrade.go models of opsets 7 to 12 in the form of 13
//	verify.go  our own verifier, with the shapes of infer.go and schema.go
//
// Two well known checkers each miss what the other finds. ONNX Runtime accepts
// wrong declared shapes and nodes out of order; the checker of the onnx package
// (1.12, full_check) accepts raw_data of the wrong length and weights that do not
// fit their convolution. Verify finds all of these, so a model that incc writes
// is judged by three.
package onnx
