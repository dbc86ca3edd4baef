package kernel

import (
	"encoding/binary"
	"os"
	"runtime"
)

// detect has nothing to ask: NEON is part of arm64.
func detect() []ISA { return []ISA{Portable, NEON} }

// dotInstructions reports whether to multiply and add signed bytes by SDOT (FEAT_DotProd), and
// unsigned with signed ones by SUDOT (FEAT_I8MM). Linux says so in its auxiliary vector. Every Mac
// with an arm64 processor has SDOT; SUDOT is hardly faster, so it is not asked for there. Elsewhere
// the answer is no.
func dotInstructions() (dotprod, i8mm bool) {
	switch {
	case vnniOff():
		return false, false
	case runtime.GOOS == "darwin":
		return true, false
	case runtime.GOOS != "linux" && runtime.GOOS != "android":
		return false, false
	}
	b, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		return false, false
	}
	return dotBits(b)
}

// dotBits reads the two bits in an auxiliary vector: pairs of 64-bit numbers, a key and a value.
func dotBits(auxv []byte) (dotprod, i8mm bool) {
	const hwcap, hwcap2 = 16, 26 // AT_HWCAP and AT_HWCAP2
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		switch value := binary.NativeEndian.Uint64(auxv[8:]); binary.NativeEndian.Uint64(auxv) {
		case hwcap:
			dotprod = value>>20&1 != 0 // HWCAP_ASIMDDP
		case hwcap2:
			i8mm = value>>13&1 != 0 // HWCAP2_I8MM
		}
	}
	return dotprod, i8mm
}
