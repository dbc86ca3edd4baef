//go:build !amd64

package kernel

// tileFuncs has nothing to offer: Portable is the only tier here.
func tileFuncs(ISA, int, bool) *[15]func(*byte) { return nil }
