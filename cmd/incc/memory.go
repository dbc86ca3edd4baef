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

var memoryFlag = &cli.StringFlag{Name: "memory", Usage: "limit the memory of a training step to `SIZE`, such as 800MB or 2GiB: to fit, activations are computed twice instead of kept, with the same results bit for bit"}

var roomFlag = &cli.StringFlag{Name: "memory", Usage: "use at most `SIZE` of memory, such as 800MB or 2GiB; by default the free memory"}

// units maps the name of a unit, in lower case, to its size in bytes.
var units = map[string]float64{"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}

// parseBytes parses a size, a number with or without a unit, and returns it in bytes.
func parseBytes(s string) (int64, error) {
	at := strings.LastIndexAny(s, "0123456789.") + 1
	x, err := strconv.ParseFloat(s[:at], 64)
	unit, ok := units[strings.ToLower(strings.TrimSpace(s[at:]))]
	if x *= unit; err != nil || !ok || !(x >= 1 && x < 1<<62) {
		return 0, fmt.Errorf("%s is not a size (want 800MB, 2GiB or 500000000, for example)", diag.Quote(s))
	}
	return int64(x), nil
}

// fitMemory sets opt.Recompute: how many activations a training step computes twice
// instead of keeping them. It chooses the least recomputation with which the step fits
// into --memory or, without that flag, into the free memory. said is a sentence about
// the choice for the user, or "".
func fitMemory(c *cli.Context, g *ir.Graph, opt *autodiff.Options, batch int, o cpu.Options) (said string, err error) {
	limit, err := memoryLimit(c)
	if err != nil {
		return "", err
	}
	level, n, err := train.Fit(g, *opt, batch, limit.bytes, o)
	var short *train.MemoryError
	switch {
	case errors.As(err, &short) && limit.asked:
		return "", fmt.Errorf("--memory %s is too little: a step of %d images takes at least %s; take a smaller --batch", c.String("memory"), batch, bytesText(short.Least))
	case errors.As(err, &short):
		return "", fmt.Errorf("a step of %d images takes at least %s of memory; %s: take a smaller --batch, or allow more with --memory SIZE", batch, bytesText(short.Least), limit)
	case err != nil:
		return "", err
	}
	if opt.Recompute = level; level == autodiff.KeepAll && !limit.asked {
		return "", nil
	}
	said = fmt.Sprintf("a step takes %s of memory and computes %v twice", bytesText(n), level)
	if !limit.asked {
		said += fmt.Sprintf(", since %s", limit)
	}
	return said, nil
}
