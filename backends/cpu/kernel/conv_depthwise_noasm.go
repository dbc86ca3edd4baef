//go:build !amd64

package kernel

func depthwise(ISA, *float32, int, *int, int, *float32, *float32, *float32, *float32, float32, int, int) {
}
