package dsl

import (
	_ "embed"
	"sync"
)

//go:embed prelude.incc
var preludeSource []byte

// PreludePath is what the prelude is called in places of diagnostics.
const PreludePath = "prelude.incc"

// Prelude is the text of the blocks that every net knows.
func Prelude() []byte { return preludeSource }

// PreludeBlocks names them, in order of text.
func PreludeBlocks() []string {
	var names []string
	for _, k := range prelude().blocks {
		names = append(names, k.ast.Name.Name)
	}
	return names
}

// prelude is the blocks, read once. A prelude that does not parse is a bug.
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
