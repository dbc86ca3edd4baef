package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// depthwises are rows of pixels of one block of 16 channels, each its own sum over
// the taps: eight (AVX2: four) pixels at a time, then one.
func depthwises() {
	for _, bits := range []int{512, 256} {
		v, width, halves := vectors(bits)
		TEXT(fmt.Sprintf("depthwise%d", bits), NOSPLIT, "func(src *float32, step int, taps *int, ntaps int, w, bias, dst, res *float32, scale float32, flags, n int)")
		Pragma("noescape")
		Doc("depthwise computes n pixels, step bytes apart in the input.")
		src, step, taps, ntaps, w, bias, dst, res, flags, n, a, k := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13
		Load(Param("src"), src)
		Load(Param("step"), step)
		Load(Param("taps"), taps)
		Load(Param("ntaps"), ntaps)
		Load(Param("w"), w)
		Load(Param("bias"), bias)
		Load(Param("dst"), dst)
		Load(Param("res"), res)
		Load(Param("flags"), flags)
		Load(Param("n"), n)
		many := 8 / halves
		zero, weight := v[15], v[14] // and v[14] is the scale afterwards
		body := func(p int, label string) {
			Label(label)
			CMPQ(n, U32(uint32(p)))
			JL(LabelRef("end" + label))
			acc := v[:p*halves]
			for i, r := range acc {
				VMOVUPS(Mem{Base: bias, Disp: i % halves * width}, r)
			}
			XORQ(k, k)
			Label("tap" + label)
			MOVQ(Mem{Base: taps, Index: k, Scale: 8}, a)
			ADDQ(src, a)
			for q := 0; q < p; q++ {
				for h := 0; h < halves; h++ {
					// The weights of tap k stand at w, which moves along.
					if q == 0 {
						VMOVUPS(Mem{Base: w, Disp: h * width}, v[12+h])
					}
					VFMADD231PS(Mem{Base: a, Disp: h * width}, v[12+h], acc[q*halves+h])
				}
				if q < p-1 {
					ADDQ(step, a)
				}
			}
			ADDQ(U32(64), w)
			INCQ(k)
			CMPQ(k, ntaps)
			JL(LabelRef("tap" + label))
			SHLQ(U8(6), k)
			SUBQ(k, w)
			TESTQ(U32(tileRes), flags)
			JZ(LabelRef("act" + label))
			VBROADCASTSS(NewParamAddr("scale", 64), weight)
			for i, r := range acc {
				VFMADD213PS(Mem{Base: res, Disp: i * width}, weight, r)
			}
			Label("act" + label)
			TESTQ(U32(tileReLU), flags)
			JZ(LabelRef("store" + label))
			VXORPS(zero, zero, zero)
			for _, r := range acc {
				VMAXPS(r, zero, r)
			}
			Label("store" + label)
			for i, r := range acc {
				VMOVUPS(r, Mem{Base: dst, Disp: i * width})
			}
			ADDQ(U32(uint32(64*p)), dst)
			ADDQ(U32(uint32(64*p)), res)
			IMUL3Q(U32(uint32(p)), step, a)
			ADDQ(a, src)
			SUBQ(U32(uint32(p)), n)
			JMP(LabelRef(label))
			Label("end" + label)
		}
		body(many, "many")
		body(1, "single")
		VZEROUPPER()
		RET()
	}
}
