// Package passes rewrites the graph of a network: it removes what is not needed, folds
// batch normalization into convolutions, joins layers, and so on. pipeline.go lists all
// passes in their order.
//
// Each pass has a Contract, which says what it keeps. Exact and Rounding keep the function
// that the network computes. Signature changes only the inputs and outputs, as the pass
// says. Redesign makes another function with the same inputs and outputs. Check compares
// the results on the reference interpreter with the contract.
//
// Some passes need new weights: fold-bn multiplies the weights of a convolution,
// merge-siblings concatenates filters. These passes add nodes that compute the new weights
// from the params, called expressions here. So the same pass works for a trained network
// and for one whose weights have not been drawn yet. When the params have data, const-fold
// evaluates the expressions in float64 and rounds the results once. A value is called
// static if it depends only on params.
//
// Run removes unused nodes after each pass that changed something. Doing it only at the
// end would not be enough: a pass that needs a value with a single reader would not apply
// if an unused node still reads the value.
package passes
