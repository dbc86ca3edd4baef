//go:build !linux

package kernel

func mapMemory(int) []byte { return nil }

func unmapMemory([]byte) {}
