package kernel

// bwdRow runs the microkernels on the 16 input channels at src[x]; steps are in
// bytes.
func bwdRow(isa ISA, src []float32, x, xrow int, grad []float32, dy, dyrow, rows, cols int, dw []float32) {
	if isa == AVX512 {
		for ic := 0; ic < Block; ic += 8 {
			bwdRow512(&src[x+ic], xrow, &grad[dy], dyrow, rows, cols, &dw[ic*Block])
		}
		return
	}
	for ic := 0; ic < Block; ic += 4 {
		for half := 0; half < Block; half += Block / 2 {
			bwdRow256(&src[x+ic], xrow, &grad[dy+half], dyrow, rows, cols, &dw[ic*Block+half])
		}
	}
}

// bwdPlane runs the microkernels on the channel at src[x]; steps are in bytes.
func bwdPlane(isa ISA, src []float32, x, tap, xrow int, grad []float32, dy, dyrow, rows, cols int, dw []float32) {
	if isa == AVX512 {
		bwdPlane512(&src[x], tap, xrow, &grad[dy], dyrow, rows, cols, &dw[0])
		return
	}
	for half := 0; half < Block; half += Block / 2 {
		bwdPlane256(&src[x], tap, xrow, &grad[dy+half], dyrow, rows, cols, &dw[half])
	}
}
