package main

import (
	"os"
	"strings"
	"testing"
)

// TestInt8Instructions compares with what the kernel says of the processor.
func TestInt8Instructions(t *testing.T) {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Skip(err)
	}
	var flags []string
	for l := range strings.Lines(string(b)) {
		if name, list, ok := strings.Cut(l, ":"); ok && (strings.TrimSpace(name) == "flags" || strings.TrimSpace(name) == "Features") {
			flags = strings.Fields(list)
			break
		}
	}
	if flags == nil {
		t.Skip("/proc/cpuinfo lists no flags")
	}
	got := " " + strings.Join(int8Instructions(), " ") + " "
	for _, name := range []string{"avx_vnni", "avx512_vnni", "asimddp", "i8mm"} {
		want := false
		for _, f := range flags {
			want = want || f == name
		}
		if strings.Contains(got, " "+name+" ") != want {
			t.Errorf("%s: doctor lists %q, /proc/cpuinfo has it: %v", name, got, want)
		}
	}
}
