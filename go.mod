module github.com/incc-lang/incc

go 1.26
