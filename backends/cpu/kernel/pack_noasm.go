//go:build !amd64

package kernel

func packScaleBlocks(ISA, []float32, []float32, []float64) {}

func packWinoTiles(ISA, int, []float32, []float64, []float32, int, int, int, []float64) {}

func packWino1dTiles(ISA, []float32, []float64, []float32, int, int, int) {}
