package kernel

import "os"

// long reports whether the long variants of the tests were asked for.
func long() bool { return os.Getenv("INCC_LONG") == "1" }
