package quantize

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// maxBlock is the most columns of a block of Moments.
const maxBlock = 1024

// patchesAtOnce is the number of patches that are multiplied with each other at once.
const patchesAtOnce = 64

// Moments are sums over what a layer reads: over patches, the K inputs (channels x height x width
// of the kernel, or the inputs of a dense layer) of one pixel of its output. Each channel of a depthwise
// layer (Depthwise) reads a part of the patch, which has a block of its own.
type Moments struct {
	K       int
	rows    int // channels with a part of their own; 0 if all read the whole patch
	images  float64
	sum     []float64 // of the mean patch of each image
	patches float64
	// products holds the sums of x*xT over patches x, as square blocks along the diagonal: block b
	// has the columns from at[b] to at[b+1]. Only the upper triangles are filled.
	at       []int
	products [][]float32
	conv     ops.Conv
	shape    ir.Shape // of the input, 1 x C x H x W
	out      ir.HW
	kernel   ir.HW
	pending  []float32 // patchesAtOnce numbers for each of the K inputs
	filled   int
}

// NewMoments returns the moments of the input of a layer (Layers), all 0.
func NewMoments(n *ir.Node) (*Moments, error) {
	x, w := n.In[0].Type.Shape, n.In[1].Type.Shape
	m := &Moments{conv: ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}}, shape: ir.Shape{1, w[1], 1, 1}, out: ir.HW{1, 1}, kernel: ir.HW{1, 1}, K: w[1]}
	if op, ok := n.Op.(ops.Conv); ok {
		y := n.Out[0].Type.Shape
		if len(x) != 4 || len(y) != 4 || x[1] != w[1]*op.Groups || op.Groups != 1 && !Depthwise(n) {
			return nil, fmt.Errorf("%s: a convolution of %v with weights of %v has no moments", n.Out[0].Name, x, w)
		}
		m.conv, m.shape, m.out, m.kernel = op, x.Bind(1), ir.HW{y[2], y[3]}, ir.HW{w[2], w[3]}
		m.K = x[1] * w[2] * w[3]
		if op.Groups != 1 {
			m.rows = w[0]
		}
	}
	m.sum = make([]float64, m.K)
	blocks := (m.K + maxBlock - 1) / maxBlock
	if m.rows > 0 {
		blocks = m.rows
	}
	for b := range blocks {
		m.at = append(m.at, b*m.K/blocks)
	}
	m.at = append(m.at, m.K)
	for b := range blocks {
		size := m.at[b+1] - m.at[b]
		m.products = append(m.products, make([]float32, size*size))
	}
	m.pending = make([]float32, m.K*patchesAtOnce)
	return m, nil
}

// Bytes is the memory that the moments of a layer take.
func Bytes(n *ir.Node) int64 {
	k := int64(n.In[1].Type.Shape[1:].Size())
	block := min(k, maxBlock)
	if Depthwise(n) {
		k *= int64(n.In[1].Type.Shape[0])
	}
	return 4*k*block + 4*k*patchesAtOnce + 8*k
}

// row returns where the patch that an output channel reads begins, and its number of inputs.
func (m *Moments) row(o int) (from, size int) {
	if m.rows == 0 {
		return 0, m.K
	}
	return m.at[o], m.at[o+1] - m.at[o]
}

// fits reports whether weights have the rows that m is of.
func (m *Moments) fits(w *tensor.F32) bool {
	_, size := m.row(0)
	return len(w.Shape) > 0 && (m.rows == 0 || m.rows == w.Shape[0]) && size*w.Shape[0] == len(w.Data)
}

// Size is the number of elements that the layer reads of an image.
func (m *Moments) Size() int { return m.shape.Size() }

// Add adds an image, the input of the layer: all of its patches to the mean, and some drawn ones to
// the products.
func (m *Moments) Add(image []float32, draw *rand.Rand, patches int) {
	m.addMean(image)
	pixels := m.out[0] * m.out[1]
	at := draw.Perm(pixels)
	for _, p := range at[:min(patches, pixels)] {
		m.patch(image, p/m.out[1], p%m.out[1])
		if m.filled++; m.filled == patchesAtOnce {
			m.flush()
		}
	}
}

