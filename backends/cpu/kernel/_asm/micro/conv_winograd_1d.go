package main

import "github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"

// The points of F(4, 7): 0, plus and minus these, and infinity.
var wino1dPoints = [4]float64{1, 2, 0.5, 0.75}

// monic returns the coefficients of the monic polynomial with these roots, the constant term
// first, without the leading 1. They are exact in float32.
func monic(roots []float64) (coefficients []float32) {
	c := []float64{1}
	for _, r := range roots {
		n := make([]float64, len(c)+1)
		for i, v := range c {
			n[i+1] += v
			n[i] -= r * v
		}
		c = n
	}
	for _, x := range c[:len(c)-1] {
		coefficients = append(coefficients, exact(x))
	}
	return coefficients
}

func exact(x float64) float32 {
	if float64(float32(x)) != x {
		panic("not exact")
	}
	return float32(x)
}

// wino1dPolynomials are R and, for every pair of points, Q: see winograds1D.
func wino1dPolynomials() (r []float32, q [4][]float32) {
	var squares []float64
	for _, p := range wino1dPoints {
		squares = append(squares, p*p)
	}
	for i := range q {
		q[i] = monic(append(append([]float64(nil), squares[:i]...), squares[i+1:]...))
	}
	return monic(squares), q
}

// winograds1D are the transforms of the one-dimensional F(4, 7), for 1x7 and 7x1
// kernels.
//
// With the pairs' points p and the polynomial Q(y) = y^3 + c2 y^2 + c1 y + c0 whose
// roots are the squares of the other three, and R(y) that of all four squares:
//
//	e = ((d8 + c2 d6) + c1 d4) + c0 d2      o = ((d7 + c2 d5) + c1 d3) + c0 d1
//	t+ = e + p o                            t- = e - p o
//	t0 = (((d8 + z3 d6) + z2 d4) + z1 d2) + z0 d0, and t9 the same one further
//
// and back, with s and d the sum and the difference of a pair's products:
//
//	y0 = (((m0 + s1) + s2) + s3) + s4       y1 = ((d1 + 2 d2) + d3/2) + 3/4 d4
//	y2 = ((s1 + 4 s2) + s3/4) + 9/16 s4     y3 = (((d1 + m9) + 8 d2) + d3/8) + 27/64 d4
func winograds1D(f *vasm.File, t *vasm.Tier) {
	f.Func(t, "wino1dIn"+t.Suffix, "src *float32, step int, dst *float32, pos int, n int, next int", wino1dIn)
	f.Func(t, "wino1dOut"+t.Suffix, "src *float32, pos int, dst *float32, step int, next int, bias *float32, res *float32, resStep int, resNext int, scale float32, flags int, n int", wino1dOut)
}

// wino1dIn transforms n tiles of 10 blocks. step, pos and next are bytes: from a block to the next,
// from a position of the result to the next, from a tile to the next.
func wino1dIn(k *vasm.Func) {
	src, step, dst, pos, n, next := k.Arg("src"), k.Arg("step"), k.Arg("dst"), k.Arg("pos"), k.Arg("n"), k.Arg("next")
	s, d, part := k.Reg(), k.Reg(), k.Reg()
	k.AddInt(next, -64)
	r, q := wino1dPolynomials()
	consts := append([]float32(nil), r...)
	for i, c := range q {
		consts = append(append(consts, c...), exact(wino1dPoints[i]))
	}
	k.LoadConsts(consts)
	x, e, odd, t := k.Vs(10), k.V(), k.V(), k.V()
	k.Label("tile")
	k.Parts(part, "part", []vasm.Reg{src, dst}, func() {
		k.Move(s, src)
		for i, v := range x {
			k.Load(one(v), vasm.At(s, 0))
			if i < 9 {
				k.Add(s, step)
			}
		}
		k.Move(d, dst)
		store := func(v vasm.V, last bool) {
			k.Store(one(v), vasm.At(d, 0))
			if !last {
				k.Add(d, pos)
			}
		}
		sum := func(to vasm.V, coefficients []float32, first int) { // x[first], x[first+2], ... and the last one times 1
			n := len(coefficients)
			k.Copy(one(to), one(x[first+2*n]))
			for i := n - 1; i >= 0; i-- {
				k.FMAConst(to, x[first+2*i], coefficients[i])
			}
		}
		sum(e, r, 0)
		store(e, false)
		for i, p := range wino1dPoints {
			sum(e, q[i], 2)
			sum(odd, q[i], 1)
			k.Copy(one(t), one(e))
			k.FMAConst(t, odd, exact(p))
			store(t, false)
			k.FNMAConst(e, odd, exact(p))
			store(e, false)
		}
		sum(e, r, 1)
		store(e, true)
	})
	k.Add(src, next)
	k.Repeat(n, 1, "tile")
	k.Return()
}

