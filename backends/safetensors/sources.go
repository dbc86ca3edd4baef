package safetensors

import "embed"

// Sources holds the files of this package without its tests. Generated packages have them as
// part of their runtime.
//
//go:embed checksum.go files.go narrow.go safetensors.go safetensors_header.go safetensors_scaled.go safetensors_write.go
var Sources embed.FS
