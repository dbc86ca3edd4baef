// Package ops defines the ops of a graph (convolution, pooling, activations and so on).
// The file of each op contains its constraints, the types of its results, its cost, its
// evaluation in float64, and its gradient as nodes of a graph.
//
// Conventions for all ops:
//
//   - The comment of an op numbers its constraints. Errors give these numbers.
//     Constraint 1 is always about the operands: how many, their element type and
//     their axes. A letter stands for each axis, as in x[N,C,H,W]; only N may be
//     the symbolic batch.
//   - Eval never changes its inputs and never returns one of them.
//   - NaN propagates through every op. If several elements are the maximum, the first
//     of them counts.
//   - An op whose Define ends in ForGradients occurs only in training. Of these,
//     only batchnorm_train, dropout_train and fake_quantize have a gradient themselves, because
//     they are part of a forward pass.
package ops
