//go:build !amd64

package kernel

// laneFunc has nothing to offer: Portable is the only tier here.
func laneFunc(ISA, int, int) func(*byte) { return nil }
