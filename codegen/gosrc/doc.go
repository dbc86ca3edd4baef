// Package gosrc generates a Go package that runs a network and needs nothing but the
// standard library. It prints the plan as Go code, one function for each labelled part
// of the spec, with the packing of the weights, an API whose documentation names shapes,
// units and preprocessing, and a copy of the run time (package kernel).
//
// # Which weights a package reads
//
// A plan reads weights as the passes left them: with batch norms folded in,
// siblings concatenated. Files of weights, such as training writes, hold them
// under the names and shapes of the spec. So the passes run without the values of
// the weights, which leaves what they would fold as expressions over the spec's
// weights, and the package evaluates these when it reads a file: in float64,
// rounded once, as constant folding does, with the same bits. Load takes any file
// that fits the spec; what else is in it (auxiliary heads, slots of an optimizer)
// does not matter. A network that was redesigned with its weights at hand
// (factorize) has other layers, and names of its own.
//
// # What reaches the output
//
// Text of the user is printed through strconv.Quote or, in comments, without
// what does not print; identifiers are made of its ASCII letters and
// digits only. Generated files are parsed again, and their declarations are compared
// with those that were planned. The same input gives the same bytes on every platform:
// no time, no absolute path, no map is walked. Files have names that no build
// constraint hides in.
package gosrc
