// Package decompile writes a network in the incc language: it goes from a graph to the text
// of a net, the way back from what dsl.Load does.
//
// It finds the structure that a person would write. Nodes become pipelines with branches
// (structure.go); a convolution, its batch normalization and its activation become one call,
// and the sum of a shortcut and a body becomes residual (layers.go). What occurs several
// times becomes a block with the numbers that differ as parameters (blocks.go), what follows
// itself becomes repeat (repeats.go), and what most layers set becomes a default
// (settings.go). Labels come from the names in the graph (names.go). Preprocessing that the
// graph does itself becomes keys of the input statement (picture.go).
//
// Values that several lines read, such as the skip connections of a U-Net, get names: their lines
// have labels, and others read them with from (skips.go). An operator of ONNX that has no op in the
// language is a call of node (nodes.go).
//
// A graph that cannot be said so is written in the flat form, one op on a line.
package decompile
