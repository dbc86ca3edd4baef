package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes/autodiff"
)

var memoryFlag = &cli.StringFlag{Name: "memory", Usage: "have a step of training take at most `SIZE`, such as 800MB or 2GiB, of memory: activations are computed twice in place of kept, as far as it takes, to the same bits"}

// units of sizes, by their names in lower case.
var units = map[string]float64{"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}

// parseBytes reads a size: a number and perhaps a unit.
func parseBytes(s string) (int64, error) {
	at := strings.LastIndexAny(s, "0123456789.") + 1
	x, err := strconv.ParseFloat(s[:at], 64)
	unit, ok := units[strings.ToLower(strings.TrimSpace(s[at:]))]
	if x *= unit; err != nil || !ok || !(x >= 1 && x < 1<<62) {
		return 0, fmt.Errorf("%s is no size: 800MB, 2GiB and 500000000 are some", diag.Quote(s))
	}
	return int64(x), nil
}

// fitMemory has steps of training compute twice what --memory makes them, or
// without the flag the memory that is free; said is what to tell of it, "" for nothing.
func fitMemory(c *cli.Context, g *ir.Graph, opt *autodiff.Options, batch int, o cpu.Options) (said string, err error) {
	asked := c.IsSet("memory")
	limit := freeMemory()
	if asked {
		if limit, err = parseBytes(c.String("memory")); err != nil {
			return "", usagef("--memory: %v", err)
		}
	} else if limit == 0 {
		return "", nil
	}
	level, n, err := train.Fit(g, *opt, batch, limit, o)
	var short *train.MemoryError
	switch {
	case errors.As(err, &short) && asked:
		return "", fmt.Errorf("--memory %s is too little: a step of %d images takes %s at least; take smaller batches", c.String("memory"), batch, bytesText(short.Least))
	case errors.As(err, &short):
		opt.Recompute = short.Level
		return fmt.Sprintf("a step takes %s of memory at least, but %s are free: take smaller batches if it does not end well", bytesText(short.Least), bytesText(limit)), nil
	case err != nil:
		return "", err
	}
	if opt.Recompute = level; level == autodiff.KeepAll && !asked {
		return "", nil
	}
	said = fmt.Sprintf("a step takes %s of memory and computes %v twice", bytesText(n), level)
	if !asked {
		said += fmt.Sprintf(", since %s are free", bytesText(limit))
	}
	return said, nil
}

// freeMemory is what the machine, or the container, has for another process in
// bytes, 0 where the system does not tell it. Tests replace it.
var freeMemory = func() int64 {
	free := procMemory("MemAvailable:")
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil { // else it says max
			free = min(free, limit)
		}
	}
	return free
}

// procMemory is a line of /proc/meminfo in bytes, 0 where there is none.
func procMemory(line string) int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for _, l := range strings.Split(string(b), "\n") {
		if f := strings.Fields(l); len(f) >= 2 && f[0] == line {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
