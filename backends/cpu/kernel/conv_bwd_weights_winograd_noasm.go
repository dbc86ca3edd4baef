//go:build !amd64

package kernel

func winoGradX(ISA, int, *float32, int, *float32, int, int, int) {}

func winoGradDY(ISA, int, int, *float32, int, *float32, int, int) {}

func winoGradOutTiles(ISA, int, *float32, int, *float32, int, int, *float32) {}

func winoGradSum(ISA, int, *winoSums) {}
