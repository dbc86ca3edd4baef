//go:build unix

package files

import "syscall"

// openNoWait keeps open from waiting for the other end of a named pipe.
const openNoWait = syscall.O_NONBLOCK
