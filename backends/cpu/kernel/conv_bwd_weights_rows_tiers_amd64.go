package kernel

func init() {
	bwdRowsTiers[AVX512] = bwdRowsTier{bwdRowByEight, bwdPlaneWhole}
	bwdRowsTiers[AVX2] = bwdRowsTier{bwdRowByFour, bwdPlaneHalves}
}

func bwdRowByEight(src []float32, x, xrow int, grad []float32, dy, dyrow, rows, cols int, dw []float32) {
	for ic := 0; ic < Block; ic += 8 {
		bwdRow512(&src[x+ic], xrow, &grad[dy], dyrow, rows, cols, &dw[ic*Block])
	}
}

func bwdRowByFour(src []float32, x, xrow int, grad []float32, dy, dyrow, rows, cols int, dw []float32) {
	for ic := 0; ic < Block; ic += 4 {
		for half := 0; half < Block; half += Block / 2 {
			bwdRow256(&src[x+ic], xrow, &grad[dy+half], dyrow, rows, cols, &dw[ic*Block+half])
		}
	}
}

func bwdPlaneWhole(src []float32, x, tap, xrow int, grad []float32, dy, dyrow, rows, cols int, dw []float32) {
	bwdPlane512(&src[x], tap, xrow, &grad[dy], dyrow, rows, cols, &dw[0])
}

func bwdPlaneHalves(src []float32, x, tap, xrow int, grad []float32, dy, dyrow, rows, cols int, dw []float32) {
	for half := 0; half < Block; half += Block / 2 {
		bwdPlane256(&src[x], tap, xrow, &grad[dy+half], dyrow, rows, cols, &dw[half])
	}
}
