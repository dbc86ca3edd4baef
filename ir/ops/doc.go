// Package ops defines the operations of the IR, one file each: what an op
// demands (constraints, numbered in its comment and cited in the error), the
// types it infers, its cost, its evaluation in float64 and its gradient as
// graph.
//
// Conventions that hold for all of them:
//
//   - Constraint 1 is always the operands: how many, their element type, their
//     axes. Layouts are written in letters, x[N,C,H,W]; only N may be the
//     symbolic batch.
//   - Eval never changes its inputs and never returns one of them.
//   - NaN propagates through every op; where several elements tie for a maximum
//     the first one is meant.
//   - An op whose Define ends in ForGradients exists for gradients and training
//     alone; of those only batchnorm_train and dropout_train, which stand in a
//     forward pass, have a gradient themselves.
package ops
