//go:build !linux && !darwin && !freebsd && !windows

package main

// systemMemory returns false: the free memory is not known on this system.
func systemMemory() (int64, bool) { return 0, false }
