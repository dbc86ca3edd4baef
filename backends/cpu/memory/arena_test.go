package memory

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

func aligned(s []float32) bool { return uintptr(unsafe.Pointer(&s[0]))%arenaAlign == 0 }

func TestArena(t *testing.T) {
	for _, n := range []int{0, 1, 15, 1000, 1 << 17, 1<<18 + 1, 3 << 20} {
		for range 3 { // memory that was used before, too
			a := NewArena(n).Mem
			if len(a) != n {
				t.Fatalf("%d float32s asked for, %d given", n, len(a))
			}
			if n > 0 && !aligned(a) {
				t.Errorf("%d float32s begin at %p", n, &a[0])
			}
			for i, v := range a {
				if v != 0 {
					t.Fatalf("element %d of %d is %g", i, n, v)
				}
				a[i] = 1
			}
			runtime.GC()
		}
	}
}

// TestArenaGetsHugePages looks at the page tables where the system gives huge
// pages to those who ask.
func TestArenaGetsHugePages(t *testing.T) {
	mode, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil || strings.Contains(string(mode), "[never]") {
		t.Skip("no transparent huge pages here")
	}
	a := NewArena(64 << 20 / 4).Mem
	for i := range a {
		a[i] = 1
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	here, kb := false, 0
	for line := range strings.Lines(string(smaps)) {
		var lo, hi uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &lo, &hi); n == 2 {
			p := uintptr(unsafe.Pointer(&a[0]))
			here = lo <= p && p < hi
		}
		if here && strings.HasPrefix(line, "AnonHugePages:") {
			fmt.Sscanf(line, "AnonHugePages: %d", &kb)
		}
	}
	t.Logf("%d kB in huge pages", kb)
	if kb < 32<<10 {
		t.Error("less than half of 64 MB")
	}
}
