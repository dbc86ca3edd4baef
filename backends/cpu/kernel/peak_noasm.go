//go:build !amd64

package kernel

func peakLoop(_ ISA, n int) float64 { return peakPortable(n) }
