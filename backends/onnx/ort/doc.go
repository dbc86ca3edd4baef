// Package ort has the calls of github.com/yalue/onnxruntime_go that run a model on the CPU,
// with the same names and meanings, on incc's kernels: no cgo and no shared library. To move
// a program, replace the import:
//
//	import ort "github.com/incc-lang/incc/backends/onnx/ort"
//
// It has tensors, scalars, AdvancedSession, DynamicAdvancedSession, GetInputOutputInfo,
// metadata, and of the options the number of threads; some others are there and have no effect,
// as they say. It does not have sequences, maps, strings, half-precision tensors, I/O binding,
// run options and execution providers: such calls do not compile.
//
// Outputs whose sizes are known only at run time, such as boxes, are read with a
// DynamicAdvancedSession and nil for these outputs.
//
// Differences: incc computes with float32, so tensors of float64 are rounded, and integers
// beyond 2^24 are an error. Types of output tensors other than the model's are converted, not
// refused. A session compiles the model for the shapes of its inputs when it first sees them,
// and keeps the programs of the last 8 combinations of shapes. Sessions and tensors are
// garbage collected: Destroy is allowed, but not needed.
//
// New programs are shorter with onnx.Load, cpu.Compile and Program.Infer.
package ort
