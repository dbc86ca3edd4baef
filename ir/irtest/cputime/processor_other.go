//go:build !unix

package cputime

import "time"

// processor returns the processor time of this process, -1 if it is not known.
func processor() time.Duration { return -1 }
