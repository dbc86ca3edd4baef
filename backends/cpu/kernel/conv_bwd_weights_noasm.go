//go:build !amd64

package kernel

func (g *bwdWeightsTile) run(ISA, int) {}
