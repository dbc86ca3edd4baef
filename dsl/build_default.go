package dsl

import (
	"fmt"
	"sort"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// lets reads the lets of the file. Options.Defines overrides their values.
func (b *builder) lets() {
	cx := context{env: &env{lib: b.lib}, scope: b.root}
	defined := map[string]bool{}
	for _, s := range b.file.Stmts {
		l, ok := s.(*Let)
		if !ok {
			continue
		}
		name := l.Name.Name
		if why := reservedName(name); why != "" {
			b.err(cx, "E0408", l.Name.Span, "a let cannot be called %s: that is %s", diag.Quote(name), why).WithHelp("choose another name")
		}
		bind := &binding{lit: l.Value, from: l.Value.Span}
		if text, ok := b.opt.Defines[name]; ok {
			defined[name] = true
			lit, err := ParseLit(text)
			if err == nil && lit.Kind != NumberLit && lit.Kind != KernelLit && lit.Kind != NameLit {
				err = fmt.Errorf("the value of a let is a number, a kernel or a word")
			}
			if err != nil {
				b.err(cx, "E0409", diag.Span{}, "-D %s=%s: %v", diag.Printable(name), diag.Printable(text), err)
			} else {
				bind.lit = lit
			}
		} else if l.Value.Kind == NameLit {
			if other := b.lib.lets[l.Value.Text]; other != nil {
				bind.lit = other.lit
			}
		}
		if b.lib.lets[name] == nil {
			b.lib.lets[name] = bind
		}
	}
	var names []string
	for n := range b.opt.Defines {
		if !defined[n] {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	for _, n := range names {
		d := b.err(cx, "E0409", diag.Span{Pos: diag.Pos{File: b.file.Path}, Len: len(n)}, "-D %s: this file has no let of that name", diag.Printable(n))
		if near := diag.DidYouMean(n, cx.env.names()); near != "" {
			d.WithHelp("%s", near)
		} else if all := cx.env.names(); len(all) > 0 {
			d.WithHelp("its lets are %s", strings.Join(all, ", "))
		} else {
			d.WithHelp("declare it: let %s = %s", n, b.opt.Defines[n])
		}
	}
}

// defaultOf checks a default statement and returns the defaults that hold after it.
func (b *builder) defaultOf(s *Default, cx context) *defaults {
	d := &defaults{outer: cx.def, args: s.Args, cx: cx, used: b.used}
	if s.Op != nil {
		d.op = s.Op.Name
		f := forms()[d.op]
		if f == nil {
			e := b.err(cx, "E0401", s.Op.Span, "no op is called %s, so it cannot have a default", diag.Quote(d.op))
			if cx.env.block(d.op) != nil {
				e.WithHelp("%s is a block; its parameters may have defaults: block %s n=64 = …", d.op, d.op)
			} else {
				b.nearOp(e, s.Op, cx, false)
			}
			return cx.def
		}
		for _, a := range s.Args {
			if sl := f.key(a.Key.Name); sl == nil {
				e := b.err(cx, "E0404", a.Key.Span, "%s has no key %s", d.op, diag.Quote(a.Key.Name))
				hintKey(e, a.Key, f.keyNames())
			} else {
				b.checkDefault(f, sl, a, cx)
			}
		}
	} else {
		b.checkKeys(d, s.Args, cx)
	}
	if !b.seen[s] {
		b.seen[s] = true
		b.defs = append(b.defs, s)
	}
	return d
}

// checkKeys checks the keys of a default for all ops: some op must have the key, and one
// of these ops must accept the value.
func (b *builder) checkKeys(d *defaults, args []*Arg, cx context) {
	for _, a := range args {
		var have []*form
		for _, n := range formNames() {
			if forms()[n].key(a.Key.Name) != nil {
				have = append(have, forms()[n])
			}
		}
		if len(have) == 0 {
			e := b.err(cx, "E0404", a.Key.Span, "no op has a key %s", diag.Quote(a.Key.Name))
			hintKey(e, a.Key, allKeys())
			continue
		}
		v := b.look(a.Value, cx)
		fits := v.unknown
		for _, f := range have {
			if fits {
				break
			}
			_, fits = f.key(a.Key.Name).kind.parse(&v)
		}
		if !fits {
			b.badValue(cx, have[0].name, a.Key.Name, have[0].key(a.Key.Name).kind, &v)
		}
	}
}

func (b *builder) checkDefault(f *form, s *slot, a *Arg, cx context) {
	v := b.look(a.Value, cx)
	if v.unknown {
		return
	}
	if _, ok := s.kind.parse(&v); !ok {
		b.badValue(cx, f.name, s.name, s.kind, &v)
	}
}

// allKeys lists the keys of all forms.
func allKeys() []string {
	seen := map[string]bool{}
	var ks []string
	for _, n := range formNames() {
		for _, k := range forms()[n].keyNames() {
			if !seen[k] {
				seen[k] = true
				ks = append(ks, k)
			}
		}
	}
	return ks
}
