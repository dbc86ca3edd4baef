// Package data turns files into what a network is fed: single pictures for
// inference, data sets with augmentation for training. Whatever is in a file,
// the answer is pixels or a clear error.
package data
