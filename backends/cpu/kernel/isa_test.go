package kernel

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/backends/cpu/threads"
	"github.com/incc-lang/incc/ir/irtest/longtest"
)

func TestISA(t *testing.T) {
	for _, isa := range []ISA{Portable, AVX2, AVX512, NEON} {
		got, err := ParseISA(strings.ToUpper(isa.String()))
		if ok := slices.Contains(Available(), isa); ok != (err == nil) || ok && got != isa {
			t.Errorf("ParseISA(%v) = %v, %v", isa, got, err)
		}
	}
	if _, err := ParseISA("avx10"); err == nil || !strings.Contains(err.Error(), "portable, avx2, avx512, neon") {
		t.Errorf("an unknown name: %v", err)
	}
	t.Setenv("INCC_ISA", "portable")
	if isa, err := Best(); isa != Portable || err != nil {
		t.Errorf("forced to portable: %v, %v", isa, err)
	}
	t.Setenv("INCC_ISA", "avx3")
	if _, err := Best(); err == nil || !strings.HasPrefix(err.Error(), "INCC_ISA: ") {
		t.Errorf("forced to what does not exist: %v", err)
	}
	t.Setenv("INCC_ISA", "")
	if isa, err := Best(); isa != Available()[len(Available())-1] || err != nil {
		t.Errorf("best: %v, %v", isa, err)
	}
}

func TestPeak(t *testing.T) {
	for _, isa := range Available() {
		p := Peak(isa, 1, 20*time.Millisecond)
		t.Logf("%v: %.1f GFLOP/s", isa, p)
		if p < 0.05 || p > 2000 {
			t.Errorf("%v: %g GFLOP/s on one thread", isa, p)
		}
	}
}

func TestPeakMeter(t *testing.T) {
	for _, isa := range Available() {
		pool := threads.NewPool(2)
		meter := PeakMeter(pool, isa, time.Millisecond)
		p := meter()
		t.Logf("%v: %.1f GFLOP/s", isa, p)
		if p < 0.05 || p > 4000 {
			t.Errorf("%v: %g GFLOP/s on two threads", isa, p)
		}
		NewTeam(pool, isa, 0).Run(func(w *Worker) {
			if w.ID == 0 && meter() != 0 {
				t.Error("a busy pool has a peak")
			}
		})
		pool.Close()
	}
}

// TestPortableBuild compiles the package for other architectures: the assembly
// must not be missed.
func TestPortableBuild(t *testing.T) {
	if !longtest.Enabled() {
		t.Skip("compiles the standard library four times: INCC_LONG=1")
	}
	for _, target := range []string{"linux/arm64", "windows/amd64", "darwin/arm64", "linux/386"} {
		goos, arch, _ := strings.Cut(target, "/")
		cmd := exec.Command("go", "build", "-o", filepath.Join(t.TempDir(), "x"), ".")
		cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH="+arch, "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", target, err, out)
		}
	}
}
