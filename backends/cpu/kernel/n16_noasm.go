//go:build !amd64

package kernel

// These have nothing to offer: Portable is the only tier here.

func laneFunc(ISA, int, int) func(*byte)         { return nil }
func laneGradientFunc(ISA, int, int) func(*byte) { return nil }
func laneProductFunc(ISA, int, int) func(*byte)  { return nil }
