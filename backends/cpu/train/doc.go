// Package train trains a network: the loop over epochs and batches, the schedule of the
// learning rate, evaluation, checkpoints, results. An [Engine] computes the single step
// (forward, backward, update).
//
// What it promises: the same specification, data and seed give the same weights,
// bit for bit, for any number of threads and however often the run is
// interrupted. Every random choice is keyed by seed, epoch and place; a
// checkpoint holds all that the next step depends on, and is on the disk whole
// or not at all.
package train