// source returns the row and the column of the input that element (ky, kx) of the kernel reads for
// a pixel of the output; ok is false in the padding.
func (m *Moments) source(y, x, ky, kx int) (iy, ix int, ok bool) {
	iy = y*m.conv.Stride[0] + ky*m.conv.Dilation[0] - m.conv.Pad[0]
	ix = x*m.conv.Stride[1] + kx*m.conv.Dilation[1] - m.conv.Pad[1]
	return iy, ix, iy >= 0 && ix >= 0 && iy < m.shape[2] && ix < m.shape[3]
}

// patch puts the patch of a pixel of the output into pending.
func (m *Moments) patch(image []float32, y, x int) {
	k, plane := 0, m.shape[2]*m.shape[3]
	for c := range m.shape[1] {
		for ky := range m.kernel[0] {
			for kx := range m.kernel[1] {
				v := float32(0)
				if iy, ix, ok := m.source(y, x, ky, kx); ok {
					v = image[c*plane+iy*m.shape[3]+ix]
				}
				m.pending[k*patchesAtOnce+m.filled] = v
				k++
			}
		}
	}
}

// addMean adds the mean patch of an image.
func (m *Moments) addMean(image []float32) {
	m.images++
	k, plane := 0, m.shape[2]*m.shape[3]
	pixels := float64(m.out[0] * m.out[1])
	for c := range m.shape[1] {
		for ky := range m.kernel[0] {
			for kx := range m.kernel[1] {
				s := float32(0)
				for y := range m.out[0] {
					for x := range m.out[1] {
						if iy, ix, ok := m.source(y, x, ky, kx); ok {
							s += image[c*plane+iy*m.shape[3]+ix]
						}
					}
				}
				m.sum[k] += float64(s) / pixels
				k++
			}
		}
	}
}

// Mean is the mean patch.
func (m *Moments) Mean() []float64 {
	l := slices.Clone(m.sum)
	for i := range l {
		l[i] /= max(m.images, 1)
	}
	return l
}

// flush multiplies the pending patches.
func (m *Moments) flush() {
	if m.filled == 0 {
		return
	}
	for k := range m.K { // of a part that is not filled
		clear(m.pending[k*patchesAtOnce+m.filled : (k+1)*patchesAtOnce])
	}
	m.patches += float64(m.filled)
	m.filled = 0
	for b, h := range m.products {
		from, size := m.at[b], m.at[b+1]-m.at[b]
		parallel(size, func(i int) {
			x := m.pending[(from+i)*patchesAtOnce:][:patchesAtOnce]
			row := h[i*size : (i+1)*size]
			j := i
			for ; j+4 <= size; j += 4 {
				dot4(row[j:j+4], x, m.pending[(from+j)*patchesAtOnce:][:4*patchesAtOnce])
			}
			for ; j < size; j++ {
				s := float32(0)
				for p, v := range m.pending[(from+j)*patchesAtOnce:][:patchesAtOnce] {
					s += x[p] * v
				}
				row[j] += s
			}
		})
	}
}

// dot4 adds the dot products of x and the four vectors in y to sums.
func dot4(sums, x, y []float32) {
	_ = sums[3]
	const n = patchesAtOnce
	a, b, c, d := y[:n], y[n:2*n], y[2*n:3*n], y[3*n:4*n]
	var s0, s1, s2, s3 float32
	for p, v := range x[:n] {
		s0 += v * a[p]
		s1 += v * b[p]
		s2 += v * c[p]
		s3 += v * d[p]
	}
	sums[0] += s0
	sums[1] += s1
	sums[2] += s2
	sums[3] += s3
}

// parallel calls do for 0 to n-1 on all processors.
func parallel(n int, do func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				do(i)
			}
		})
	}
	wg.Wait()
}
