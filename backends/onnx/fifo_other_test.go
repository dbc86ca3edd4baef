//go:build !unix

package onnx

import (
	"os"
	"testing"
)

// fifo makes a directory, because this system has no named pipes; it gives the same error.
func fifo(t *testing.T, path string) {
	if err := os.Mkdir(path, 0o777); err != nil {
		t.Fatal(err)
	}
}
