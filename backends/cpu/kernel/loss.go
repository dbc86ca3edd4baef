package kernel

import (
	"math"

	"github.com/incc-lang/incc/backends/cpu/scalar"
)

// Integers (labels, a step's number) lie in an arena as the 32 bits of an int32
// in a float32's place.

// PutInt writes an integer.
func PutInt(mem []float32, at int, v int32) { mem[at] = math.Float32frombits(uint32(v)) }

// Int reads an integer.
func Int(mem []float32, at int) int32 { return int32(math.Float32bits(mem[at])) }

// CrossEntropy is the mean over the images of the cross-entropy between the
// softmax of the logits and the labels, smoothed (Szegedy 2016, section 7):
//
//	-sum over c of q[c]*log softmax(logits)[c], q[c] = (1-Smoothing)*[c is the label] + Smoothing/C
//
// A label outside of 0..C-1 makes it NaN.
//
// Operands: In[0] logits (view In, a map of one pixel), In[1] labels, one integer an
// image (PutInt); Out[0] the loss, one number.
type CrossEntropy struct {
	C         int
	Smoothing float32
	In        View
}

// Tasks is 1.
func (k CrossEntropy) Tasks(int) int { return 1 }

// Scratch holds the logits of an image and their exponentials.
func (k CrossEntropy) Scratch() int { return 2 * Blocks(k.C) * Block }

// logits copies the logits of an image, -Inf in the padded lanes, and returns them,
// their exponentials relative to the largest, which it returns too, and the sum of
// these.
func logits(w *Worker, v View, b *Buf, image, c int) (x, e []float32, most, sum float32) {
	n := Blocks(c) * Block
	x, e = w.Scratch[:n], w.Scratch[n:2*n]
	for i := range Blocks(c) {
		copy(x[i*Block:], b.Mem[v.at(b, image, i, 0, 0):][:Block])
	}
	fill(x[c:], float32(math.Inf(-1)))
	ops := vecFor(w.ISA)
	most = ops.maxOf(x)
	return x, e, most, ops.expSum(e, x, most)
}

// Run sums the losses of all images in order, in float64.
func (k CrossEntropy) Run(w *Worker, _ int, a *Args) {
	total := 0.0
	for n := range a.Images {
		x, _, most, sum := logits(w, k.In, &a.In[0], n, k.C)
		label := int(Int(a.In[1].Mem, a.In[1].Off+n))
		if label < 0 || label >= k.C {
			total = math.NaN()
			break
		}
		// -sum q*(x - most - log sum), and the q sum to 1.
		l := float64(most) + float64(scalar.Log(sum)) - float64((1-float64(k.Smoothing))*float64(x[label]))
		if k.Smoothing != 0 {
			all := 0.0
			for _, v := range x[:k.C] {
				all += float64(v)
			}
			l -= float64(float64(k.Smoothing) / float64(k.C) * all)
		}
		total += l
	}
	a.Out[0].Mem[a.Out[0].Off] = float32(total / float64(a.Images))
}

// CrossEntropyBackward is the gradient of CrossEntropy: dloss * (softmax(logits) - q) /
// images.
//
// Operands: In[0] dloss, one number, or no memory for 1; In[1] logits (view In),
// In[2] labels as in CrossEntropy; Out[0] the gradient (view Out), which may be the
// logits' place.
type CrossEntropyBackward struct {
	C         int
	Smoothing float32
	Weight    float32 // factor on dloss, of a head (0 means 1)
	In, Out   View
}

// Tasks is images.
func (k CrossEntropyBackward) Tasks(images int) int { return images }

// Scratch holds the logits of an image and their exponentials.
func (k CrossEntropyBackward) Scratch() int { return 2 * Blocks(k.C) * Block }

