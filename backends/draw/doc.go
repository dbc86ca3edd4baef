// Package draw draws a network as the papers do: layers are boxes with kernel, stride,
// channels and output shape; branches of a block stand side by side; labelled parts and
// blocks are frames with their names; auxiliary classifiers branch off.
//
// [New] lays a network out and returns a [Drawing], which is written as SVG, PNG or PDF. The
// same network always gives the same bytes.
//
// The layout follows the structure (Valdes, Tarjan and Lawler 1982, "The recognition of
// series parallel digraphs"): between two layers that every path passes, what is connected is
// a branch. Parts that are no series and parallel of branches are laid out in layers with few
// crossings (Sugiyama, Tagawa and Toda 1981).
package draw
