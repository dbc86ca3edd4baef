package kernel

func depthwise(isa ISA, src *float32, step int, taps *int, ntaps int, w, bias, dst, res *float32, scale float32, flags, n int) {
	if isa == AVX512 {
		depthwise512(src, step, taps, ntaps, w, bias, dst, res, scale, flags, n)
		return
	}
	depthwise256(src, step, taps, ntaps, w, bias, dst, res, scale, flags, n)
}
