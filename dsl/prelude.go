package dsl

import (
	_ "embed"
	"sync"
)

//go:embed prelude.incc
var preludeSource []byte

// PreludePath is the file name of the prelude in diagnostics.
const PreludePath = "prelude.incc"

// Prelude returns the text of the prelude: the built-in blocks, which every net can use.
// The caller must not change it.
func Prelude() []byte { return preludeSource }

// PreludeBlocks returns the names of the built-in blocks, in the order of the text.
func PreludeBlocks() []string {
	var names []string
	for _, k := range prelude().blocks {
		names = append(names, k.ast.Name.Name)
	}
	return names
}

// prelude returns the built-in blocks. They are parsed at the first call. A prelude that
// does not parse is a bug in incc.
var prelude = sync.OnceValue(func() *library {
	f, diags := Parse(PreludePath, preludeSource)
	if diags.HasErrors() {
		panic("dsl: " + diags.Error())
	}
	lib := &library{lets: map[string]*binding{}, prelude: true}
	Each(f, func(k *Block) {
		lib.add(k)
	})
	return lib
})
