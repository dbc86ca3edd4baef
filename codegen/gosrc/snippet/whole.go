package snippet

// Whole returns 1 for each number of at least 0.5, and 0 for each other one.
func Whole(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		if v >= 0.5 {
			y[i] = 1
		}
	}
	return y
}
