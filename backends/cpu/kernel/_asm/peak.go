package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// peaks are loops of 12 independent chains of fused multiply-adds: enough to
// cover latency 4 on two ports.
func peaks() {
	loop := func(name string, v []reg.VecPhysical, zero reg.VecPhysical) {
		TEXT(name, NOSPLIT, "func(n int)")
		k := reg.RAX
		Load(Param("n"), k)
		for i := 0; i < 14; i++ {
			VXORPS(zero, zero, v[i])
		}
		Label("loop")
		for i := 0; i < 12; i++ {
			VFMADD231PS(v[12], v[13], v[i])
		}
		DECQ(k)
		JNZ(LabelRef("loop"))
		VZEROUPPER()
		RET()
	}
	loop("peak256", ymm, reg.Y0)
	loop("peak512", zmm, reg.Z0)
}
