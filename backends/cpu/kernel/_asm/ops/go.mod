module github.com/incc-lang/incc/backends/cpu/kernel/_asm/ops

go 1.26

require github.com/mmcloughlin/avo v0.6.0 // indirect
