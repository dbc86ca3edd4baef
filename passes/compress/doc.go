// Package compress makes trained networks smaller and faster: it replaces layers by several thin
// ones of low rank, and removes channels. The trained weights decide how.
//
// A [Layer] is a convolution or a dense layer. [Layer.Options] lists the ways to change it, with the
// relative error of its weights. [Apply] applies some changes to a graph. Which ones pay is for the
// caller to measure; [Path] chooses among what was measured. [MergeLinear] joins
// layers that follow each other without an activation.
package compress
