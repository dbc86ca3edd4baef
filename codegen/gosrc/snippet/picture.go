// This file turns a picture into the input of the network: it scales and crops the picture,
// and writes its pixels as numbers, channel by channel.

package snippet

import "image"

// picture says how a picture becomes the input of the network.
type picture struct {
	c, h, w   int       // channels (1 or 3), rows and columns
	resize    int       // length of the shorter side before the crop, in pixels; 0 scales to h x w without a crop
	lo, hi    float64   // the numbers for pixel values 0 and 255, before mean and std
	mean, std []float64 // for each channel, mean is subtracted, and the result divided by std; empty for none
	bgr       bool      // the order of channels is blue, green, red
}

// prepare writes a picture, which must have at least one pixel, to dst as c planes of h x w
// numbers.
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
