package main

import (
	"bytes"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir/recipe"
)

// extends reports whether --epochs gives the run another number of epochs than its spec,
// old, and nothing else about the spec changes. Such a run goes on without
// --resume-changed; the names that its identity then may differ in are in p.mayChange.
func (p *prepared) extends(c *cli.Context, old []byte) bool {
	if !c.IsSet("epochs") || bytes.Equal(old, p.spec.text) {
		return false
	}
	opt := dsl.Options{ReadFile: p.spec.open}
	g, problems := dsl.Load(runSpec, old, opt)
	if problems.HasErrors() {
		return false
	}
	var want recipe.Train
	if g.Recipe.Train != nil {
		want = *g.Recipe.Train
	}
	want.Run.Epochs = p.recipe.Run.Epochs
	text, err := dsl.Resolve(runSpec, old, opt, want)
	if err != nil || !bytes.Equal(text, p.spec.text) {
		return false
	}
	p.mayChange = map[string]string{"epochs": "", "spec": "SHA-256 " + g.Recipe.SpecHash}
	return true
}
