package kernel

import (
	"runtime"
	"unsafe"
)

// Arena is a piece of memory for activations or weights: zero, aligned to 64
// bytes, and on Linux in huge pages where it is large (Winograd's transforms
// run at half the speed without). It stays mapped as long as the Arena can be
// reached; slices of Mem do not keep it alive, so whoever holds such slices
// holds the Arena too, and a function that reads them last ends with
// runtime.KeepAlive.
type Arena struct {
	Mem []float32
}

const (
	arenaAlign = 64
	hugePage   = 2 << 20
)

// NewArena makes an arena of n float32s. Running out of memory ends the program,
// as with make.
func NewArena(n int) *Arena {
	a := &Arena{}
	if n <= 0 {
		return a
	}
	bytes := 4 * n
	if raw := mapMemory(bytes); raw != nil {
		a.Mem = floats(raw, hugePage, n)
		runtime.AddCleanup(a, unmapMemory, raw)
		return a
	}
	a.Mem = floats(make([]byte, bytes+arenaAlign), arenaAlign, n)
	return a
}

// floats is n float32s of raw from its first multiple of align on; where raw is
// too small for that (memory mapped without room to align), from its begin.
func floats(raw []byte, align, n int) []float32 {
	p := uintptr(unsafe.Pointer(&raw[0]))
	skip := int(-p & uintptr(align-1))
	if skip+4*n > len(raw) {
		skip = 0
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&raw[skip])), n)
}
