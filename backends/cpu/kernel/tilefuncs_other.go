//go:build !amd64

package kernel

// farTileFuncs and tileFuncs have nothing to offer: Portable is the only tier here.
func tileFuncs(ISA, int, bool) *[15]func(*byte) { return nil }

func farTileFuncs(ISA, int, bool) *[15]func(*byte) { return nil }
