package kernel

func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)
func xgetbv() (eax, edx uint32)

// detect asks the processor for the instructions and the operating system
// (XCR0) for the registers: a tier needs both.
func detect() []ISA {
	l := []ISA{Portable}
	maxLeaf, _, _, _ := cpuid(0, 0)
	if maxLeaf < 7 {
		return l
	}
	const fma, osxsave, avx = 1 << 12, 1 << 27, 1 << 28
	_, _, c1, _ := cpuid(1, 0)
	if c1&(fma|osxsave|avx) != fma|osxsave|avx {
		return l
	}
	const sseYmm, opmaskZmm = 0x6, 0xe0
	xcr0, _ := xgetbv()
	if xcr0&sseYmm != sseYmm {
		return l
	}
	const avx2, f, dq, bw, vl = 1 << 5, 1 << 16, 1 << 17, 1 << 30, 1 << 31
	_, b7, _, _ := cpuid(7, 0)
	if b7&avx2 == 0 {
		return l
	}
	l = append(l, AVX2)
	if b7&(f|dq|bw|vl) == f|dq|bw|vl && xcr0&opmaskZmm == opmaskZmm {
		l = append(l, AVX512)
	}
	return l
}

// hasVNNI reports whether to multiply and add bytes by instructions for that, in registers of 512 bits.
func hasVNNI() bool {
	if !AVX512.ok() || vnniOff() {
		return false
	}
	const vnni = 1 << 11
	_, _, c7, _ := cpuid(7, 0)
	return c7&vnni != 0
}

// hasAVXVNNI reports whether to do so in registers of 256 bits, by instructions that need no AVX-512.
func hasAVXVNNI() bool {
	if most, _, _, _ := cpuid(7, 0); !AVX2.ok() || most < 1 || vnniOff() {
		return false
	}
	const avxVNNI = 1 << 4
	a7, _, _, _ := cpuid(7, 1)
	return a7&avxVNNI != 0
}
