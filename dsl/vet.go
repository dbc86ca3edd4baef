package dsl

import (
	"maps"
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// Vet returns warnings about text that is valid but probably a mistake, sorted. The file
// must have been parsed without errors. prelude lists the names of the built-in blocks.
func Vet(f *File, prelude []string) diag.List {
	v := &vetter{f: f, prelude: prelude}
	for _, c := range vetChecks {
		c.run(v)
	}
	v.List.Sort()
	return v.List
}

// vetChecks lists the checks of Vet with the codes of their warnings.
var vetChecks = []struct {
	code string
	run  func(*vetter)
}{
	{"W0101", (*vetter).unusedLets},
	{"W0102", (*vetter).unusedBlocks},
	{"W0103", (*vetter).unusedParams},
	{"W0104", (*vetter).shadowedBlocks},
	{"W0105", (*vetter).labelStyle},
	{"W0106", (*vetter).repeatedLabels},
}

type vetter struct {
	diag.List
	f       *File
	prelude []string
}

// Inspect calls visit for every node of the syntax tree, parents before children. If
// visit returns false for a node, Inspect does not visit the children of that node.
// Nodes are *Input, *Labels, *Let, *Default, *Block, *Param, *Train, *Line, *Assign,
// *Mark, *Body, *Call, *Arg and *Lit.
func Inspect(f *File, visit func(node any) bool) {
	for _, s := range f.Stmts {
		inspect(s, visit)
	}
}

func inspect(node any, visit func(any) bool) {
	if !visit(node) {
		return
	}
	args := func(list []*Arg) {
		for _, a := range list {
			inspect(a, visit)
		}
	}
	switch n := node.(type) {
	case *Input:
		inspect(n.Shape, visit)
		args(n.Args)
	case *Labels:
		if n.File != nil {
			inspect(n.File, visit)
		}
		if n.Names != nil {
			for _, l := range n.Names.List {
				inspect(l, visit)
			}
		}
	case *Let:
		inspect(n.Value, visit)
	case *Default:
		args(n.Args)
	case *Block:
		for _, p := range n.Params {
			inspect(p, visit)
		}
		inspect(n.Body, visit)
	case *Param:
		if n.Default != nil {
			inspect(n.Default, visit)
		}
	case *Train:
		for _, c := range n.Stmts {
			inspect(c, visit)
		}
	case *Body:
		for _, s := range n.Stmts {
			inspect(s, visit)
		}
	case *Line:
		for _, c := range n.Calls {
			inspect(c, visit)
		}
	case *Call:
		args(n.Args)
		if n.Body != nil {
			inspect(n.Body, visit)
		}
	case *Assign:
		args(n.Args)
	case *Mark:
		args(n.Args)
	case *Arg:
		if n.Value.Body != nil {
			inspect(n.Value.Body, visit)
		}
		for _, l := range n.Value.Items {
			inspect(l, visit)
		}
	}
}

// uses returns the names that occur as values below a node, and the names of the ops and
// blocks that are called there.
func uses(node any) (values, called map[string]bool) {
	values, called = map[string]bool{}, map[string]bool{}
	inspect(node, func(n any) bool {
		switch n := n.(type) {
		case *Call:
			called[n.Name.Name] = true
		case *Lit:
			if n.Kind == NameLit || n.Kind == StridedLit {
				values[n.Text], values[n.By] = true, true
			}
		}
		return true
	})
	return values, called
}

func (v *vetter) unusedLets() {
	used := map[string]bool{}
	for _, s := range v.f.Stmts {
		hidden := map[string]bool{} // by a parameter of the same name
		if b, ok := s.(*Block); ok {
			for _, p := range b.Params {
				hidden[p.Name.Name] = true
			}
		}
		values, _ := uses(s)
		for name := range values {
			if !hidden[name] {
				used[name] = true
			}
		}
	}
	Each(v.f, func(l *Let) {
		if !used[l.Name.Name] {
			v.Warnf("W0101", l.Name.Span, "nothing uses the constant %s", l.Name.Name).
				WithHelp("delete it, or use it")
		}
	})
}

func (v *vetter) unusedBlocks() {
	called := map[string]bool{}
	for _, s := range v.f.Stmts {
		if _, train := s.(*Train); train {
			continue
		}
		_, calls := uses(s)
		maps.Copy(called, calls)
	}
	Each(v.f, func(b *Block) {
		if !called[b.Name.Name] {
			v.Warnf("W0102", b.Name.Span, "nothing uses the block %s", b.Name.Name).
				WithHelp("delete it, or use it")
		}
	})
}

func (v *vetter) unusedParams() {
	Each(v.f, func(b *Block) {
		values, called := uses(b.Body)
		for _, p := range b.Params {
			// A parameter may also name the op or block to be called.
			if !values[p.Name.Name] && !called[p.Name.Name] {
				v.Warnf("W0103", p.Name.Span, "block %s does not use its parameter %s", b.Name.Name, p.Name.Name).
					WithHelp("delete it here and in every call, or use it")
			}
		}
	})
}

func (v *vetter) shadowedBlocks() {
	Each(v.f, func(b *Block) {
		if slices.Contains(v.prelude, b.Name.Name) {
			v.Warnf("W0104", b.Name.Span, "block %s hides the built-in block of that name", b.Name.Name).
				WithHelp("give it another name, or use the built-in block")
		}
	})
}

func (v *vetter) labelStyle() {
	v.eachLabel(func(id *Ident) {
		good := goodLabel(id.Name)
		if good == id.Name {
			return
		}
		d := v.Warnf("W0105", id.Span, "a label is made of small letters, digits and single '_': %s", diag.Quote(id.Name))
		if IsName(good) {
			d.WithHelp("write %s", good).Suggest(id.Span, good)
		}
	})
}

// goodLabel converts a name to the style of labels: small letters, digits, single "_".
func goodLabel(name string) string {
	s := strings.ReplaceAll(strings.ToLower(name), ".", "_")
	for strings.Contains(s, "__") {
		s = strings.ReplaceAll(s, "__", "_")
	}
	return strings.Trim(s, "_")
}

func (v *vetter) eachLabel(do func(*Ident)) {
	Inspect(v.f, func(n any) bool {
		if l, ok := n.(*Line); ok && l.Label != nil {
			do(l.Label)
		}
		return true
	})
}

func (v *vetter) repeatedLabels() {
	scope := func(stmts []Stmt) {
		seen := map[string]*Ident{}
		for _, s := range stmts {
			l, ok := s.(*Line)
			if !ok || l.Label == nil {
				continue
			}
			key := goodLabel(l.Label.Name)
			first, ok := seen[key]
			switch {
			case !ok:
				seen[key] = l.Label
			case first.Name == l.Label.Name:
				v.Warnf("W0106", l.Label.Span, "the label %s occurs twice here", l.Label.Name).
					Relate(first.Span, "the first is here").WithHelp("give each part a different name")
			default:
				v.Warnf("W0106", l.Label.Span, "the labels %s and %s are nearly the same", first.Name, l.Label.Name).
					Relate(first.Span, "the other is here").WithHelp("give each part a different name")
			}
		}
	}
	scope(v.f.Stmts)
	Inspect(v.f, func(n any) bool {
		if b, ok := n.(*Body); ok {
			scope(b.Stmts)
		}
		return true
	})
}
