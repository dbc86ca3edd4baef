package main

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// vecs are the primitives under the kernels that are not convolutions, as vec.go of package
// kernel describes them. No primitive fuses a multiply with an add, and all tiers take the same
// steps in the same order, so that they give the bits of the portable Go.
func vecs(f *vasm.File, t *vasm.Tier) {
	v := &vecFile{f, t}
	v.elementwise()
	v.binaries()
	v.pools()
	v.lrn()
	v.softmax()
	if t != vasm.NEON { // which has no gather: plain Go is as fast
		v.maxout()
	}
	v.gradients()
	v.poolGradients()
	v.poolIndices()
	v.sums()
	v.lrnGradient()
	v.dropout()
	v.optimizers()
}

// vecFile is a file of primitives and the tier that is being described.
type vecFile struct {
	f *vasm.File
	t *vasm.Tier
}

// function begins a primitive; result is its type, if there is one.
func (v *vecFile) function(name, params, result string, build func(k *vecFunc)) {
	v.f.Returning(v.t, "ops"+name+v.t.Suffix, params, result, func(k *vasm.Func) {
		build(&vecFunc{k})
		k.Return()
	})
}

// vecFunc is a primitive under construction.
type vecFunc struct{ *vasm.Func }

// load reads a block into registers of its own.
func (k *vecFunc) load(p vasm.Reg, block int) vasm.Block {
	d := k.Block()
	k.Load(d, vasm.At(p, 64*block))
	return d
}

func (k *vecFunc) store(b vasm.Block, p vasm.Reg, block int) { k.Store(b, vasm.At(p, 64*block)) }

// zeros takes a block of its own and clears it.
func (k *vecFunc) zeros() vasm.Block {
	d := k.Block()
	k.Zero(d...)
	return d
}

// filled takes a block of its own and fills it with a constant.
func (k *vecFunc) filled(c vasm.Bits) vasm.Block {
	d := k.Block()
	k.FillBits(d, c)
	return d
}

// uniform takes a register for a constant.
func (k *vecFunc) uniform(c vasm.Bits) vasm.Block {
	d := k.Uniform()
	k.FillBits(d, c)
	return d
}

// each is Loop, block by block.
func (k *vecFunc) each(n vasm.Reg, body func()) { k.Loop(n, []int{1}, func(int) { body() }) }

// maxInto is d = x where x > d or x is NaN: ties keep d, NaN stays. minInto where x < d.
func (k *vecFunc) maxInto(d, x vasm.Block) { k.into(vasm.Max, d, x) }
func (k *vecFunc) minInto(d, x vasm.Block) { k.into(vasm.Min, d, x) }

func (k *vecFunc) into(op vasm.Op, d, x vasm.Block) {
	k.Scope(func() {
		m := k.Compare(vasm.Unordered, x, x)
		k.Do(op, d, x, d)
		k.Merge(d, x, m)
	})
}

var (
	unit     = vasm.Float(1)
	two      = vasm.Float(2)
	signBit  = vasm.Bits(1 << 31)
	infinity = vasm.Float(float32(math.Inf(-1)))
)