// Run computes an image.
func (k CrossEntropyBackward) Run(w *Worker, image int, a *Args) {
	_, e, _, sum := logits(w, k.In, &a.In[1], image, k.C)
	f := 1 / float32(a.Images)
	if k.Weight != 0 {
		f *= k.Weight
	}
	if a.In[0].Mem != nil {
		f *= a.In[0].Mem[a.In[0].Off]
	}
	vecFor(w.ISA).divBy(e, e, sum)
	low := k.Smoothing / float32(k.C)
	label := int(Int(a.In[2].Mem, a.In[2].Off+image))
	if label < 0 || label >= k.C {
		f = float32(math.NaN())
	}
	for c := range e {
		q := low
		if c == label {
			q += 1 - k.Smoothing
		}
		e[c] = (e[c] - q) * f
	}
	clear(e[k.C:])
	for b := range Blocks(k.C) {
		copy(a.Out[0].Mem[k.Out.at(&a.Out[0], image, b, 0, 0):][:Block], e[b*Block:])
	}
}

// SoftmaxBackward is the gradient of Softmax, dx = y*(dy - sum of dy*y), or with Log of
// its logarithm, dx = dy - exp(y)*sum of dy; sums over the channels of a pixel, in
// float64.
//
// Operands: In[0] dy (view DY), In[1] Softmax's output y (view Y); Out[0] dx (view
// DX), which may be the place of dy.
type SoftmaxBackward struct {
	C, H, W   int
	Log       bool
	DY, Y, DX View
}

func (s SoftmaxBackward) bands() bands { return bands{s.H, rowsPerTask(s.H, 16*s.W*Blocks(s.C))} }

// Tasks is images x ranges of rows.
func (s SoftmaxBackward) Tasks(images int) int { return s.bands().tasks(images) }

// Run computes some rows.
func (s SoftmaxBackward) Run(_ *Worker, task int, a *Args) {
	image, y0, y1 := s.bands().task(task)
	for y := y0; y < y1; y++ {
		for x := range s.W {
			place := func(v View, b *Buf, c int) *float32 {
				return &b.Mem[v.at(b, image, c/Block, y, x)+c%Block]
			}
			sum := 0.0
			for c := range s.C {
				dy := float64(*place(s.DY, &a.In[0], c))
				if !s.Log {
					dy *= float64(*place(s.Y, &a.In[1], c)) // exact
				}
				sum += dy
			}
			t := float32(sum)
			for c := range Blocks(s.C) * Block {
				dx, dy, y := place(s.DX, &a.Out[0], c), *place(s.DY, &a.In[0], c), *place(s.Y, &a.In[1], c)
				switch {
				case c >= s.C:
					*dx = 0
				case s.Log:
					*dx = dy - float32(scalar.Exp(y)*t)
				default:
					*dx = y * (dy - t)
				}
			}
		}
	}
}

// Product multiplies two numbers: the loss for a label and the share of that label in a
// mixed picture.
//
// Operands: In[0] and In[1] the numbers; Out[0] their product.
type Product struct{}

// Tasks is 1.
func (Product) Tasks(int) int { return 1 }

// Run multiplies.
func (Product) Run(_ *Worker, _ int, a *Args) {
	a.Out[0].Mem[a.Out[0].Off] = a.In[0].Mem[a.In[0].Off] * a.In[1].Mem[a.In[1].Off]
}

// WeightedSum adds numbers by weight: the losses of an output and its heads
// (Szegedy 2015, section 5).
//
// Operands: In[i] number i, as long as Weights[i] is not 0; Out[0] the sum.
type WeightedSum struct {
	Weights [4]float32
}

// Tasks is 1.
func (k WeightedSum) Tasks(int) int { return 1 }

// Run adds.
func (k WeightedSum) Run(_ *Worker, _ int, a *Args) {
	sum := 0.0
	for i, f := range k.Weights {
		if f != 0 {
			sum += float64(f) * float64(a.In[i].Mem[a.In[i].Off])
		}
	}
	a.Out[0].Mem[a.Out[0].Off] = float32(sum)
}
