//go:build !unix

package onnx

import (
	"os"
	"testing"
)

// fifo makes a directory where there are no FIFOs: it is refused alike.
func fifo(t *testing.T, path string) {
	if err := os.Mkdir(path, 0o777); err != nil {
		t.Fatal(err)
	}
}
