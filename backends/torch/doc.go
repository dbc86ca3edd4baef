// Package torch writes a network as a package for PyTorch: model.py with one nn.Module for
// each labelled part and block of the spec, and with it what trains the network as the spec
// says, on one machine or on many.
//
// The names in the state_dict of the model are those that incc gives to the weights, so a
// file of weights can go from one to the other as it is.
package torch
