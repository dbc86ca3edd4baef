module github.com/incc-lang/incc

go 1.26

require google.golang.org/protobuf v1.36.11 // indirect