// exp replaces x by e**x: the steps of scalar.Exp.
func (k *vecFunc) exp(x vasm.Block) {
	k.Scope(func() {
		n, f, p := k.Block(), k.Block(), k.Block()
		// The bound is the first source, so a NaN in x passes.
		k.Scope(func() {
			b := k.Uniform()
			k.FillBits(b, vasm.Float(89))
			k.Do(vasm.Min, x, b, x)
			k.FillBits(b, vasm.Float(-104))
			k.Do(vasm.Max, x, b, x)
		})
		magic := vasm.Float(12582912)
		k.Do(vasm.Mul, n, x, vasm.Float(1.44269504088896341))
		k.Do(vasm.Add, n, n, magic)
		k.Do(vasm.Sub, f, n, magic)
		k.Do(vasm.SubInts, n, n, magic)
		k.Do(vasm.Mul, p, f, vasm.Float(0.693359375))
		k.Do(vasm.Sub, x, x, p)
		k.Do(vasm.Mul, p, f, vasm.Float(-2.12194440e-4))
		k.Do(vasm.Sub, x, x, p)
		k.polynomial(p, x, 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
		k.Do(vasm.Mul, f, x, x)
		k.Do(vasm.Mul, p, p, f)
		k.Do(vasm.Add, p, p, x)
		k.Do(vasm.Add, p, p, unit)
		// 2**n in two factors, since it may be subnormal.
		k.ShiftInts(vasm.RightSigned, f, n, 1)
		k.Do(vasm.SubInts, n, n, f)
		for _, b := range []vasm.Block{f, n} {
			k.Do(vasm.AddInts, b, b, vasm.Bits(127))
			k.ShiftInts(vasm.Left, b, b, 23)
		}
		k.Do(vasm.Mul, p, p, f)
		k.Do(vasm.Mul, x, p, n)
	})
}

// polynomial is p = ((c0*x + c1)*x + ...).
func (k *vecFunc) polynomial(p, x vasm.Block, c ...float32) {
	k.Do(vasm.Mul, p, x, vasm.Float(c[0]))
	k.Do(vasm.Add, p, p, vasm.Float(c[1]))
	for _, c := range c[2:] {
		k.Do(vasm.Mul, p, p, x)
		k.Do(vasm.Add, p, p, vasm.Float(c))
	}
}

// sigmoid replaces x by 1/(1 + e**-x).
func (k *vecFunc) sigmoid(x vasm.Block) {
	k.Do(vasm.Xor, x, x, signBit)
	k.exp(x)
	k.Do(vasm.Add, x, x, unit)
	k.Scope(func() { k.Do(vasm.Div, x, k.uniform(unit), x) })
}

// tanh is both branches of scalar.Tanh and a choice by |x|.
func (k *vecFunc) tanh(x vasm.Block) {
	k.Scope(func() {
		small, a, e := k.Block(), k.Block(), k.Block()
		k.Do(vasm.Mul, a, x, x)
		k.polynomial(small, a, -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
		k.Do(vasm.Mul, small, small, a)
		k.Do(vasm.Mul, small, small, x)
		k.Do(vasm.Add, small, small, x)

		k.Do(vasm.And, a, x, vasm.Bits(1<<31-1))
		k.Do(vasm.Add, e, a, a)
		k.exp(e)
		k.Do(vasm.Add, e, e, unit)
		k.Scope(func() { k.Do(vasm.Div, e, k.uniform(two), e) })
		k.Scope(func() { k.Do(vasm.Sub, e, k.uniform(unit), e) })
		k.Do(vasm.And, x, x, signBit)
		k.Do(vasm.Or, x, e, x)
		k.Merge(x, small, k.Compare(vasm.Less, a, k.uniform(vasm.Float(0.625))))
	})
}

// normalTail makes tail = P(X > -minus) for a standard normal X, the steps of scalar.NormalTail,
// where minus is -|x|; it limits minus to -30.
func (k *vecFunc) normalTail(tail, minus vasm.Block) {
	k.Scope(func() {
		r := k.Block()
		k.Scope(func() { k.Do(vasm.Max, minus, k.uniform(vasm.Float(-30)), minus) }) // so a NaN passes
		k.Do(vasm.Mul, r, minus, vasm.Float(-0.35355339059327376))
		k.Do(vasm.Add, r, r, unit)
		k.Scope(func() { k.Do(vasm.Div, r, k.uniform(unit), r) })
		k.polynomial(tail, r, 0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223)
		k.Do(vasm.Mul, r, r, vasm.Float(0.5))
		k.Scope(func() {
			half := k.Block()
			k.Do(vasm.Mul, half, minus, minus)
			k.Do(vasm.Mul, half, half, vasm.Float(0.5))
			k.Do(vasm.Sub, tail, tail, half)
		})
		k.exp(tail)
		k.Do(vasm.Mul, tail, tail, r)
	})
}

// gelu replaces x by the steps of scalar.GELU.
func (k *vecFunc) gelu(x vasm.Block) {
	k.Scope(func() {
		tail, minus := k.Block(), k.Block()
		k.Do(vasm.Or, minus, x, signBit)
		k.normalTail(tail, minus)
		k.Do(vasm.Mul, tail, tail, minus)
		k.Zero(minus...)
		k.Do(vasm.Max, x, minus, x) // so NaN and -0 pass
		k.Do(vasm.Add, x, x, tail)
	})
}

// elementwise are operations on each element by itself.
func (v *vecFile) elementwise() {
	unary := func(name string, unroll []int, prepare func(k *vecFunc) func(x vasm.Block)) {
		v.function(name, "dst []float32, src []float32", "", func(k *vecFunc) {
			d, s, n := k.Slice("dst"), k.Slice("src"), k.Blocks("dst")
			f := prepare(k)
			k.Loop(n, unroll, func(u int) {
				for i := range u {
					k.Scope(func() {
						x := k.load(s, i)
						f(x)
						k.store(x, d, i)
					})
				}
				k.Skip(u, s, d)
			})
		})
	}
	unary("Relu", []int{4, 1}, func(k *vecFunc) func(x vasm.Block) {
		z := k.ZeroBlock()
		return func(x vasm.Block) { k.Do(vasm.Max, x, z, x) } // so NaN and -0 pass
	})
	unary("Exp", []int{1}, func(k *vecFunc) func(x vasm.Block) { return k.exp })
	unary("Sigmoid", []int{1}, func(k *vecFunc) func(x vasm.Block) { return k.sigmoid })
	unary("Tanh", []int{1}, func(k *vecFunc) func(x vasm.Block) { return k.tanh })
	unary("Gelu", []int{1}, func(k *vecFunc) func(x vasm.Block) { return k.gelu })
	unary("NormalTail", []int{1}, func(k *vecFunc) func(x vasm.Block) {
		return func(x vasm.Block) {
			tail := k.Block()
			k.Do(vasm.Or, x, x, signBit)
			k.normalTail(tail, x)
			k.Do(vasm.Or, x, tail, tail)
		}
	})
	v.function("Affine", "dst []float32, src []float32, scale []float32, shift []float32", "", func(k *vecFunc) {
		d, s, n := k.Slice("dst"), k.Slice("src"), k.Blocks("dst")
		a, b := k.load(k.Slice("scale"), 0), k.load(k.Slice("shift"), 0)
		k.Loop(n, []int{4, 1}, func(u int) {
			for i := range u {
				k.Scope(func() {
					x := k.load(s, i)
					k.Do(vasm.Mul, x, x, a)
					k.Do(vasm.Add, x, x, b)
					k.store(x, d, i)
				})
			}
			k.Skip(u, s, d)
		})
	})
}

// binaries are elementwise operations on two operands. b moves by step float32s a block.
func (v *vecFile) binaries() {
	binary := func(name string, f func(k *vecFunc, x, y vasm.Block)) {
		v.function(name, "dst []float32, a []float32, b []float32, step int", "", func(k *vecFunc) {
			d, a, b, n, step := k.Slice("dst"), k.Slice("a"), k.Slice("b"), k.Blocks("dst"), k.Bytes("step")
			k.each(n, func() {
				x, y := k.load(a, 0), k.load(b, 0)
				f(k, x, y)
				k.store(x, d, 0)
				k.Skip(1, a, d)
				k.Add(b, step)
			})
		})
	}
	for _, o := range []struct {
		name    string
		op      vasm.Op
		swapped bool
	}{{"Add", vasm.Add, false}, {"Sub", vasm.Sub, false}, {"SubFrom", vasm.Sub, true}, {"Mul", vasm.Mul, false}, {"Div", vasm.Div, false}} {
		binary(o.name, func(k *vecFunc, x, y vasm.Block) {
			if o.swapped {
				k.Do(o.op, x, y, x)
			} else {
				k.Do(o.op, x, x, y)
			}
		})
	}
	binary("Max", (*vecFunc).maxInto)
	binary("Min", (*vecFunc).minInto)

	v.function("AddScaled", "dst []float32, a []float32, b []float32, scale float32", "", func(k *vecFunc) {
		d, a, b, n := k.Slice("dst"), k.Slice("a"), k.Slice("b"), k.Blocks("dst")
		s := k.FloatArg("scale")
		k.Loop(n, []int{2, 1}, func(u int) {
			for i := range u {
				k.Scope(func() {
					x, y := k.load(b, i), k.load(a, i)
					k.Do(vasm.Mul, x, x, s)
					k.Do(vasm.Add, x, y, x)
					k.store(x, d, i)
				})
			}
			k.Skip(u, a, b, d)
		})
	})
}

func (v *vecFile) softmax() {
	reduce := func(name string, op vasm.Op, start vasm.Bits) {
		v.function(name, "src []float32", "float32", func(k *vecFunc) {
			s, n := k.Slice("src"), k.Blocks("src")
			acc := k.filled(start)
			k.each(n, func() {
				k.Do(op, acc, acc, vasm.At(s, 0))
				k.Skip(1, s)
			})
			k.ReduceTo(op, acc)
		})
	}
	reduce("MaxOf", vasm.Max, infinity)
	reduce("Sum", vasm.Add, 0)

	v.function("ExpSum", "dst []float32, src []float32, shift float32", "float32", func(k *vecFunc) {
		d, s, n := k.Slice("dst"), k.Slice("src"), k.Blocks("dst")
		m, acc := k.FloatArg("shift"), k.zeros()
		k.each(n, func() {
			x := k.load(s, 0)
			k.Do(vasm.Sub, x, x, m)
			k.exp(x)
			k.store(x, d, 0)
			k.Do(vasm.Add, acc, acc, x)
			k.Skip(1, s, d)
		})
		k.ReduceTo(vasm.Add, acc)
	})

	v.function("DivBy", "dst []float32, src []float32, by float32", "", func(k *vecFunc) {
		d, s, n := k.Slice("dst"), k.Slice("src"), k.Blocks("dst")
		by := k.FloatArg("by")
		k.each(n, func() {
			x := k.load(s, 0)
			k.Do(vasm.Div, x, x, by)
			k.store(x, d, 0)
			k.Skip(1, s, d)
		})
	})
}

// windowSum adds size blocks that begin one float32 apart to s, from zero on.
func (k *vecFunc) windowSum(s vasm.Block, from, size vasm.Reg) {
	taps := fmt.Sprintf("taps%d", k.NewLabel())
	k.Zero(s...)
	k.Scope(func() {
		j, p := k.Reg(), k.Reg()
		k.Move(j, size)
		k.Move(p, from)
		k.Label(taps)
		k.Do(vasm.Add, s, s, vasm.At(p, 0))
		k.AddInt(p, 4)
		k.Repeat(j, 1, taps)
	})
}

// invPow34 makes y = s**-0.75, the steps of scalar.InvPow34. s is limited to the largest float32.
func (k *vecFunc) invPow34(y, s vasm.Block) {
	k.Scope(func() { k.Do(vasm.Min, s, k.uniform(vasm.Float(math.MaxFloat32)), s) }) // so a NaN in s passes
	k.Scope(func() {
		t, d := k.Block(), k.Block()
		k.ShiftInts(vasm.RightZeros, y, s, 2)
		k.Do(vasm.SubInts, y, y, s)
		k.Do(vasm.AddInts, y, y, vasm.Bits(0x6f14cccc))
		for range 2 {
			k.Do(vasm.Mul, t, s, y)
			k.Do(vasm.Mul, d, t, t)
			k.Do(vasm.Mul, d, d, t)
			k.Do(vasm.Mul, d, d, y)
			k.Scope(func() { k.Do(vasm.Sub, d, k.uniform(unit), d) })
			k.Do(vasm.Mul, t, d, vasm.Float(5.0/32))
			k.Do(vasm.Add, t, t, vasm.Float(1.0/4))
			k.Do(vasm.Mul, t, t, d)
			k.Do(vasm.Mul, t, t, y)
			k.Do(vasm.Add, y, y, t)
		}
	})
}

func (v *vecFile) lrn() {
	v.function("Square", "dst []float32, src []float32, step int", "", func(k *vecFunc) {
		d, s, n, step := k.Slice("dst"), k.Slice("src"), k.Blocks("src"), k.Bytes("step")
		k.each(n, func() {
			x := k.load(s, 0)
			k.Do(vasm.Mul, x, x, x)
			k.store(x, d, 0)
			k.Skip(1, s)
			k.Add(d, step)
		})
	})
	// The window's sum, then k + alpha*sum.
	scale := func(k *vecFunc, s vasm.Block, from, size vasm.Reg, alpha, shift vasm.Block) {
		k.windowSum(s, from, size)
		k.Do(vasm.Mul, s, s, alpha)
		k.Do(vasm.Add, s, s, shift)
	}
	v.function("Lrn34", "dst []float32, src []float32, sq []float32, step int, size int, alpha float32, k float32", "", func(k *vecFunc) {
		d, s, q, n, step, size := k.Slice("dst"), k.Slice("src"), k.Slice("sq"), k.Blocks("dst"), k.Bytes("step"), k.Arg("size")
		alpha, shift := k.FloatArg("alpha"), k.FloatArg("k")
		k.each(n, func() {
			sum, y := k.Block(), k.Block()
			scale(k, sum, q, size, alpha, shift)
			k.invPow34(y, sum)
			k.Do(vasm.Mul, y, y, vasm.At(s, 0))
			k.store(y, d, 0)
			k.Skip(1, s, d)
			k.Add(q, step)
		})
	})
	v.function("LrnScale", "dst []float32, sq []float32, step int, size int, alpha float32, k float32", "", func(k *vecFunc) {
		d, q, n, step, size := k.Slice("dst"), k.Slice("sq"), k.Blocks("dst"), k.Bytes("step"), k.Arg("size")
		alpha, shift := k.FloatArg("alpha"), k.FloatArg("k")
		k.each(n, func() {
			sum := k.Block()
			scale(k, sum, q, size, alpha, shift)
			k.store(sum, d, 0)
			k.Skip(1, d)
			k.Add(q, step)
		})
	})
}
