package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/backends/files"
)

// identity lists everything that decides the weights of a run. --resume does not accept
// a checkpoint with another identity (unless --resume-changed is given).
func (p *prepared) identity(c *cli.Context) (train.Identity, error) {
	val := 0
	if p.val != nil {
		val = p.val.Len()
	}
	id := train.Identity{
		"incc": version, "spec": "SHA-256 " + p.graph.Recipe.SpecHash, "data": dataIdentity(p.set),
		"images": fmt.Sprintf("%d for training and %d for validation", p.train.Len(), val), "validation": p.division.identity(),
		"batch": fmt.Sprint(p.recipe.Run.Batch), "epochs": trimNumber(p.recipe.Run.Epochs), "seed": fmt.Sprint(p.recipe.Run.Seed), "engine": c.String("engine"),
	}
	if id["engine"] == "cpu" {
		// AVX2 and AVX-512 give the same bits; the portable kernels give other bits, and so does
		// NEON while some of its kernels are portable.
		isa, err := kernel.Best()
		if name := c.String("isa"); name != "" {
			isa, err = kernel.ParseISA(name)
		}
		if err != nil {
			return nil, err
		}
		id["engine"] = "cpu with vector kernels"
		if isa == kernel.Portable || isa == kernel.NEON {
			id["engine"] = fmt.Sprintf("cpu with %v kernels", isa)
		}
	}
	for _, name := range []string{"limit-batches", "overfit"} {
		if n := c.Int(name); n > 0 {
			id[name] = fmt.Sprint(n)
		}
	}
	if p.cut != nil {
		id["cache-features"] = "true" // the same results but for rounding
	}
	if p.tuned != nil {
		id["quantize"] = "true"
	}
	if file := c.String("init"); file != "" {
		sum, err := fileHash(file)
		if err != nil {
			return nil, err
		}
		id["init"] = "SHA-256 " + sum
	}
	return id, nil
}

func fileHash(name string) (string, error) {
	f, _, err := files.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
