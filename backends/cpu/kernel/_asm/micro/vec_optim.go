package main

import (
	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// optimizers update params p by their gradients g, as vec.go of package kernel says.
func (v *vecFile) optimizers() {
	optimizer := func(name, arrays string, f func(k *vecFunc, coef coefficients, x []vasm.Block) (changed []int)) {
		params := ""
		for _, a := range arrays {
			params += string(a) + " []float32, "
		}
		v.function(name, params+"coef []float32", "", func(k *vecFunc) {
			n, c := k.Blocks("p"), k.Slice("coef")
			var p []vasm.Reg
			for _, a := range arrays {
				p = append(p, k.Slice(string(a)))
			}
			k.each(n, func() {
				var x []vasm.Block
				for _, p := range p {
					x = append(x, k.load(p, 0))
				}
				t := k.Uniform()
				coef := func(i int) vasm.Block {
					k.FillFrom(t, vasm.At(c, 4*i))
					return t
				}
				for _, i := range f(k, coef, x) {
					k.store(x[i], p[i], 0)
				}
				k.Skip(1, p...)
			})
		})
	}
	optimizer("Sgd", "pgv", (*vecFunc).sgd)
	optimizer("Nesterov", "pgv", (*vecFunc).nesterov)
	optimizer("Rmsprop", "pgvs", (*vecFunc).rmsprop)
	optimizer("RmspropTorch", "pgvs", (*vecFunc).rmspropTorch)
	optimizer("Adam", "pgvs", (*vecFunc).adam)

	v.function("Toward", "dst []float32, src []float32, rate float32", "", func(k *vecFunc) {
		d, s, n, r := k.Slice("dst"), k.Slice("src"), k.Blocks("dst"), k.FloatArg("rate")
		k.each(n, func() {
			x, y := k.load(d, 0), k.load(s, 0)
			k.Do(vasm.Sub, y, y, x)
			k.Do(vasm.Mul, y, y, r)
			k.Do(vasm.Add, x, x, y)
			k.store(x, d, 0)
			k.Skip(1, s, d)
		})
	})
}

// coefficients are those of an optimizer; the registers of one are overwritten by the next.
type coefficients func(i int) vasm.Block

// decayed adds a coefficient times the param to the gradient, and returns it and a free block.
func (k *vecFunc) decayed(x []vasm.Block, c vasm.Block) (d, free vasm.Block) {
	free = k.Block()
	k.Do(vasm.Mul, free, c, x[0])
	k.Do(vasm.Add, x[1], x[1], free)
	return x[1], free
}

// squares is s = s*coef3 + d*d*coef4.
func (k *vecFunc) squares(coef coefficients, s, d, q vasm.Block) {
	k.Do(vasm.Mul, q, d, d)
	k.Do(vasm.Mul, q, q, coef(4))
	k.Do(vasm.Mul, s, s, coef(3))
	k.Do(vasm.Add, s, s, q)
}

func (k *vecFunc) sgd(coef coefficients, x []vasm.Block) (changed []int) {
	d, _ := k.decayed(x, coef(2))
	k.Do(vasm.Mul, x[2], x[2], coef(1))
	k.Do(vasm.Add, x[2], x[2], d)
	k.Do(vasm.Mul, d, x[2], coef(0))
	k.Do(vasm.Sub, x[0], x[0], d)
	return []int{0, 2}
}

func (k *vecFunc) nesterov(coef coefficients, x []vasm.Block) (changed []int) {
	d, m := k.decayed(x, coef(2))
	c := coef(1)
	k.Do(vasm.Mul, x[2], x[2], c)
	k.Do(vasm.Add, x[2], x[2], d)
	k.Do(vasm.Mul, m, c, x[2])
	k.Do(vasm.Add, d, d, m)
	k.Do(vasm.Mul, d, d, coef(0))
	k.Do(vasm.Sub, x[0], x[0], d)
	return []int{0, 2}
}

func (k *vecFunc) rmsprop(coef coefficients, x []vasm.Block) (changed []int) {
	d, q := k.decayed(x, coef(2))
	k.squares(coef, x[3], d, q)
	k.Do(vasm.Add, q, x[3], coef(5))
	k.Sqrt(q, q)
	k.Do(vasm.Mul, d, d, coef(0))
	k.Do(vasm.Div, d, d, q)
	k.Do(vasm.Mul, x[2], x[2], coef(1))
	k.Do(vasm.Add, x[2], x[2], d)
	k.Do(vasm.Sub, x[0], x[0], x[2])
	return []int{0, 2, 3}
}

func (k *vecFunc) rmspropTorch(coef coefficients, x []vasm.Block) (changed []int) {
	d, q := k.decayed(x, coef(2))
	k.squares(coef, x[3], d, q)
	k.Sqrt(q, x[3])
	k.Do(vasm.Add, q, q, coef(5))
	k.Do(vasm.Div, d, d, q)
	k.Do(vasm.Mul, x[2], x[2], coef(1))
	k.Do(vasm.Add, x[2], x[2], d)
	k.Do(vasm.Mul, d, x[2], coef(0))
	k.Do(vasm.Sub, x[0], x[0], d)
	return []int{0, 2, 3}
}

func (k *vecFunc) adam(coef coefficients, x []vasm.Block) (changed []int) {
	d, q := k.decayed(x, coef(7))
	k.squares(coef, x[3], d, q)
	k.Do(vasm.Mul, d, d, coef(2))
	k.Do(vasm.Mul, x[2], x[2], coef(1))
	k.Do(vasm.Add, x[2], x[2], d)
	k.Do(vasm.Mul, q, x[3], coef(5))
	k.Sqrt(q, q)
	k.Do(vasm.Add, q, q, coef(6))
	k.Do(vasm.Mul, d, x[2], coef(0))
	k.Do(vasm.Div, d, d, q)
	k.Do(vasm.Mul, x[0], x[0], coef(8))
	k.Do(vasm.Sub, x[0], x[0], d)
	return []int{0, 2, 3}
}
