// Command _asm generates the assembly of package kernel. It is a module of its
// own, so that avo is no dependency of incc. Each file has its go:generate line
// in gen.go of package kernel.
package main

import (
	"flag"
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

var zmm = []reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}

var ymm = []reg.VecPhysical{
	reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
}

// zeros makes registers of so many bits zeros.
func zeros(bits int, regs []reg.VecPhysical) {
	for _, r := range regs {
		if bits == 512 {
			VPXORD(r, r, r)
		} else {
			VXORPS(r, r, r)
		}
	}
}

func main() {
	part := flag.String("part", "", "which file to generate: tile, wino, winodw, line, depthwise, lanes, laneproduct, gradient, rowgrad, matvec, pack, peak")
	flag.Parse()
	ConstraintExpr("amd64")
	switch *part {
	case "tile":
		tiles()
	case "wino":
		winograds()
	case "winodw":
		winoGradients()
	case "line":
		lines()
	case "depthwise":
		depthwises()
	case "lanes":
		lanes()
		laneGradients()
		transposes()
	case "laneproduct":
		laneProducts()
	case "gradient":
		gradients()
	case "matvec":
		matVecs()
	case "rowgrad":
		rowGradients()
	case "pack":
		packs()
	case "peak":
		peaks()
	default:
		fmt.Fprintf(os.Stderr, "unknown -part %q\n", *part)
		os.Exit(2)
	}
	Generate()
}
