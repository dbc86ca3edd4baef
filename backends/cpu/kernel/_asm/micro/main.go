// Command micro writes the microkernels of package kernel: each is described once, in the terms of
// package vasm, and printed for AVX-512 and AVX2 (amd64) and NEON (arm64).
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// parts are the files, by the name that -part takes; each function describes what it says for a
// tier.
var parts = map[string]func(f *vasm.File, t *vasm.Tier){
	"conv_bwd_weights":          bwdWeightsAll,
	"conv_bwd_weights_rows":     bwdRows,
	"conv_bwd_weights_winograd": winoBackwards,
	"conv_depthwise":            depthwises,
	"conv_depthwise_bwd":        depthwiseBwds,
	"conv_strip":                convStrips,
	"conv_tile":                 convTiles,
	"conv_winograd":             winograds,
	"conv_winograd_1d":          winograds1D,
	"conv_winograd_product":     winoProducts,
	"dense_matvec":              matVecs,
	"n16":                       n16Kernels,
	"int8":                      int8Kernels,
	"int8_quads":                int8Quads,
	"int8_depthwise":            int8Depthwises,
	"int8_winograd":             int8Winograds,
	"n16_gemm":                  n16Gemms,
	"peak":                      peaks,
	"vec":                       vecs,
}

func main() {
	names := strings.Join(slices.Sorted(maps.Keys(parts)), ", ")
	part := flag.String("part", "", "which files to write: "+names)
	dir := flag.String("dir", "../..", "the folder of package kernel")
	flag.Parse()
	describe := parts[*part]
	if describe == nil {
		fmt.Fprintf(os.Stderr, "unknown -part %q (want one of %s)\n", *part, names)
		os.Exit(2)
	}
	command := "go -C _asm/micro run . -part " + *part
	for arch, tiers := range map[string][]*vasm.Tier{"amd64": {vasm.AVX512, vasm.AVX2}, "arm64": {vasm.NEON}} {
		f := &vasm.File{Arch: arch}
		for _, t := range tiers {
			describe(f, t)
		}
		name := filepath.Join(*dir, *part+"_"+arch)
		if f.Empty() { // this architecture has none, or those of another program
			continue
		}
		write(name+".s", f.Assembly(command))
		write(name+".go", f.Declarations(command, "kernel"))
	}
}

func write(name string, b []byte) {
	if err := os.WriteFile(name, b, 0o666); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
