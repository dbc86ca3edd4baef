package nodes

// Cut moves the elements of an array that are within sizes to its front and returns them. The
// array is row-major with the given axes, of which sizes says how many elements are filled. Cut
// writes the sizes to shape.
func Cut(x []float32, axes []int, sizes []float32, shape []int) []float32 {
	for a := range axes {
		shape[a] = int(sizes[a])
	}
	n := 0
	for i, v := range x {
		inside := true
		for a, rest := len(axes)-1, i; a >= 0; a-- {
			inside = inside && rest%axes[a] < shape[a]
			rest /= axes[a]
		}
		if inside {
			x[n] = v
			n++
		}
	}
	return x[:n]
}
