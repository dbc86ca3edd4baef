package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/cpu"

	"github.com/incc-lang/incc/backends/cpu/kernel"
)

// machine describes this computer as far as it matters to the executor.
type machine struct {
	CPU       string     `json:"cpu"`
	OS        string     `json:"os"`
	Arch      string     `json:"arch"`
	Cores     int        `json:"cores"`
	Threads   int        `json:"threads"` // GOMAXPROCS: what incc uses by default
	Memory    int64      `json:"memory_bytes,omitempty"`
	HugePages string     `json:"huge_pages"`
	ISA       string     `json:"isa"` // the tier that incc uses
	Integers  []string   `json:"int8_instructions"`
	Tiers     []tierPeak `json:"tiers"`
}

type tierPeak struct {
	ISA    string  `json:"isa"`
	One    float64 `json:"gflops_1_thread"`
	All    float64 `json:"gflops_all_threads"`
	Chosen bool    `json:"chosen"`
}

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:      "doctor",
		Usage:     "show the processor, memory and instruction sets that the executor can use",
		UsageText: "incc doctor [--json]",
		Description: `Example:

   incc doctor

The peak is the rate of fused multiply-adds, which is measured now; incc bench
compares with it. INCC_ISA=portable|avx2|avx512|neon selects the tier (instruction set).
INCC_VNNI=off computes 8-bit integers as on a processor without VNNI (amd64) or
without asimddp and i8mm (arm64).`,
		Flags: []cli.Flag{jsonFlag},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			best, err := kernel.Best()
			if err != nil {
				return &usageError{err.Error()}
			}
			m := machine{CPU: cpuName(), OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(),
				Threads: runtime.GOMAXPROCS(0), Memory: totalMemory(), HugePages: hugePages(), ISA: best.String(), Integers: int8Instructions()}
			for _, isa := range kernel.Available() {
				m.Tiers = append(m.Tiers, tierPeak{isa.String(), kernel.Peak(isa, 1, 100*time.Millisecond),
					kernel.Peak(isa, m.Threads, 100*time.Millisecond), isa == best})
			}
			if c.Bool("json") {
				return writeLineJSON(c.App.Writer, m)
			}
			w := c.App.Writer
			sayf(w, "processor   %s, %s/%s", m.CPU, m.OS, m.Arch)
			sayf(w, "threads     %d (GOMAXPROCS) of %d", m.Threads, m.Cores)
			if m.Memory > 0 {
				sayf(w, "memory      %s", bytesText(m.Memory))
			}
			sayf(w, "huge pages  %s", m.HugePages)
			sayf(w, "for int8    %s\n", cmp.Or(strings.Join(m.Integers, ", "), "no special instructions"))
			t := newTable("tier", ">peak, 1 thread", fmt.Sprintf(">%d threads", m.Threads), "")
			for _, p := range m.Tiers {
				chosen := ""
				if p.Chosen {
					chosen = "used"
				}
				t.Add(p.ISA, fmt.Sprintf("%.1f GFLOP/s", p.One), fmt.Sprintf("%.1f GFLOP/s", p.All), chosen)
			}
			t.write(w)
			return nil
		},
	}
}

// int8Instructions names the instructions for sums of 8-bit products that the processor
// has beside its tier, as /proc/cpuinfo spells them.
func int8Instructions() []string {
	l := []string{}
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"avx_vnni", cpu.X86.HasAVXVNNI},
		{"avx512_vnni", cpu.X86.HasAVX512VNNI},
		{"asimddp", cpu.ARM64.HasASIMDDP},
		{"i8mm", cpu.ARM64.HasI8MM},
	} {
		if f.has {
			l = append(l, f.name)
		}
	}
	return l
}

// cpuName returns the model name of the processor, or "unknown".
func cpuName() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for _, l := range strings.Split(string(b), "\n") {
			if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == "model name" {
				return strings.TrimSpace(v)
			}
		}
	}
	return "unknown"
}

func hugePages() string {
	b, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil {
		return "not on this system"
	}
	switch s := string(b); {
	case strings.Contains(s, "[always]"):
		return "always"
	case strings.Contains(s, "[madvise]"):
		return "on request, which incc makes"
	}
	return "off: kernels with large weights are slower; write madvise to /sys/kernel/mm/transparent_hugepage/enabled"
}

// totalMemory returns the memory of the machine in bytes, or 0 if the system does not
// report it.
func totalMemory() int64 {
	n, _ := procField("/proc/meminfo", "MemTotal:")
	return n << 10
}
