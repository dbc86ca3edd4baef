// Package memory gives memory for activations and weights.
package memory

import "unsafe"

const (
	arenaAlign = 64
	hugePage   = 2 << 20
)

// Arena is a piece of memory for activations or weights: zero at first, aligned to
// 64 bytes. On Linux, what is large is aligned to huge pages and asks for them
// (Winograd's transforms run at half the speed without). It is Go's own memory,
// which the garbage collector frees, so no slice of it can outlive it; memory
// mapped by hand would save nothing: fresh pages of the Go heap are not touched
// before they are used either.
type Arena struct {
	Mem []float32
}

// NewArena makes an arena of n float32s. Running out of memory ends the program,
// as with make.
func NewArena(n int) *Arena {
	if n <= 0 {
		return &Arena{}
	}
	align := arenaAlign
	if 4*n >= hugePage/2 {
		align = hugePage
	}
	raw := make([]byte, 4*n+align)
	skip := int(-uintptr(unsafe.Pointer(&raw[0])) & uintptr(align-1))
	if align == hugePage {
		adviseHuge(raw[skip:])
	}
	return &Arena{unsafe.Slice((*float32)(unsafe.Pointer(&raw[skip])), n)}
}
