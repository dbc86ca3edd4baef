package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

var cacheFlag = &cli.StringFlag{Name: "cache", Usage: "hold at most `SIZE` of the decoded and scaled pictures of a folder in memory, such as 800MB or 2GiB, or 0 for none; the others are decoded again in each epoch, with the same results bit for bit. By default half of the free memory"}

// pictureCache returns how many bytes of images a command may hold in memory: the value of
// --cache less the bytes that it holds already, or half of the free memory. It returns an
// error if there is not enough memory for the images of the pictures that fit in, or for
// those that are decoded at once. The images have the shape of in.
func pictureCache(c *cli.Context, pictures int, in ir.Shape, held int64) (int64, error) {
	free, ok := freeMemory()
	if !ok {
		free = unknownMemory
	}
	free = max(0, free)
	size := int64(in[1]) * int64(in[2]) * int64(in[3])
	all := size * int64(pictures)
	shape := fmt.Sprintf("%dx%dx%d", in[1], in[2], in[3])
	const copies = 9 // of a picture that is being scaled: 4 bytes a pixel and channel, and others
	if need := copies * size * int64(min(pictures, runtime.GOMAXPROCS(0))); need > free {
		return 0, fmt.Errorf("reading pictures of %s takes %s of memory; %s are free", shape, bytesText(need), bytesText(free))
	}
	if !c.IsSet("cache") {
		return free / 2, nil
	}
	text := c.String("cache")
	n := int64(0)
	if text != "0" {
		var err error
		if n, err = parseBytes(text); err != nil {
			return 0, usagef("--cache: %v", err)
		}
	}
	n = max(0, n-held)
	if need := min(n, all); need > free {
		return 0, fmt.Errorf("--cache %s is too much: %s take %s as images of %s; %s are free", text, diag.Count(pictures, "picture"), bytesText(all), shape, bytesText(free))
	}
	return n, nil
}

// limitGarbage keeps the garbage of this process below an eighth of the free memory while it
// holds that many bytes of images. Without that the garbage collector would wait until
// there is as much garbage as there are images. It does nothing if the user has set when
// to collect garbage (GOGC).
func limitGarbage(held int64) {
	free, ok := freeMemory()
	if !ok || free <= 0 || held <= free/8 || os.Getenv("GOGC") != "" {
		return
	}
	percent := int(max(5, 100*(free/8)/held))
	if was := debug.SetGCPercent(percent); was < percent {
		debug.SetGCPercent(was)
	}
}

// heldBytes is how many bytes of images decoded from pictures a data set holds in memory.
func heldBytes(src *data.Source) int64 {
	n := int64(0)
	for _, s := range []*data.Set{src.Train, src.Val, src.Test} {
		if s != nil && len(s.Files) > 0 {
			n += int64(s.InMemory()) * int64(s.C*s.H*s.W)
		}
	}
	return n
}

// decodedAgain is a sentence about the pictures that are not held in memory, "" where all
// are.
func decodedAgain(sets ...*data.Set) string {
	held, all := 0, 0
	for _, s := range sets {
		if s != nil {
			held, all = held+s.InMemory(), all+s.Len()
		}
	}
	if held == all {
		return ""
	}
	return fmt.Sprintf("%s of %s pictures are held in memory (--cache); the others are decoded again in each epoch", diag.Thousands(int64(held)), diag.Thousands(int64(all)))
}
