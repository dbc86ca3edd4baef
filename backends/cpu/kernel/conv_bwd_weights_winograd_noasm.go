//go:build !amd64

package kernel

func winoBwdX(ISA, int, *float32, int, *float32, int, int, int) {}

func winoBwdDY(ISA, int, int, *float32, int, *float32, int, int) {}

func winoBwdOutTiles(ISA, int, *float32, int, *float32, int, int, *float32) {}

func winoBwdSum(ISA, int, *winoSums) {}
