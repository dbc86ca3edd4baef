// How a picture becomes the input of the network: scaled, cut out, and written as
// planes of numbers.

package snippet

import "image"

// picture says what the network wants of a picture.
type picture struct {
	c, h, w   int       // channels, 1 or 3, rows and columns
	resize    int       // the shorter side before the middle is cut out; 0 scales to h x w
	lo, hi    float64   // what pixels 0 and 255 become
	mean, std []float64 // of each channel, subtracted and divided by then; empty for none
	bgr       bool      // blue comes first
}

// prepare writes a picture of at least one pixel as c planes of h x w numbers.
func (p *picture) prepare(dst []float32, img image.Image) {
	scaled := fit(img, p.resize, p.w, p.h)
	for c := range p.c {
		var value [256]float32
		for i := range value {
			v := p.lo + float64((p.hi-p.lo)*float64(i)/255)
			if len(p.mean) > 0 {
				v -= p.mean[c]
			}
			if len(p.std) > 0 {
				v /= p.std[c]
			}
			value[i] = float32(v)
		}
		from := c
		if p.bgr {
			from = 2 - c
		}
		plane := dst[c*p.h*p.w : (c+1)*p.h*p.w]
		for y := range p.h {
			row := scaled.Pix[y*scaled.Stride:]
			for x := range p.w {
				pix := row[4*x : 4*x+4]
				v := pix[from]
				if p.c == 1 { // ITU-R 601 luma
					v = uint8((19595*uint32(pix[0]) + 38470*uint32(pix[1]) + 7471*uint32(pix[2]) + 1<<15) >> 16)
				}
				plane[y*p.w+x] = value[v]
			}
		}
	}
}
