//go:build !amd64

package kernel

func detect() []ISA { return []ISA{Portable} }
