//go:build !amd64

package kernel

// These have nothing to offer: Portable is the only tier here.

func n16Func(ISA, int, int) func(*byte)         { return nil }
func n16BackwardFunc(ISA, int, int) func(*byte) { return nil }
func n16GemmFunc(ISA, int, int) func(*byte)     { return nil }
