package decompile

import (
	"sync"

	"github.com/incc-lang/incc/dsl"
)

// This file finds the built-in blocks of the language, such as inception.

// builtin is a built-in block as stages; the text of a field that is a parameter begins
// with "$".
type builtin struct {
	name   string
	params []string
	body   *seq
}

// builtins are the blocks of the prelude that a whole stage or run can be compared with:
// those without keys but pad. Their branches have labels, which are no part of the
// structure.
var builtins = sync.OnceValue(func() []*builtin {
	f, _ := dsl.Parse(dsl.PreludePath, dsl.Prelude())
	var list []*builtin
	dsl.Each(f, func(b *dsl.Block) {
		k := &builtin{name: b.Name.Name}
		params := map[string]bool{}
		for _, p := range b.Params {
			k.params = append(k.params, p.Name.Name)
			params[p.Name.Name] = true
		}
		if body, ok := patternSeq(b.Body.Stmts, params); ok {
			k.body = body
			list = append(list, k)
		}
	})
	return list
})

// patternSeq converts the one line of a body.
func patternSeq(stmts []dsl.Stmt, params map[string]bool) (*seq, bool) {
	if len(stmts) != 1 {
		return nil, false
	}
	l, ok := stmts[0].(*dsl.Line)
	if !ok {
		return nil, false
	}
	q := &seq{}
	for _, c := range l.Calls {
		s := &stage{op: c.Name.Name}
		switch s.op {
		case "conv", "maxpool", "concat":
		default:
			return nil, false
		}
		keys := []string{"kernel", "units"}
		for i, a := range c.Args {
			key := ""
			if a.Key != nil {
				key = a.Key.Name
			} else if i < len(keys) {
				key = keys[i]
			}
			if key != "kernel" && key != "units" && key != "pad" {
				return nil, false
			}
			text := a.Value.Raw()
			if params[text] {
				text = "$" + text
			}
			s.set(key, text)
		}
		if c.Body != nil {
			for _, st := range c.Body.Stmts {
				b, ok := patternSeq([]dsl.Stmt{st}, params)
				if !ok {
					return nil, false
				}
				s.body = append(s.body, b)
			}
		}
		q.stages = append(q.stages, s)
	}
	return q, true
}

// useBuiltins replaces stages by calls of built-in blocks.
func useBuiltins(q *seq, set *settings) {
	for at := 0; at < len(q.stages); at++ {
		for _, in := range q.stages[at].seqs() {
			useBuiltins(in, set)
		}
		for _, b := range builtins() {
			n := len(b.body.stages)
			if at+n > len(q.stages) || n > 1 && at+n < len(q.stages) && q.stages[at+n].op == "conv" {
				continue
			}
			args := map[string]string{}
			if !matches(b.body, &seq{stages: q.stages[at : at+n]}, args, set) {
				continue
			}
			list := q.stages[at : at+n]
			eachStage([]*seq{{stages: list}}, func(s *stage) {
				for _, f := range s.fields {
					set.keep(s.op, f.key)
				}
			})
			call := &stage{op: b.name, path: list[0].path, sure: list[0].sure, out: list[n-1].out}
			for i, p := range b.params {
				call.set("#"+itoa(i), args[p])
			}
			if p := freePad(b, list[0]); p != nil {
				call.set("pad", p...)
			}
			q.stages = append(q.stages[:at:at], append([]*stage{call}, q.stages[at+n:]...)...)
			break
		}
	}
}

// freePad returns the texts of the padding of the first stage if the block leaves it open.
func freePad(b *builtin, s *stage) []string {
	if first := b.body.stages[0]; first.body == nil && first.field("pad") == nil && s.field("pad") != nil {
		return s.field("pad").alts
	}
	return nil
}

// matches reports whether stages are those of a pattern, with the usual settings elsewhere.
// It adds the values of parameters to args.
func matches(p, q *seq, args map[string]string, set *settings) bool {
	if len(p.stages) != len(q.stages) {
		return false
	}
	for i, a := range p.stages {
		s := q.stages[i]
		if a.op != s.op || len(a.body) != len(s.body) || s.proj != nil {
			return false
		}
		for k := range s.fields {
			f := &s.fields[k]
			want := a.field(f.key)
			if want == nil {
				if f.key == "stride" && f.alts[0] != "1" && a.first("kernel") != "$kernel" || f.key != "stride" && f.key != "pad" && !set.hidden(s.op, f) {
					return false
				}
				continue
			}
			if !fits(want.alts[0], f, s, args) {
				return false
			}
		}
		for k := range a.body {
			if !matches(a.body[k], s.body[k], args, set) {
				return false
			}
		}
	}
	return true
}

// fits reports whether a field has the text of a pattern, or the value that a parameter has
// elsewhere.
func fits(want string, f *field, s *stage, args map[string]string) bool {
	if want[0] != '$' {
		for _, t := range f.alts {
			if t == want {
				return true
			}
		}
		return f.key == "kernel" && want == f.alts[0]+"/1"
	}
	value := f.alts[0]
	if f.key == "kernel" && s.first("stride") != "1" {
		value += "/" + s.first("stride")
	}
	if old, ok := args[want[1:]]; ok && old != value {
		return false
	}
	args[want[1:]] = value
	return true
}
