// Package cputime measures how long a test's work takes, so that limits on time hold on a
// busy machine too.
package cputime

import "time"

// Start begins to measure. The function that it returns gives the processor time that this
// process has used since, or the time that has passed where that is less: the process may
// have waited for a processor, and several threads may have worked at once.
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
