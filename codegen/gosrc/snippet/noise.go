package snippet

// Noise returns n pseudorandom numbers in -1..1. They are the same on every machine.
func Noise(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		u := uint32(i) * 2654435761
		u = (u ^ u>>15) * 0x85ebca6b
		u ^= u >> 13
		x[i] = float32(int32(u>>8)-1<<23) / (1 << 23)
	}
	return x
}
