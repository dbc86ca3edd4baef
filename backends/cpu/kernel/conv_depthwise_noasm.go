//go:build !amd64

package kernel

func (*depthwiseRow) run(ISA) {}
