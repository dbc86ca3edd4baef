module github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro

go 1.26.0
