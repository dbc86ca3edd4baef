package kernel

// The microkernels of the lanes, by number of output channels and of pixels; those of
// the gradients by output channels and taps.
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
