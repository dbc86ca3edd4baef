//go:build unix

package files

import "syscall"

// openNoWait is a flag of open, so that it does not wait for the other end of a named
// pipe.
const openNoWait = syscall.O_NONBLOCK
