//go:build !amd64

package threads

func pause() {}
