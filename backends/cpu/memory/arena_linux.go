package memory

import "syscall"

// adviseHuge asks for huge pages under the whole ones of b, which is zero and
// begins with one. Where the heap had used the memory before, clearing it has
// brought in small pages: those are given back, and what is touched next comes as
// zeros in huge ones.
func adviseHuge(b []byte) {
	n := len(b) / hugePage * hugePage
	if n == 0 {
		return
	}
	const madvHugePage = 14 // the same on every architecture of Linux
	if syscall.Madvise(b[:n], madvHugePage) == nil {
		// Where it fails, the small pages serve all the same.
		_ = syscall.Madvise(b[:n], syscall.MADV_DONTNEED)
	}
}
