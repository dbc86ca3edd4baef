package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFresh: go generate would change nothing.
func TestFresh(t *testing.T) {
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.ReplaceAll(string(got), "\r\n", "\n") != strings.ReplaceAll(want, "\r\n", "\n") {
			t.Errorf("%s is stale: run go generate ./backends/cpu/data", name)
		}
	}
}
