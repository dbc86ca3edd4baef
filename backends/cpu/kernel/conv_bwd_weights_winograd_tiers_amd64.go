package kernel

import "unsafe"

// The transforms by pair of rows of positions, dY's by size of its tiles too: 4 and 2.
var (
	winoGradX512  = [winoPairs]func(src *float32, row int, dst *float32, pos, n, step int){winoGradX512p0, winoGradX512p1, winoGradX512p2}
	winoGradX256  = [winoPairs]func(src *float32, row int, dst *float32, pos, n, step int){winoGradX256p0, winoGradX256p1, winoGradX256p2}
	winoGradDY512 = [2][winoPairs]func(src *float32, row int, dst *float32, pos, n int){
		{winoGradDY512m2p0, winoGradDY512m2p1, winoGradDY512m2p2}, {winoGradDY512m4p0, winoGradDY512m4p1, winoGradDY512m4p2}}
	winoGradDY256 = [2][winoPairs]func(src *float32, row int, dst *float32, pos, n int){
		{winoGradDY256m2p0, winoGradDY256m2p1, winoGradDY256m2p2}, {winoGradDY256m4p0, winoGradDY256m4p1, winoGradDY256m4p2}}
)

func winoGradX(isa ISA, pair int, src *float32, row int, dst *float32, pos, n, step int) {
	if isa == AVX512 {
		winoGradX512[pair](src, row, dst, pos, n, step)
		return
	}
	winoGradX256[pair](src, row, dst, pos, n, step)
}

func winoGradDY(isa ISA, m, pair int, src *float32, row int, dst *float32, pos, n int) {
	if isa == AVX512 {
		winoGradDY512[m/4][pair](src, row, dst, pos, n)
		return
	}
	winoGradDY256[m/4][pair](src, row, dst, pos, n)
}

// winoGradOutTiles transforms n weights.
func winoGradOutTiles(isa ISA, r int, src *float32, pos int, dst *float32, tap, n int, tmp *float32) {
	switch {
	case isa == AVX512 && r == 3:
		winoGradOut512r3(src, pos, dst, tap, n/16, tmp)
	case isa == AVX512:
		winoGradOut512r5(src, pos, dst, tap, n/16, tmp)
	case r == 3:
		winoGradOut256r3(src, pos, dst, tap, n/8, tmp)
	default:
		winoGradOut256r5(src, pos, dst, tap, n/8, tmp)
	}
}

// winoGradSum runs the microkernel for so many output blocks (AVX2: one).
func winoGradSum(isa ISA, blocks int, s *winoSums) {
	t := (*byte)(unsafe.Pointer(s))
	switch {
	case isa == AVX2:
		winoGradSum256(t)
	case blocks == 1:
		winoGradSum512o1(t)
	default:
		winoGradSum512o2(t)
	}
}
