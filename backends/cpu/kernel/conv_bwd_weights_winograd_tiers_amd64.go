package kernel

import "unsafe"

// The transforms by pair of rows of positions, dY's by size of its tiles too: 4 and 2.
var (
	winoBwdX512  = [winoPairs]func(src *float32, row int, dst *float32, pos, n, step int){winoBwdX512p0, winoBwdX512p1, winoBwdX512p2}
	winoBwdX256  = [winoPairs]func(src *float32, row int, dst *float32, pos, n, step int){winoBwdX256p0, winoBwdX256p1, winoBwdX256p2}
	winoBwdDY512 = [2][winoPairs]func(src *float32, row int, dst *float32, pos, n int){
		{winoBwdDY512m2p0, winoBwdDY512m2p1, winoBwdDY512m2p2}, {winoBwdDY512m4p0, winoBwdDY512m4p1, winoBwdDY512m4p2}}
	winoBwdDY256 = [2][winoPairs]func(src *float32, row int, dst *float32, pos, n int){
		{winoBwdDY256m2p0, winoBwdDY256m2p1, winoBwdDY256m2p2}, {winoBwdDY256m4p0, winoBwdDY256m4p1, winoBwdDY256m4p2}}
)

func winoBwdX(isa ISA, pair int, src *float32, row int, dst *float32, pos, n, step int) {
	if isa == AVX512 {
		winoBwdX512[pair](src, row, dst, pos, n, step)
		return
	}
	winoBwdX256[pair](src, row, dst, pos, n, step)
}

func winoBwdDY(isa ISA, m, pair int, src *float32, row int, dst *float32, pos, n int) {
	if isa == AVX512 {
		winoBwdDY512[m/4][pair](src, row, dst, pos, n)
		return
	}
	winoBwdDY256[m/4][pair](src, row, dst, pos, n)
}

// winoBwdOutTiles transforms n weights.
func winoBwdOutTiles(isa ISA, r int, src *float32, pos int, dst *float32, tap, n int, tmp *float32) {
	switch {
	case isa == AVX512 && r == 3:
		winoBwdOut512r3(src, pos, dst, tap, n/16, tmp)
	case isa == AVX512:
		winoBwdOut512r5(src, pos, dst, tap, n/16, tmp)
	case r == 3:
		winoBwdOut256r3(src, pos, dst, tap, n/8, tmp)
	default:
		winoBwdOut256r5(src, pos, dst, tap, n/8, tmp)
	}
}

// winoBwdSum runs the microkernel for a number of output blocks (AVX2: one).
func winoBwdSum(isa ISA, blocks int, s *winoSums) {
	t := (*byte)(unsafe.Pointer(s))
	switch {
	case isa == AVX2:
		winoBwdSum256(t)
	case blocks == 1:
		winoBwdSum512o1(t)
	default:
		winoBwdSum512o2(t)
	}
}
