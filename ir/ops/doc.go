// Package ops defines the ops of a graph (convolution, pooling, activations and so on), one
// in each file: its constraints, numbered in the comment and named in errors; the types
// of its results; its cost; its evaluation in float64; and its gradient, as a graph.
//
// Conventions that hold for all of them:
//
//   - Constraint 1 is always the operands: how many, their element type, their
//     axes. Layouts are written in letters, x[N,C,H,W]; only N may be the
//     symbolic batch.
//   - Eval never changes its inputs and never returns one of them.
//   - NaN propagates through every op; where several elements tie for a maximum
//     the first one is meant.
//   - An op whose Define ends in ForGradients occurs only in training. Of these,
//     only batchnorm_train and dropout_train have a gradient themselves, because
//     they are part of a forward pass.
package ops
