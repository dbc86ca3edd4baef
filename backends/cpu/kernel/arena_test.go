package kernel

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"unsafe"
)

func aligned(s []float32) bool { return uintptr(unsafe.Pointer(&s[0]))%arenaAlign == 0 }

func TestArena(t *testing.T) {
	for _, n := range []int{0, 1, 15, 1000, 1 << 18, 1<<18 + 1, 3 << 20} {
		a := NewArena(n)
		if len(a.Mem) != n {
			t.Fatalf("%d float32s asked for, %d given", n, len(a.Mem))
		}
		if n > 0 && !aligned(a.Mem) {
			t.Errorf("%d float32s begin at %p", n, &a.Mem[0])
		}
		for i, v := range a.Mem {
			if v != 0 {
				t.Fatalf("element %d of %d is %g", i, n, v)
			}
			a.Mem[i] = 1
		}
		runtime.KeepAlive(a)
	}
}

// TestArenaIsFreed makes arenas of 12.8 GB together, one after the other, and
// looks at the size of the address space.
func TestArenaIsFreed(t *testing.T) {
	pages := func() (n int) {
		stat, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Skip("no /proc/self/statm:", err)
		}
		if _, err := fmt.Sscan(string(stat), &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := pages()
	for range 200 {
		a := NewArena(16 << 20)
		a.Mem[0], a.Mem[len(a.Mem)-1] = 1, 1
		runtime.GC()
	}
	if grown := (pages() - before) * os.Getpagesize(); grown > 3<<30 {
		t.Errorf("the address space grew by %d MB", grown>>20)
	}
}
