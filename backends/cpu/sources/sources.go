// Package sources lists the packages that compiled networks run on, with their source code.
// Generated packages have a copy of what they need of it, or import these packages.
package sources

import (
	"io/fs"

	"github.com/incc-lang/incc/backends/cpu/epochs"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/memory"
	"github.com/incc-lang/incc/backends/cpu/random"
	"github.com/incc-lang/incc/backends/cpu/scalar"
	"github.com/incc-lang/incc/backends/cpu/threads"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir/nodes"
)

// Runtime returns the packages of the run time: their files by import path. They import nothing
// but the standard library and each other.
func Runtime() map[string]fs.FS {
	const module = "github.com/incc-lang/incc/"
	return map[string]fs.FS{
		module + "backends/cpu/epochs":  epochs.Sources,
		module + "backends/cpu/kernel":  kernel.Sources,
		module + "backends/cpu/memory":  memory.Sources,
		module + "backends/cpu/random":  random.Sources,
		module + "backends/cpu/scalar":  scalar.Sources,
		module + "backends/cpu/threads": threads.Sources,
		module + "backends/safetensors": safetensors.Sources,
		module + "ir/nodes":             nodes.Sources,
	}
}
