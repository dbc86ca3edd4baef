// Package classify classifies pictures with ONNX models and networks of incc, from Go
// programs. Load does for a program what the command incc predict does on a terminal: it
// reads a model, prepares pictures as its metadata or Options say, and names the classes.
//
// Networks that are no classifiers of pictures run with packages onnx and cpu: onnx.Load,
// cpu.Compile and Program.Infer.
package classify
