package dsl

import (
	"fmt"
	"strings"
)

// dump returns the syntax tree of a file in the form of specgen.Text.Tree.
func dump(f *File) string {
	d := &dumper{}
	d.say("(%s", f.Kind)
	d.say(" %s", f.Name.Name)
	for _, s := range f.Stmts {
		d.stmt(s)
	}
	d.say(")")
	return d.String()
}

type dumper struct{ strings.Builder }

func (d *dumper) say(f string, a ...any) { fmt.Fprintf(d, f, a...) }

func (d *dumper) lit(l *Lit) { d.say("%s:%s", l.Kind, l.Raw) }

func (d *dumper) args(args []*Arg) {
	for _, a := range args {
		key := "-"
		if a.Key != nil {
			key = a.Key.Name
		}
		d.say(" (arg %s ", key)
		if a.Value.Body != nil {
			d.body(a.Value.Body)
		}
		for i, l := range a.Value.Items {
			if i > 0 {
				d.say(",")
			}
			d.lit(l)
		}
		d.say(")")
	}
}

func (d *dumper) body(b *Body) {
	d.say("(body")
	for _, s := range b.Stmts {
		d.stmt(s)
	}
	d.say(")")
}

func (d *dumper) call(c *Call) {
	d.say(" (call %s", c.Name.Name)
	d.args(c.Args)
	if c.Body != nil {
		d.say(" ")
		d.body(c.Body)
	}
	d.say(")")
}

func (d *dumper) names(list []*Ident) {
	for _, n := range list {
		d.say(" %s", strings.ReplaceAll(n.Name, " ", "␣"))
	}
}

func (d *dumper) stmt(s Stmt) {
	switch s := s.(type) {
	case *Input:
		d.say("\n(input %s ", s.Name.Name)
		d.lit(s.Shape)
		d.args(s.Args)
	case *Labels:
		switch {
		case s.Set != nil:
			d.say("\n(labels set %s", s.Set.Name)
		case s.File != nil:
			d.say("\n(labels file ")
			d.lit(s.File)
		default:
			d.say("\n(labels names")
			for _, l := range s.Names.List {
				d.say(" ")
				d.lit(l)
			}
		}
	case *Let:
		d.say("\n(let %s ", s.Name.Name)
		d.lit(s.Value)
	case *Default:
		op := "-"
		if s.Op != nil {
			op = s.Op.Name
		}
		d.say("\n(default %s", op)
		d.args(s.Args)
	case *Block:
		d.say("\n(block %s", s.Name.Name)
		for _, p := range s.Params {
			d.say(" (param %s ", p.Name.Name)
			if p.Default == nil {
				d.say("-")
			} else {
				d.lit(p.Default)
			}
			d.say(")")
		}
		d.say(" ")
		d.body(s.Body)
	case *Train:
		d.say("\n(train")
		for _, c := range s.Stmts {
			d.call(c)
		}
	case *Line:
		label := "-"
		if s.Label != nil {
			label = s.Label.Name
		}
		d.say("\n(line %s", label)
		for _, c := range s.Calls {
			d.call(c)
		}
	case *Assign:
		d.say("\n(assign (")
		d.names(s.Outs)
		d.say(") %s", s.Op.Name)
		d.args(s.Args)
	case *Mark:
		d.say("\n(mark %s (", s.Kw.Name)
		d.names(s.Names)
		d.say(") (")
		d.names(s.To)
		d.say(")")
		d.args(s.Args)
	}
	d.say(")")
}
