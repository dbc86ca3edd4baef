// Package cputime measures the processor time of a test's work, so that a test with a time
// limit also passes on a busy machine.
package cputime

import "time"

// Start starts a measurement. The function that it returns gives the smaller of two times
// since Start: the processor time that this process used, and the time that passed. The
// process may have waited for a processor, so the first may be smaller; several threads may
// have run at once, so the second may be smaller.
func Start() (since func() time.Duration) {
	start, used := time.Now(), processor()
	return func() time.Duration {
		wall := time.Since(start)
		if used < 0 {
			return wall
		}
		return min(wall, processor()-used)
	}
}
