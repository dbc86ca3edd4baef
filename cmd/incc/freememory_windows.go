package main

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// memoryStatus is the structure MEMORYSTATUSEX of the Windows API.
type memoryStatus struct {
	length, load               uint32
	totalPhys, availPhys       uint64
	totalPage, availPage       uint64
	totalVirtual, availVirtual uint64
	availExtended              uint64
}

// systemMemory returns the smaller of the available physical memory and the available
// address space of this process, in bytes.
func systemMemory() (int64, bool) {
	s := memoryStatus{length: uint32(unsafe.Sizeof(memoryStatus{}))}
	ok, _, _ := windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx").Call(uintptr(unsafe.Pointer(&s)))
	return int64(min(s.availPhys, s.availVirtual, 1<<62)), ok != 0
}
