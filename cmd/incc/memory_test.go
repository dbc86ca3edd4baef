package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"500000000": 5e8, "800MB": 8e8, "800 mb": 8e8, "2GiB": 2 << 30, "1.5g": 3 << 29, "12b": 12, "3KB": 3000, "3kib": 3072,
		"": 0, "MB": 0, "-1MB": 0, "0": 0, "1TB": 0, "1e30": 0, "1..5": 0, "NaN": 0, "9999999999GB": 0, "five": 0,
	} {
		if got, err := parseBytes(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
}

// Without --memory a training step is made to fit into the free memory. If it cannot fit,
// there is an error.
func TestFreeMemory(t *testing.T) {
	if n, ok := freeMemory(); ok && n < 1<<20 {
		t.Errorf("%d bytes are free", n)
	}
	if _, ok := procField("/proc/meminfo", "NoSuchLine:"); ok {
		t.Error("a line that is not there")
	}
	dir := t.TempDir()
	for part, n := range map[string]int{"train": 100, "t10k": 10} {
		for name, b := range map[string][]byte{part + "-images-idx3-ubyte": idx(make([]byte, n*28*28), n, 28, 28), part + "-labels-idx1-ubyte": idx(make([]byte, n), n)} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	defer func(f func() (int64, bool)) { freeMemory = f }(freeMemory)
	for _, c := range []struct {
		free int64 // 0 for unknown
		want string
		code int
	}{
		{math.MaxInt64, "", 0}, {0, "", 0}, {20 << 20, "twice, since 20.0 MiB are free", 0}, {6 << 20, "of memory; 6.0 MiB are free: take a smaller --batch, or allow more with --memory SIZE", 1},
	} {
		freeMemory = func() (int64, bool) { return c.free, c.free > 0 }
		code, stdout, stderr := capture(t, "train", "fashion/inception_bn", "--data", dir, "--batch", "16", "--dry-run")
		if code != c.code {
			t.Fatal(stderr)
		}
		stdout += stderr
		if said := strings.Contains(stdout, "a step takes"); said != (c.want != "") && code == 0 || !strings.Contains(stdout, c.want) {
			t.Errorf("%d bytes: %q is not in\n%s", c.free, c.want, stdout)
		}
	}
}
