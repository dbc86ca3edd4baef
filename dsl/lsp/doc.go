// Package lsp is a language server for incc: it speaks the Language Server Protocol 3.17
// over a pair of streams, for editors. [Serve] reports problems while one types, with the
// fix that each knows; it explains ops and shows the shape, parameters, MACs and receptive
// field of lines, completes names and values, finds and renames lets, blocks, parameters and
// labels, formats, folds, outlines, colours, and hints the output shape of each line.
//
// The protocol's types are written here, in protocol.go: the server needs few of them, and
// the libraries that have all have not followed the protocol for years.
package lsp
