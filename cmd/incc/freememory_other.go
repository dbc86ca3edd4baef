//go:build !linux && !darwin && !freebsd && !windows

package main

// systemMemory is not known here.
func systemMemory() (int64, bool) { return 0, false }
