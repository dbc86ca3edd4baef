//go:build !linux

package main

func limitMemory(uint64) {}

// peakMemory is not known here.
func peakMemory() int64 { return 0 }
