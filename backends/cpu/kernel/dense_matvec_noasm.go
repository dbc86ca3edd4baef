//go:build !amd64

package kernel

func matVecFunc(ISA, int) func(*byte) { return nil } // Portable is the only tier here
