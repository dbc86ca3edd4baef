package ir

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// MisfitError lists the differences between the weights of a network and tensors that were
// to become them.
type MisfitError struct {
	Net  string
	List []string // sentences, sorted
}

// Error lists at most 10 misfits.
func (e *MisfitError) Error() string {
	const most = 10
	more := ""
	list := e.List
	if len(list) > most {
		more = fmt.Sprintf("\n   and %d more", len(list)-most)
		list = list[:most]
	}
	return fmt.Sprintf("the weights do not fit %s:\n   %s%s", e.Net, strings.Join(list, "\n   "), more)
}

// NamedShape is the name and shape of a tensor.
type NamedShape struct {
	Name  string
	Shape []int
}

// Misfits lists the differences between the names and shapes of tensors and those of the
// network's params that are not constant, as sentences. where names the place of the
// tensors, such as "the file". Only weights of auxiliary classifiers may be missing. Tensors
// whose names are in passOver are ignored.
func (g *Graph) Misfits(have []NamedShape, where string, passOver map[string]bool) (bad []string) {
	heads := g.HeadParams()
	params := map[string]*Value{}
	var names, there []string
	for _, v := range g.Params {
		if v.Param.Kind != Constant {
			params[v.Name] = v
			names = append(names, v.Name)
		}
	}
	found := map[string]bool{}
	for _, t := range have {
		there = append(there, t.Name)
		v := params[t.Name]
		switch {
		case v != nil:
			found[t.Name] = true
			if !slices.Equal(t.Shape, v.Type.Shape) {
				bad = append(bad, fmt.Sprintf("%s is %v in %s, %v in %s", t.Name, Shape(t.Shape), where, v.Type.Shape, g.Name))
			}
		case !passOver[t.Name]:
			hint := ""
			if s, ok := diag.Nearest(t.Name, names); ok {
				hint = fmt.Sprintf(", did you mean %s?", s)
			}
			bad = append(bad, fmt.Sprintf("%s is not a weight of %s%s", diag.Quote(t.Name), g.Name, hint))
		}
	}
	for _, name := range names {
		if found[name] || heads[params[name]] {
			continue
		}
		hint := ""
		if s, ok := diag.Nearest(name, there); ok && params[s] == nil {
			hint = fmt.Sprintf(" (%s has %s)", where, diag.Quote(s))
		}
		bad = append(bad, fmt.Sprintf("%s is not in %s%s", name, where, hint))
	}
	return bad
}

// HeadParams returns the params that only auxiliary classifiers use.
func (g *Graph) HeadParams() map[*Value]bool {
	main := g.Clone()
	main.Heads = nil
	Rewrite(main, "").Sweep()
	kept := map[string]bool{}
	for _, v := range main.Params {
		kept[v.Name] = true
	}
	only := map[*Value]bool{}
	for _, v := range g.Params {
		if !kept[v.Name] {
			only[v] = true
		}
	}
	return only
}
