package kernel

import "syscall"

// mapMemory maps zero pages and asks for huge ones, or is nil where that is not
// worth it or fails (the Go heap is the other way).
func mapMemory(bytes int) []byte {
	if bytes < hugePage/2 {
		return nil
	}
	size := (bytes + hugePage - 1) / hugePage * hugePage
	raw, err := syscall.Mmap(-1, 0, size+hugePage, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	const madvHugePage = 14 // the same on every architecture of Linux
	// Without huge pages (a kernel built so) the memory serves all the same.
	_ = syscall.Madvise(raw, madvHugePage)
	return raw
}

func unmapMemory(raw []byte) {
	// Nothing can be done about an error, and none is possible for a range that
	// Mmap returned.
	_ = syscall.Munmap(raw)
}
