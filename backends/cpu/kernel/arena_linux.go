package kernel

import "syscall"

// adviseHuge asks for huge pages under the whole ones of b, which begins with
// one.
func adviseHuge(b []byte) {
	if n := len(b) / hugePage * hugePage; n > 0 {
		const madvHugePage = 14 // the same on every architecture of Linux
		// Where the system has none, the memory serves all the same.
		_ = syscall.Madvise(b[:n], madvHugePage)
	}
}
