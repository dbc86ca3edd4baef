package kernel

// actBackward is dx = dy * a'(z), where z is the activation's output for ActReLU, ActReLU6,
// ActClip, ActSigmoid, ActTanh, ActHardSigmoid and ActLeakyReLU, and its input for the
// others. dx may be dy.
func (w *Worker) actBackward(a Act, p, q float32, dx, dy, z []float32) {
	v := vecFor(w.ISA)
	switch a {
	case ActNone:
		copy(dx, dy)
		return
	case ActReLU:
		v.reluBackward(dx, dy, z)
		return
	case ActSigmoid:
		v.sigmoidBackward(dx, dy, z)
		return
	case ActTanh:
		v.tanhBackward(dx, dy, z)
		return
	case ActReLU6:
		p, q = 0, 6
	}
	w.act.fill(p, q)
	for len(dx) > 0 {
		n := min(len(dx), actChunk)
		w.act.backward(v, a, dx[:n], dy[:n], z[:n])
		dx, dy, z = dx[n:], dy[n:], z[n:]
	}
}

var (
	actZero     = lanesOf(0)
	actMinusTwo = lanesOf(-2)
	minusHalf   = lanesOf(-0.5)
	normalTop   = lanesOf(0.3989422804014327) // the normal density at 0: 1/sqrt(2*pi)
)

// backward is actBackward for a chunk.
func (t *actTemps) backward(v *vecOps, a Act, dx, dy, z []float32) {
	n := len(dx)
	d := t.u[:n]
	switch a {
	case ActReLU6, ActClip:
		t.between(v, dx, dy, z, t.a[:], t.b[:])
		return
	case ActHardSigmoid:
		t.between(v, dx, dy, z, actZero[:], actOne[:])
		v.mul(dx, dx, t.a[:], 0)
		return
	case ActLeakyReLU: // alpha, and 1 - alpha more where z > 0
		v.reluBackward(d, actOnes[:n], z)
		v.sub(t.b[:], actOne[:], t.a[:], 0)
		v.affine(d, d, t.b[:], t.a[:])
	case ActHardSwish: // h + x/6 where 0 < h < 1, otherwise h
		h := t.s[:n]
		v.hardSigmoid(h, z, actSixth[:], actHalf[:])
		v.mul(d, z, actSixth[:], 0)
		t.between(v, d, d, h, actZero[:], actOne[:])
		v.add(d, d, h, Block)
	case ActSiLU: // s + x*s*(1-s)
		s, r := t.s[:n], t.t[:n]
		v.sigmoid(s, z)
		v.affine(r, s, actMinusOne[:], actOne[:])
		v.mul(d, z, s, Block)
		v.mul(d, d, r, Block)
		v.add(d, d, s, Block)
	case ActGELU: // P(X <= x) + x * density
		tail, r := t.s[:n], t.t[:n]
		v.normalTail(tail, z)
		v.affine(r, tail, actMinusTwo[:], actOne[:])
		v.reluBackward(r, r, z)
		v.add(d, tail, r, Block) // P(X <= x): 1 - tail where x > 0
		v.mul(r, z, z, Block)
		v.mul(r, r, minusHalf[:], 0)
		v.exp(r, r)
		v.mul(r, r, normalTop[:], 0)
		v.mul(r, r, z, Block)
		v.add(d, d, r, Block)
	case ActGELUTanh: // s + x*s*(1-s)*u', with s = sigmoid(u) and 1-s = sigmoid(-u)
		s, r := t.t[:n], t.s[:n]
		v.geluPower(s, z)
		v.mul(r, s, actMinusOne[:], 0)
		v.sigmoid(s, s)
		v.sigmoid(r, r)
		v.mul(d, z, z, Block)
		v.affine(d, d, geluCubicSlope[:], geluLinear[:])
		v.mul(r, r, s, Block)
		v.mul(d, d, r, Block)
		v.mul(d, d, z, Block)
		v.add(d, d, s, Block)
	}
	v.mul(dx, dy, d, Block)
}

// between is dx = dy where low < y < high or y is NaN, otherwise 0. It uses t.
func (t *actTemps) between(v *vecOps, dx, dy, y, low, high []float32) {
	r := t.t[:len(dx)]
	v.sub(r, y, low, 0)
	v.reluBackward(dx, dy, r)
	v.subFrom(r, y, high, 0)
	v.reluBackward(dx, dx, r)
}
