package data

// View turns an input of the network, which Eval or Train has written, back into
// pixels that a person can look at: CHW bytes of red, green and blue, or of grey.
// Whitening and contrast normalization cannot be undone: there 0 becomes a middle
// grey, and the number farthest from 0 becomes black or white.
func (t *Transform) View(dst []uint8, x []float32) {
	n := t.h * t.w
	if t.gcn || t.white != nil {
		most := float32(1e-30)
		for _, v := range x {
			most = max(most, v, -v)
		}
		for c := range t.c {
			for i := range n {
				dst[t.setChannel(c)*n+i] = pixelByte(127.5 + 127.5*x[c*n+i]/most)
			}
		}
		return
	}
	for c := range t.c {
		pixel := t.pixel(c)
		for i := range n {
			v := x[c*n+i]
			if t.mean != nil {
				v += t.mean[c*n+i]
			}
			if t.shift != nil {
				v = v/t.scale[c] + t.shift[c]
			}
			dst[t.setChannel(c)*n+i] = pixelByte((v*pixel.Std - pixel.Shift) / pixel.Scale)
		}
	}
}

// pixelByte rounds a number to 0..255.
func pixelByte(v float32) uint8 { return uint8(clamp(v) + 0.5) }
