//go:build !amd64

package kernel

func bwdRow(ISA, []float32, int, int, []float32, int, int, int, int, []float32) {}

func bwdPlane(ISA, []float32, int, int, int, []float32, int, int, int, int, []float32) {}
