//go:build !amd64

package kernel

// These have nothing to offer: Portable is the only tier here.
func tileFuncs(ISA, int, bool) *[15]func(*byte) { return nil }

func farTileFuncs(ISA, int, bool) *[15]func(*byte) { return nil }

func aheadTileFuncs(ISA, int, bool) *[15]func(*byte) { return nil }
