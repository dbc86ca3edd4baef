package ops

import (
	"runtime"
	"sync"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// convShape is the geometry of a convolution and of its two gradients, with all sizes
// known.
type convShape struct {
	n, c, h, w int // input
	o, oh, ow  int // output
	kh, kw     int
	stride     ir.HW
	pad        ir.Pads
	dilation   ir.HW
	groups     int
}

func (s convShape) ic() int { return s.c / s.groups }       // input channels of a group
func (s convShape) oc() int { return s.o / s.groups }       // output channels of a group
func (s convShape) k() int  { return s.ic() * s.kh * s.kw } // weights of a filter

// rows returns how many output rows are unrolled at a time. The matrix of k x rows*ow
// elements must fit into a core's cache.
func (s convShape) rows() int { return max(1, min(s.oh, (1<<16)/max(1, s.k()*s.ow))) }

// unroll writes the input elements that output rows y0..y1-1 of image n and group g need
// to the matrix col[k][pixel]. Row k of col holds, for each output pixel, the element
// that weight k of a filter is multiplied with (im2col; Chellapilla 2006).
func (s convShape) unroll(col, x []float64, n, g, y0, y1 int) {
	px := (y1 - y0) * s.ow
	k := 0
	for c := range s.ic() {
		plane := x[((n*s.c)+g*s.ic()+c)*s.h*s.w:][:s.h*s.w]
		for i := range s.kh {
			for j := range s.kw {
				dst := col[k*px : (k+1)*px]
				k++
				for y := y0; y < y1; y++ {
					row := dst[(y-y0)*s.ow : (y-y0+1)*s.ow]
					yy := y*s.stride[0] - s.pad[0] + i*s.dilation[0]
					if yy < 0 || yy >= s.h {
						clear(row)
						continue
					}
					src := plane[yy*s.w : (yy+1)*s.w]
					for v := range row {
						xx := v*s.stride[1] - s.pad[1] + j*s.dilation[1]
						if xx < 0 || xx >= s.w {
							row[v] = 0
						} else {
							row[v] = src[xx]
						}
					}
				}
			}
		}
	}
}

// roll adds each element of col to the element of dx that unroll would read it from. It
// is the transpose of unroll.
func (s convShape) roll(dx, col []float64, n, g, y0, y1 int) {
	px := (y1 - y0) * s.ow
	k := 0
	for c := range s.ic() {
		plane := dx[((n*s.c)+g*s.ic()+c)*s.h*s.w:][:s.h*s.w]
		for i := range s.kh {
			for j := range s.kw {
				src := col[k*px : (k+1)*px]
				k++
				for y := y0; y < y1; y++ {
					yy := y*s.stride[0] - s.pad[0] + i*s.dilation[0]
					if yy < 0 || yy >= s.h {
						continue
					}
					for v := range s.ow {
						xx := v*s.stride[1] - s.pad[1] + j*s.dilation[1]
						if xx >= 0 && xx < s.w {
							plane[yy*s.w+xx] += src[(y-y0)*s.ow+v]
						}
					}
				}
			}
		}
	}
}

// forward computes the convolution without bias. Tasks write disjoint elements, and the
// order of each sum is fixed, so the bits of the result do not depend on the number of
// threads.
func (s convShape) forward(x, w []float64) *tensor.Tensor {
	y := tensor.New(s.n, s.o, s.oh, s.ow)
	rows := s.rows()
	bands := (s.oh + rows - 1) / rows
	halves := 1
	if s.n*s.groups*bands < 4*runtime.GOMAXPROCS(0) && s.oc() >= 16 {
		halves = 4
	}
	parallel(s.n*s.groups*bands*halves, func() func(int) {
		col := make([]float64, s.k()*rows*s.ow)
		return func(t int) {
			half, t := t%halves, t/halves
			band, t := t%bands, t/bands
			g, n := t%s.groups, t/s.groups
			y0 := band * rows
			y1 := min(y0+rows, s.oh)
			s.unroll(col, x, n, g, y0, y1)
			px := (y1 - y0) * s.ow
			for o := s.oc() * half / halves; o < s.oc()*(half+1)/halves; o++ {
				f := g*s.oc() + o
				out := y.Data[((n*s.o+f)*s.oh+y0)*s.ow:][:px]
				weigh(out, w[f*s.k():(f+1)*s.k()], col)
			}
		}
	})
	return y
}

// weigh adds w[k] times row k of col to out, for all k.
func weigh(out, w, col []float64) {
	px := len(out)
	k := 0
	for ; k+4 <= len(w); k += 4 {
		a, b, c, d := w[k], w[k+1], w[k+2], w[k+3]
		ca, cb := col[k*px:][:px], col[(k+1)*px:][:px]
		cc, cd := col[(k+2)*px:][:px], col[(k+3)*px:][:px]
		for i := range out {
			out[i] += a*ca[i] + b*cb[i] + c*cc[i] + d*cd[i]
		}
	}
	for ; k < len(w); k++ {
		a, ca := w[k], col[k*px:][:px]
		for i := range out {
			out[i] += a * ca[i]
		}
	}
}

// weights computes the gradient of the weights, in the order OIHW.
func (s convShape) weights(dy, x []float64) *tensor.Tensor {
	dw := tensor.New(s.o, s.ic(), s.kh, s.kw)
	rows := s.rows()
	parts := min(s.oc(), runtime.GOMAXPROCS(0))
	parallel(s.groups*parts, func() func(int) {
		col := make([]float64, s.k()*rows*s.ow)
		return func(t int) {
			part, g := t%parts, t/parts
			for n := range s.n {
				for y0 := 0; y0 < s.oh; y0 += rows {
					y1 := min(y0+rows, s.oh)
					s.unroll(col, x, n, g, y0, y1)
					px := (y1 - y0) * s.ow
					for o := s.oc() * part / parts; o < s.oc()*(part+1)/parts; o++ {
						f := g*s.oc() + o
						d := dy[((n*s.o+f)*s.oh+y0)*s.ow:][:px]
						for k := range s.k() {
							sum := 0.0
							for i, v := range col[k*px:][:px] {
								sum += d[i] * v
							}
							dw.Data[f*s.k()+k] += sum
						}
					}
				}
			}
		}
	})
	return dw
}

// data computes the gradient of the input.
func (s convShape) data(dy, w []float64) *tensor.Tensor {
	dx := tensor.New(s.n, s.c, s.h, s.w)
	rows := s.rows()
	parallel(s.n*s.groups, func() func(int) {
		col := make([]float64, s.k()*rows*s.ow)
		return func(t int) {
			g, n := t%s.groups, t/s.groups
			for y0 := 0; y0 < s.oh; y0 += rows {
				y1 := min(y0+rows, s.oh)
				px := (y1 - y0) * s.ow
				clear(col)
				for o := range s.oc() {
					f := g*s.oc() + o
					d := dy[((n*s.o+f)*s.oh+y0)*s.ow:][:px]
					for k := range s.k() {
						a, row := w[f*s.k()+k], col[k*px:][:px]
						for i, v := range d {
							row[i] += a * v
						}
					}
				}
				s.roll(dx.Data, col, n, g, y0, y1)
			}
		}
	})
	return dx
}

// parallel runs the tasks 0..n-1, each once, on several goroutines. Each goroutine calls
// worker once and runs its tasks with the function that worker returns, so that this
// function can have its own memory.
func parallel(n int, worker func() func(task int)) {
	procs := min(n, runtime.GOMAXPROCS(0))
	if procs <= 1 {
		run := worker()
		for t := range n {
			run(t)
		}
		return
	}
	var wg sync.WaitGroup
	tasks := make(chan int)
	for range procs {
		wg.Go(func() {
			run := worker()
			for t := range tasks {
				run(t)
			}
		})
	}
	for t := range n {
		tasks <- t
	}
	close(tasks)
	wg.Wait()
}
