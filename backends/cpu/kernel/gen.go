package kernel

//go:generate go -C _asm run . -part tile -out ../tile_amd64.s -stubs ../tile_amd64.go -pkg kernel
//go:generate go -C _asm run . -part wino -out ../wino_amd64.s -stubs ../wino_amd64.go -pkg kernel
//go:generate go -C _asm run . -part winodw -out ../winodw_amd64.s -stubs ../winodw_amd64.go -pkg kernel
//go:generate go -C _asm run . -part depthwise -out ../depthwise_amd64.s -stubs ../depthwise_amd64.go -pkg kernel
//go:generate go -C _asm run . -part gradient -out ../gradient_amd64.s -stubs ../gradient_amd64.go -pkg kernel
//go:generate go -C _asm run . -part rowgrad -out ../rowgrad_amd64.s -stubs ../rowgrad_amd64.go -pkg kernel
//go:generate go -C _asm run . -part lanes -out ../lanes_amd64.s -stubs ../lanes_amd64.go -pkg kernel
//go:generate go -C _asm run . -part laneproduct -out ../laneproduct_amd64.s -stubs ../laneproduct_amd64.go -pkg kernel
//go:generate go -C _asm run . -part matvec -out ../matvec_amd64.s -stubs ../matvec_amd64.go -pkg kernel
//go:generate go -C _asm run . -part line -out ../line_amd64.s -stubs ../line_amd64.go -pkg kernel
//go:generate go -C _asm run . -part pack -out ../pack_amd64.s -stubs ../pack_amd64.go -pkg kernel
//go:generate go -C _asm run . -part peak -out ../peak_amd64.s -stubs ../peak_amd64.go -pkg kernel
//go:generate go -C _asm/ops run . -out ../../ops_amd64.s -stubs ../../ops_amd64.go -pkg kernel
