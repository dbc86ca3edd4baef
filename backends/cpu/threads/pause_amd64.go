package threads

// pause tells the processor that this thread spins.
//
//go:noescape
func pause()
