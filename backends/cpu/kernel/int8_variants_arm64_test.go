package kernel

import (
	"encoding/binary"
	"os"
	"testing"
)

// int8VariantsHere are the ways in which NEON can multiply bytes on this machine. Which machine it is
// is asked here, whatever INCC_VNNI says.
func int8VariantsHere() map[string]int8Tier {
	l := map[string]int8Tier{"16 bits": int8TierNEON}
	auxv, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		return l
	}
	dotprod, i8mm := dotBits(auxv)
	if dotprod {
		l["dotprod"] = int8TierDots
	}
	if i8mm {
		l["i8mm"] = int8TierMixed
	}
	return l
}

func init() {
	eachInt8Variant = func(isa ISA, run func(name string)) {
		if isa != NEON {
			run("")
			return
		}
		defer func(old int8Tier) { int8Tiers[NEON] = old }(int8Tiers[NEON])
		for name, tier := range int8VariantsHere() {
			int8Tiers[NEON] = tier
			run(name)
		}
	}
}

// TestDotBits: the two bits are found wherever they stand in an auxiliary vector, and a vector that is
// cut off has none.
func TestDotBits(t *testing.T) {
	vector := func(pairs ...uint64) (b []byte) {
		for _, x := range pairs {
			b = binary.NativeEndian.AppendUint64(b, x)
		}
		return b
	}
	for _, c := range []struct {
		auxv          []byte
		dotprod, i8mm bool
	}{
		{nil, false, false},
		{vector(6, 1<<20, 16, 1<<20, 26, 1<<13, 0, 0), true, true},
		{vector(26, ^uint64(1<<13), 16, 1<<20), true, false},
		{vector(16, ^uint64(1<<20), 26, 1<<13), false, true},
		{vector(20, 1<<20, 13, 1<<13), false, false},
		{vector(16, 1<<20)[:15], false, false},
	} {
		if dotprod, i8mm := dotBits(c.auxv); dotprod != c.dotprod || i8mm != c.i8mm {
			t.Errorf("% x: dotprod %v, i8mm %v; want %v, %v", c.auxv, dotprod, i8mm, c.dotprod, c.i8mm)
		}
	}
	t.Logf("the tiles of bytes tested here: %v", len(int8VariantsHere()))
}
