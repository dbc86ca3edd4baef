package kernel

// The microkernels of the lanes, by number of output channels and of pixels; those of
// the gradients by output channels and taps, of the products by rows and groups of images.
var (
	lanes512 = [5][7]func(*byte){
		1: {nil, lane512p1o1, lane512p2o1, lane512p3o1, lane512p4o1, lane512p5o1, lane512p6o1},
		2: {nil, lane512p1o2, lane512p2o2, lane512p3o2, lane512p4o2, lane512p5o2, lane512p6o2},
		3: {nil, lane512p1o3, lane512p2o3, lane512p3o3, lane512p4o3, lane512p5o3, lane512p6o3},
		4: {nil, lane512p1o4, lane512p2o4, lane512p3o4, lane512p4o4, lane512p5o4, lane512p6o4},
	}
	lanes256 = [5][7]func(*byte){
		1: {nil, lane256p1o1, lane256p2o1, lane256p3o1},
		2: {nil, lane256p1o2, lane256p2o2, lane256p3o2},
		3: {nil, lane256p1o3, lane256p2o3, lane256p3o3},
		4: {nil, lane256p1o4, lane256p2o4, lane256p3o4},
	}
	laneGrads512 = [5][7]func(*byte){
		1: {nil, lanegrad512p1o1, lanegrad512p2o1, lanegrad512p3o1, lanegrad512p4o1, lanegrad512p5o1, lanegrad512p6o1},
		2: {nil, lanegrad512p1o2, lanegrad512p2o2, lanegrad512p3o2, lanegrad512p4o2, lanegrad512p5o2, lanegrad512p6o2},
		3: {nil, lanegrad512p1o3, lanegrad512p2o3, lanegrad512p3o3, lanegrad512p4o3, lanegrad512p5o3, lanegrad512p6o3},
		4: {nil, lanegrad512p1o4, lanegrad512p2o4, lanegrad512p3o4, lanegrad512p4o4, lanegrad512p5o4, lanegrad512p6o4},
	}
	laneGrads256 = [5][7]func(*byte){
		1: {nil, lanegrad256p1o1, lanegrad256p2o1, lanegrad256p3o1},
		2: {nil, lanegrad256p1o2, lanegrad256p2o2, lanegrad256p3o2},
		3: {nil, lanegrad256p1o3, lanegrad256p2o3, lanegrad256p3o3},
		4: {nil, lanegrad256p1o4, lanegrad256p2o4, lanegrad256p3o4},
	}
	laneProducts512 = [7][5]func(*byte){
		1: {nil, laneproduct512p1o1, laneproduct512p2o1, laneproduct512p3o1, laneproduct512p4o1},
		2: {nil, laneproduct512p1o2, laneproduct512p2o2, laneproduct512p3o2, laneproduct512p4o2},
		3: {nil, laneproduct512p1o3, laneproduct512p2o3, laneproduct512p3o3, laneproduct512p4o3},
		4: {nil, laneproduct512p1o4, laneproduct512p2o4, laneproduct512p3o4, laneproduct512p4o4},
		5: {nil, laneproduct512p1o5, laneproduct512p2o5, laneproduct512p3o5, laneproduct512p4o5},
		6: {nil, laneproduct512p1o6, laneproduct512p2o6, laneproduct512p3o6, laneproduct512p4o6},
	}
	laneProducts256 = [7]func(*byte){nil, laneproduct256p1o1, laneproduct256p1o2, laneproduct256p1o3, laneproduct256p1o4, laneproduct256p1o5, laneproduct256p1o6}
)

// laneFunc returns the microkernel for so many output channels and pixels.
func laneFunc(isa ISA, channels, pixels int) func(*byte) {
	if isa == AVX2 {
		return lanes256[channels][pixels]
	}
	return lanes512[channels][pixels]
}

// laneGradientFunc returns the microkernel for so many output channels and taps.
func laneGradientFunc(isa ISA, channels, taps int) func(*byte) {
	if isa == AVX2 {
		return laneGrads256[channels][taps]
	}
	return laneGrads512[channels][taps]
}

// laneProductFunc returns the microkernel for so many rows and groups of images.
func laneProductFunc(isa ISA, rows, groups int) func(*byte) {
	if isa == AVX2 {
		return laneProducts256[rows]
	}
	return laneProducts512[rows][groups]
}
