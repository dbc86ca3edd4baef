package kernel

//go:generate go -C _asm/micro run . -part conv_tile
//go:generate go -C _asm/micro run . -part conv_winograd_product
//go:generate go -C _asm/micro run . -part conv_winograd
//go:generate go -C _asm/micro run . -part conv_winograd_1d
//go:generate go -C _asm/micro run . -part conv_depthwise
//go:generate go -C _asm/micro run . -part conv_depthwise_bwd
//go:generate go -C _asm/micro run . -part conv_strip
//go:generate go -C _asm/micro run . -part conv_bwd_weights
//go:generate go -C _asm/micro run . -part conv_bwd_weights_rows
//go:generate go -C _asm/micro run . -part conv_bwd_weights_winograd
//go:generate go -C _asm/micro run . -part n16
//go:generate go -C _asm run . -part n16_transpose -out ../n16_transpose_amd64.s -stubs ../n16_transpose_amd64.go -pkg kernel
//go:generate go -C _asm/micro run . -part n16_gemm
//go:generate go -C _asm/micro run . -part dense_matvec
//go:generate go -C _asm run . -part dense_matvec -out ../dense_matvec_amd64.s -stubs ../dense_matvec_amd64.go -pkg kernel
//go:generate go -C _asm run . -part pack -out ../pack_amd64.s -stubs ../pack_amd64.go -pkg kernel
//go:generate go -C _asm/micro run . -part int8
//go:generate go -C _asm/micro run . -part int8_depthwise
//go:generate go -C _asm/micro run . -part int8_quads
//go:generate go -C _asm/micro run . -part int8_winograd
//go:generate go -C _asm/micro run . -part peak
//go:generate go -C _asm/micro run . -part vec
