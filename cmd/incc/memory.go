package main

import (
	"errors"
	"fmt"
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

// fitMemory has steps of training compute twice what --memory makes them; said is
// what to tell of it, "" without the flag.
func fitMemory(c *cli.Context, g *ir.Graph, opt *autodiff.Options, batch int, o cpu.Options) (said string, err error) {
	if !c.IsSet("memory") {
		return "", nil
	}
	limit, err := parseBytes(c.String("memory"))
	if err != nil {
		return "", usagef("--memory: %v", err)
	}
	level, n, err := train.Fit(g, *opt, batch, limit, o)
	var short *train.MemoryError
	if errors.As(err, &short) {
		return "", fmt.Errorf("--memory %s is too little: a step of %d images takes %s at least; take smaller batches", c.String("memory"), batch, bytesText(short.Least))
	}
	if err != nil {
		return "", err
	}
	opt.Recompute = level
	return fmt.Sprintf("a step takes %s of memory and computes %v twice", bytesText(n), level), nil
}
