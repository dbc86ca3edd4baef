//go:build !amd64

package kernel

func rowGradient(ISA, []float32, int, int, []float32, int, int, int, int, []float32) {}

func planeGradient(ISA, []float32, int, int, int, []float32, int, int, int, int, []float32) {}
