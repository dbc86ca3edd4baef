package kernel

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestTiers says which tiers the tests of this package run, all that this machine has, and
// compares them with the flags that Linux lists. "go test -v -run TestTiers" shows the line.
func TestTiers(t *testing.T) {
	t.Logf("tiers tested here: %s; the data's seed (INCC_SEED) is %d", names(Available()), testSeed)
	if runtime.GOARCH != "amd64" {
		want := []ISA{Portable}
		if runtime.GOARCH == "arm64" {
			want = append(want, NEON)
		}
		if !slices.Equal(Available(), want) {
			t.Errorf("%s has the tiers %s, want %s", runtime.GOARCH, names(Available()), names(want))
		}
		return
	}
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Logf("no list of flags to compare with: %v", err)
		return
	}
	var flags []string
	for line := range strings.Lines(string(text)) {
		if name, list, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "flags" {
			flags = strings.Fields(list)
			break
		}
	}
	want := []ISA{Portable}
	for _, tier := range []struct {
		isa   ISA
		flags string
	}{{AVX2, "avx fma avx2"}, {AVX512, "avx512f avx512dq avx512bw avx512vl"}} {
		missing := func(flag string) bool { return !slices.Contains(flags, flag) }
		if slices.ContainsFunc(strings.Fields(tier.flags), missing) {
			break
		}
		want = append(want, tier.isa)
	}
	if fmt.Sprint(Available()) != fmt.Sprint(want) {
		t.Errorf("tiers are %s, the flags of /proc/cpuinfo say %s", names(Available()), names(want))
	}
}
