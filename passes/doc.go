// Package passes rewrites the graph of a network: it removes what is not needed, folds
// batch normalization into convolutions, joins layers, and so on. pipeline.go lists all
// passes in their order.
//
// Each pass states its promise, the Contract. Exact and Rounding keep the
// function that the network computes, Signature changes inputs and outputs as it
// says and nothing else, Redesign makes another function of the same signature.
// Check runs the promise on the reference interpreter.
//
// Passes that need new weights (a batch norm folded into the convolution before
// it, parallel convolutions with their filters concatenated) write them as nodes
// over params: expressions. So one pass serves a topology without data, whose
// weights are not drawn yet, and a trained network; const-fold evaluates the
// expressions in float64 and rounds once, when the data is there. A value is
// called static here when it is computed from params alone.
//
// The manager removes dead nodes after each pass that changed anything, and not once at
// the end: a dead reader of a convolution's output would prevent every later fusion.
package passes
