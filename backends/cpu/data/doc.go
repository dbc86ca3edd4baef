// Package data reads pictures and data sets (MNIST, CIFAR, folders of pictures), and
// prepares them as inputs of a network, with augmentation for training. Whatever is in a
// file, the result is pixels or a clear error.
package data

//go:generate go run ./internal/generate
