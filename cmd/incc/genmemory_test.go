package main

import "testing"

// TestGenMemory: gen go holds one copy of the weights, here 64 MiB, and writes the file of
// weights without a second one.
func TestGenMemory(t *testing.T) {
	spec := map[string]string{
		"go.mod":    "module example.com/user\n\ngo 1.26\n",
		"wide.incc": "net wide\ninput x 4096\nfc 4096\n",
	}
	const want = `64\.0 MiB of weights`
	runHostile(t, []hostileCase{
		{name: "embed", setup: write(spec), args: []string{"gen", "go", "wide.incc", "-o", "wide"}, want: want, maxMB: 160, maxMillis: 10_000},
		{name: "file", setup: write(spec), args: []string{"gen", "go", "wide.incc", "-o", "wide", "--store", "file"}, want: want, maxMB: 160, maxMillis: 10_000},
	})
}
