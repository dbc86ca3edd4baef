package kernel

// The microkernels of the lanes, by number of output channels and of pixels; those of
// the gradients by output channels and taps, of the products by rows and image blocks.
var (
	n16Tiles512 = [5][7]func(*byte){
		1: {nil, n16Conv512p1o1, n16Conv512p2o1, n16Conv512p3o1, n16Conv512p4o1, n16Conv512p5o1, n16Conv512p6o1},
		2: {nil, n16Conv512p1o2, n16Conv512p2o2, n16Conv512p3o2, n16Conv512p4o2, n16Conv512p5o2, n16Conv512p6o2},
		3: {nil, n16Conv512p1o3, n16Conv512p2o3, n16Conv512p3o3, n16Conv512p4o3, n16Conv512p5o3, n16Conv512p6o3},
		4: {nil, n16Conv512p1o4, n16Conv512p2o4, n16Conv512p3o4, n16Conv512p4o4, n16Conv512p5o4, n16Conv512p6o4},
	}
	n16Tiles256 = [5][7]func(*byte){
		1: {nil, n16Conv256p1o1, n16Conv256p2o1, n16Conv256p3o1},
		2: {nil, n16Conv256p1o2, n16Conv256p2o2, n16Conv256p3o2},
		3: {nil, n16Conv256p1o3, n16Conv256p2o3, n16Conv256p3o3},
		4: {nil, n16Conv256p1o4, n16Conv256p2o4, n16Conv256p3o4},
	}
	n16Backward512 = [5][7]func(*byte){
		1: {nil, n16Bwd512p1o1, n16Bwd512p2o1, n16Bwd512p3o1, n16Bwd512p4o1, n16Bwd512p5o1, n16Bwd512p6o1},
		2: {nil, n16Bwd512p1o2, n16Bwd512p2o2, n16Bwd512p3o2, n16Bwd512p4o2, n16Bwd512p5o2, n16Bwd512p6o2},
		3: {nil, n16Bwd512p1o3, n16Bwd512p2o3, n16Bwd512p3o3, n16Bwd512p4o3, n16Bwd512p5o3, n16Bwd512p6o3},
		4: {nil, n16Bwd512p1o4, n16Bwd512p2o4, n16Bwd512p3o4, n16Bwd512p4o4, n16Bwd512p5o4, n16Bwd512p6o4},
	}
	n16Backward256 = [5][7]func(*byte){
		1: {nil, n16Bwd256p1o1, n16Bwd256p2o1, n16Bwd256p3o1},
		2: {nil, n16Bwd256p1o2, n16Bwd256p2o2, n16Bwd256p3o2},
		3: {nil, n16Bwd256p1o3, n16Bwd256p2o3, n16Bwd256p3o3},
		4: {nil, n16Bwd256p1o4, n16Bwd256p2o4, n16Bwd256p3o4},
	}
	n16Gemm512 = [7][5]func(*byte){
		1: {nil, n16Gemm512p1o1, n16Gemm512p2o1, n16Gemm512p3o1, n16Gemm512p4o1},
		2: {nil, n16Gemm512p1o2, n16Gemm512p2o2, n16Gemm512p3o2, n16Gemm512p4o2},
		3: {nil, n16Gemm512p1o3, n16Gemm512p2o3, n16Gemm512p3o3, n16Gemm512p4o3},
		4: {nil, n16Gemm512p1o4, n16Gemm512p2o4, n16Gemm512p3o4, n16Gemm512p4o4},
		5: {nil, n16Gemm512p1o5, n16Gemm512p2o5, n16Gemm512p3o5, n16Gemm512p4o5},
		6: {nil, n16Gemm512p1o6, n16Gemm512p2o6, n16Gemm512p3o6, n16Gemm512p4o6},
	}
	n16Gemm256 = [7]func(*byte){nil, n16Gemm256p1o1, n16Gemm256p1o2, n16Gemm256p1o3, n16Gemm256p1o4, n16Gemm256p1o5, n16Gemm256p1o6}
)

// n16Func returns the microkernel for a number of output channels and pixels.
func n16Func(isa ISA, channels, pixels int) func(*byte) {
	if isa == AVX2 {
		return n16Tiles256[channels][pixels]
	}
	return n16Tiles512[channels][pixels]
}

// n16BackwardFunc returns the microkernel for a number of output channels and taps.
func n16BackwardFunc(isa ISA, channels, taps int) func(*byte) {
	if isa == AVX2 {
		return n16Backward256[channels][taps]
	}
	return n16Backward512[channels][taps]
}

// n16GemmFunc returns the microkernel for a number of rows and image blocks.
func n16GemmFunc(isa ISA, rows, groups int) func(*byte) {
	if isa == AVX2 {
		return n16Gemm256[rows]
	}
	return n16Gemm512[rows][groups]
}