// wino1dOut transforms n results of 10 positions to 4 blocks, step bytes apart, with the epilogue.
func wino1dOut(k *vasm.Func) {
	src, pos, dst, step, next, bias := k.Arg("src"), k.Arg("pos"), k.Arg("dst"), k.Arg("step"), k.Arg("next"), k.Arg("bias")
	res, resStep, resNext, flags, n := k.Arg("res"), k.Arg("resStep"), k.Arg("resNext"), k.Arg("flags"), k.Arg("n")
	s, part := k.Reg(), k.Reg()
	k.AddInt(next, -64)
	k.AddInt(resNext, -64)
	var consts []float32
	for _, p := range wino1dPoints[1:] {
		consts = append(consts, exact(p), exact(p*p), exact(p*p*p))
	}
	k.LoadConsts(consts)
	m, t := k.Vs(10), k.Vs(4)
	k.Temps(4)
	k.Label("tile")
	k.Parts(part, "part", []vasm.Reg{src, dst, res, bias}, func() {
		k.Move(s, src)
		for i, v := range m {
			k.Load(one(v), vasm.At(s, 0))
			if i < 9 {
				k.Add(s, pos)
			}
		}
		for i := 1; i < 9; i += 2 { // m[i] becomes the sum, m[i+1] the difference
			k.AddV(t[0], m[i], m[i+1])
			k.SubV(m[i+1], m[i], m[i+1])
			k.Copy(one(m[i]), one(t[0]))
		}
		k.AddV(t[0], m[0], m[1])
		for i := 3; i < 9; i += 2 {
			k.AddV(t[0], t[0], m[i])
		}
		k.Copy(one(t[1]), one(m[2]))
		k.Copy(one(t[2]), one(m[1]))
		k.AddV(t[3], m[2], m[9])
		for i := 1; i < 4; i++ {
			p := wino1dPoints[i]
			k.FMAConst(t[1], m[2*i+2], exact(p))
			k.FMAConst(t[2], m[2*i+1], exact(p*p))
			k.FMAConst(t[3], m[2*i+2], exact(p*p*p))
		}
		c := m[0]
		k.Load(one(c), vasm.At(bias, 0))
		for _, v := range t {
			k.AddV(v, v, c)
		}
		k.IfNone(flags, "const_tileRes", "act")
		k.BroadcastArg(c, "scale")
		k.Move(s, res)
		for i, v := range t {
			k.ScaleAdd(one(v), c, vasm.At(s, 0))
			if i < 3 {
				k.Add(s, resStep)
			}
		}
		k.Label("act")
		k.IfNone(flags, "const_tileReLU", "store")
		k.Zero(c)
		k.MaxZero(t, c)
		k.Label("store")
		k.Move(s, dst)
		for i, v := range t {
			k.Store(one(v), vasm.At(s, 0))
			if i < 3 {
				k.Add(s, step)
			}
		}
	})
	k.AddInt(bias, -64)
	k.Add(dst, next)
	k.Add(res, resNext)
	k.Repeat(n, 1, "tile")
	k.Return()
}
