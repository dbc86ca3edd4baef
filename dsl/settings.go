package dsl

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
)

// Setting is one thing that a spec says besides its layers. Name is the statement and its
// key, such as "input mean", "optimizer lr" or "let width"; a name without a key is the
// kind or the list that the statement begins with.
type Setting struct{ Name, Value string }

// Settings lists what a spec says besides its layers and the names of its classes, in the
// order of the text: lets, input, heads and train. src is its text, g the graph that Load
// made of it with opt. Keys that have no value, also by default, are not listed.
func Settings(src []byte, g *ir.Graph, opt Options) []Setting {
	var list []Setting
	add := func(name, value string) { list = append(list, Setting{name, value}) }
	keys := func(stmt string, words []string) {
		for _, w := range words {
			key, value, _ := strings.Cut(w, "=")
			add(stmt+" "+key, value)
		}
	}
	f, _ := Parse(g.Name, src)
	Each(f, func(l *Let) {
		value := l.Value.Raw
		if text, ok := opt.Defines[l.Name.Name]; ok {
			value = text
		}
		add("let "+l.Name.Name, value)
	})
	for i, v := range g.Inputs {
		name := "input"
		if i > 0 {
			name += " " + strconv.Itoa(i+1)
		}
		add(name, v.Name+" "+inputShape(v.Type.Shape))
		if r := g.Recipe.Input; r != nil && i == 0 {
			keys(name, inputWords(r, v)[3:]) // after input, its name and shape
		}
	}
	for _, h := range g.Heads {
		add("head "+h.Value.Name+" weight", floatText(h.Weight))
	}
	if g.Recipe.Train == nil {
		return list
	}
	seen := map[string]int{}
	for _, l := range trainWords(g.Recipe.Train) {
		name, first := l.stmt.name, strings.Join(l.args, " ")
		if l.stmt.group != "" { // sgd or adam
			name, first = l.stmt.group, l.stmt.name
		}
		if l.stmt.about != nil { // two statements may differ in their parts
			name += " " + first
			first = ""
			if len(l.keys) == 0 {
				first = "on"
			}
		}
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s %d", name, seen[name])
		}
		if first != "" {
			add(name, first)
		}
		keys(name, l.keys)
	}
	return list
}
