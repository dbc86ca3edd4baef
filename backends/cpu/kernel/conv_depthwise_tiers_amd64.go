package kernel

func (r *depthwiseRow) run(isa ISA) {
	f := depthwise256
	if isa == AVX512 {
		f = depthwise512
	}
	f(&r.in[r.src], 4*r.step, &r.taps[0], len(r.taps), &r.w[0], &r.bias[0], &r.dst[0], &r.res[0], r.scale, r.flags, len(r.dst)/Block)
}
