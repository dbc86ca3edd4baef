package kernel

// TopK writes the indexes of the largest elements of scores into index, largest
// first, and returns how many it wrote: len(index) or len(scores), the smaller.
// Of equal scores the one of the lower index comes first; NaN comes last.
func TopK(index []int, scores []float32) int {
	n := 0
	before := func(a, b int) bool { // a and b differ, a > b is possible
		x, y := scores[a], scores[b]
		switch {
		case x != x || y != y:
			return x == x || y != y && a < b
		case x != y:
			return x > y
		}
		return a < b
	}
	for i := range scores {
		j := n
		if n == len(index) {
			if n == 0 || !before(i, index[n-1]) {
				continue
			}
			j--
		} else {
			n++
		}
		for ; j > 0 && before(i, index[j-1]); j-- {
			index[j] = index[j-1]
		}
		index[j] = i
	}
	return n
}

// ArgMax is the first of the largest elements; a NaN is larger than anything.
func ArgMax[T float32 | float64](x []T) int {
	best := 0
	for i, v := range x {
		if v > x[best] || v != v && x[best] == x[best] {
			best = i
		}
	}
	return best
}
