// Package passes rewrites graphs.
//
// A pass says what it promises: its Contract. Exact and Rounding keep the
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
// Every pass leaves its garbage swept, so that the next one sees true users: the
// manager sweeps after each pass that changed anything. That differs from a
// pipeline which removes dead nodes once at the end, because a dead reader of a
// convolution's output would keep every later fusion from firing.
package passes
