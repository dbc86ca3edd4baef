// Command _asm generates the assembly of package kernel. It is a module of its
// own, so that avo is no dependency of incc. Each file has its go:generate line
// in gen.go of package kernel.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

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

// parts are the files that are generated, by the name that -part takes.
var parts = map[string][]func(){
	"n16_transpose": {transposes},
	"dense_matvec":  {matVecs},
	"pack":          {packs},
}

func main() {
	names := strings.Join(slices.Sorted(maps.Keys(parts)), ", ")
	part := flag.String("part", "", "which file to generate: "+names)
	flag.Parse()
	ConstraintExpr("amd64")
	if parts[*part] == nil {
		fmt.Fprintf(os.Stderr, "unknown -part %q (want one of %s)\n", *part, names)
		os.Exit(2)
	}
	for _, generate := range parts[*part] {
		generate()
	}
	Generate()
}
