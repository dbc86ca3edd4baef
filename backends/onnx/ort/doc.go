// Package ort has the calls of github.com/yalue/onnxruntime_go that run a model on the CPU,
// with the same names and meanings, on incc's kernels: no cgo and no shared library. To move
// a program, replace the import:
//
//	import ort "github.com/incc-lang/incc/backends/onnx/ort"
//
// It has tensors, AdvancedSession, DynamicAdvancedSession, GetInputOutputInfo, and of the
// options the number of threads; some others are there and have no effect, as they say. It
// does not have scalars, sequences, maps, strings, half-precision tensors, I/O binding, run
// options, metadata and execution providers: such calls do not compile.
//
// Differences: incc computes with float32, so tensors of float64 are rounded, and integers
// beyond 2^24 are an error. Types of output tensors other than the model's are converted, not
// refused. A session compiles the model for the shapes of its inputs when it first sees them,
// and keeps the programs of the last 8 combinations of shapes. Sessions and tensors are
// garbage collected: Destroy is allowed, but not needed.
//
// New programs are shorter with onnx.Load, cpu.Compile and Program.Infer.
package ort
