//go:build !linux

package main

func limitMemory(uint64) {}

// peakMemory returns 0: the memory is not known on this system.
func peakMemory() int64 { return 0 }
