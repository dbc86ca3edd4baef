//go:build !amd64

package kernel

func winoInTiles(ISA, *float32, int, *float32, int, int, int, *float32) {}

func (*winoOutCall) run(ISA, int) {}

func winoWeightTiles(ISA, int, *float32, int, *float32, int, int, *float32) {}

func wino1dInTiles(ISA, *float32, int, *float32, int, int, int) {}

func wino1dOutTiles(ISA, *float32, int, *wino1dOutArgs, *float32, float32, int, int) {}

func winoProductFuncs(ISA, int) *[15]func(*byte) { return nil }
