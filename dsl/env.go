package dsl

import (
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// library is the lets and blocks of one file: the spec or the prelude.
type library struct {
	lets    map[string]*binding
	blocks  []*block
	byName  map[string][]*block
	prelude bool
}

// add declares a block after the existing ones.
func (l *library) add(k *Block) {
	b := &block{ast: k, lib: l, index: len(l.blocks)}
	l.blocks = append(l.blocks, b)
	if l.byName == nil {
		l.byName = map[string][]*block{}
	}
	l.byName[k.Name.Name] = append(l.byName[k.Name.Name], b)
}

// block is a declared block. It can call the blocks that are declared before it.
type block struct {
	ast   *Block
	lib   *library
	index int
	used  bool
}

// binding is the value of a parameter or let. lit is nil if the value is not known:
// an error was reported, or the block is only checked.
type binding struct {
	lit  *Lit
	from diag.Span // where it was given
}

// env is the scope of a place in a text: the parameters of the block around it, and the
// lets and blocks of its file.
type env struct {
	lib    *library
	seen   int // how many of the library's blocks are declared before it
	params map[string]*binding
}

// find returns the parameter or let that a word in the place of a value names, nil if
// there is none.
func (e *env) find(name string) *binding {
	if p := e.params[name]; p != nil {
		return p
	}
	return e.lib.lets[name]
}

// block returns the block with a name, or nil. A block of the file that is declared before
// this place takes precedence over a block of the prelude.
func (e *env) block(name string) *block {
	for _, k := range slices.Backward(e.lib.byName[name]) {
		if k.index < e.seen {
			return k
		}
	}
	if e.lib.prelude {
		return nil
	}
	if ks := prelude().byName[name]; len(ks) > 0 {
		return ks[0]
	}
	return nil
}

// names lists the parameters and lets that are known at this place.
func (e *env) names() []string {
	var ns []string
	for n := range e.params {
		ns = append(ns, n)
	}
	for n := range e.lib.lets {
		ns = append(ns, n)
	}
	slices.Sort(ns)
	return ns
}

// blockNames lists the blocks that are known at this place.
func (e *env) blockNames() []string {
	var ns []string
	for _, k := range e.lib.blocks[:e.seen] {
		ns = append(ns, k.ast.Name.Name)
	}
	for _, k := range prelude().blocks {
		ns = append(ns, k.ast.Name.Name)
	}
	return ns
}

// look replaces words that name a parameter or let by its value. It reports errors, such
// as a stride on a value that is not a kernel; the value it returns is then unknown.
func (b *builder) look(v *Value, cx context) value {
	r := value{body: v.Body, at: v.Span, items: v.Items}
	for i, l := range v.Items {
		var lit *Lit
		var bind *binding
		switch l.Kind {
		case NameLit:
			if bind = cx.env.find(l.Text); bind == nil {
				continue
			}
			if lit = bind.lit; lit == nil {
				r.unknown = true
				continue
			}
		case StridedLit:
			if lit, bind = b.strided(l, cx); lit == nil {
				r.unknown = true
				continue
			}
		default:
			continue
		}
		found := *lit
		found.Span = l.Span
		if r.via == "" {
			r.items = slices.Clone(r.items)
			r.from, r.via = bind.from, l.Text
			if l.Text == "" {
				r.via = l.By
			}
		}
		r.items[i] = &found
	}
	return r
}

// strided returns the kernel that k/2, 3x3/s or k/s means, and the parameter or let of its
// kernel or, if the kernel is written out, of its stride. It returns nil if one of them is
// unknown or wrong, which it then reports.
func (b *builder) strided(l *Lit, cx context) (*Lit, *binding) {
	k, s, _ := strings.Cut(l.Raw, "/")
	r := &Lit{Kind: KernelLit, Dims: l.Dims, Stride: l.Stride}
	var from *binding
	find := func(name string) *Lit {
		bind := cx.env.find(name)
		if bind == nil {
			b.err(cx, "E0406", l.Span, "no parameter or let is called %s", diag.Quote(name)).
				WithHelp("%s", diag.DidYouMean(name, cx.env.names())).
				WithHelp("%s means: the kernel %s with the stride %s, where a name is a parameter or let", l.Raw, k, s)
			return nil
		}
		if from == nil {
			from = bind
		}
		return bind.lit // nil if its value is wrong, which has been reported
	}
	wrong := func(name string, lit *Lit, what, help string) {
		b.err(cx, "E0406", l.Span, "%s is %s, which cannot %s", diag.Quote(name), diag.Quote(lit.Raw), what).
			Relate(cx.env.find(name).from, "%s is given here", name).
			WithHelp("%s", help)
	}
	if l.Text != "" {
		lit := find(l.Text)
		switch {
		case lit == nil:
			return nil, nil
		case lit.Kind != KernelLit:
			wrong(l.Text, lit, "have a stride", "only a kernel such as 3x3 can have a stride")
			return nil, nil
		case lit.Stride != nil:
			wrong(l.Text, lit, "have a stride", "it already has a stride")
			return nil, nil
		}
		r.Dims, k = lit.Dims, lit.Raw
	}
	if l.By != "" {
		lit := find(l.By)
		if lit == nil {
			return nil, nil
		}
		n, whole := lit.Int()
		switch {
		case whole && n >= 1:
			r.Stride = []int{n, n}
		case lit.Kind == KernelLit && lit.Stride == nil:
			r.Stride = lit.Dims
		default:
			wrong(l.By, lit, "be a stride", "a stride is one number or two, such as 2 or 2x1")
			return nil, nil
		}
		s = lit.Raw
	}
	r.Raw = k + "/" + s
	return r, from
}

// defaults is a default statement, linked to the defaults that held before it.
type defaults struct {
	outer *defaults
	op    string // "" for every op that has the key
	args  []*Arg
	cx    context                // where the statement is
	used  map[*Arg]bool          // builder.used: the keys of all defaults that some op used
	found map[opKey]foundDefault // earlier results of find
}

type opKey struct{ op, key string }

type foundDefault struct {
	arg *Arg
	in  *defaults
}

// find returns the last default for a key of an op, nil if there is none. It stores the
// result in found, because a file may have many defaults and every layer calls find for
// each of its keys.
func (d *defaults) find(op, key string) (*Arg, *defaults) {
	if d == nil {
		return nil, nil
	}
	k := opKey{op, key}
	var r foundDefault
	for e := d; e != nil; e = e.outer {
		if known, ok := e.found[k]; ok {
			r = known
			break
		}
		if e.op != "" && e.op != op {
			continue
		}
		if a := keyed(e.args, key); a != nil {
			r = foundDefault{a, e}
			break
		}
	}
	if d.found == nil {
		d.found = map[opKey]foundDefault{}
	}
	d.found[k] = r
	if r.arg != nil {
		d.used[r.arg] = true
	}
	return r.arg, r.in
}

// bound holds the parsed arguments of a call, by name.
type bound struct {
	vals  map[string]any
	at    map[string]diag.Span // the places of arguments in the call or in a default statement
	given map[string]bool      // the arguments that the call itself gives
	ok    bool                 // no argument is missing, wrong or unknown
}

// arg returns an argument, or the zero value of T if it was not given and has no default.
func arg[T any](a *bound, name string) T {
	x, _ := a.vals[name].(T)
	return x
}

func (a *bound) has(name string) bool { _, ok := a.vals[name]; return ok }

// bind parses the arguments of a call: first the positional ones, then the keys, then the
// values from default statements, then the built-in defaults.
func (b *builder) bind(f *form, c *Call, cx context) *bound {
	a := &bound{vals: map[string]any{}, at: map[string]diag.Span{}, given: map[string]bool{}, ok: true}
	pos := c.Positional()
	if len(pos) > len(f.pos) {
		d := b.err(cx, "E0403", pos[len(f.pos)].Span(), "%s takes %s without a key, not %d", f.name, diag.Count(len(f.pos), "value"), len(pos))
		if s := usage(f); s != "" {
			d.WithHelp("as in: %s", s)
		}
		pos = pos[:len(f.pos)]
		a.ok = false
	}
	for i, s := range f.pos {
		v := c.Keyed(s.name)
		if i < len(pos) {
			if v != nil {
				b.err(cx, "E0403", v.Span(), "%s is given twice: by position and by key", s.name).Relate(pos[i].Span(), "the first is here")
				a.ok = false
			}
			v = pos[i]
		}
		if v == nil {
			if s.standard == "" {
				if meantByKey(c, s.name) { // the loop over keys reports it
					a.ok = false
					break
				}
				d := b.err(cx, "E0402", c.Span().After(), "%s needs %s", f.name, wanted(f.pos[i:]))
				d.WithHelp("for example: %s", usage(f))
				a.ok = false
				break
			}
			continue
		}
		b.take(a, f, s, v, cx, true)
	}
	for _, arg := range c.Args[len(c.Positional()):] {
		s := f.key(arg.Key.Name)
		if s == nil {
			if slices.ContainsFunc(f.pos, func(p slot) bool { return p.name == arg.Key.Name }) {
				continue
			}
			d := b.err(cx, "E0404", arg.Key.Span, "%s has no key %s", f.name, diag.Quote(arg.Key.Name))
			if !hintKey(d, arg.Key, append(f.posNames(), f.keyNames()...)) && len(f.keys) > 0 {
				d.WithHelp("its keys are %s", strings.Join(f.keyNames(), ", "))
			}
			a.ok = false
			continue
		}
		b.take(a, f, *s, arg, cx, true)
	}
	for _, s := range f.keys {
		if a.given[s.name] {
			continue
		}
		if arg, d := cx.def.find(f.name, s.name); arg != nil {
			dx := d.cx
			b.take(a, f, s, arg, dx, false)
			continue
		}
		if x, ok := f.start[s.name]; ok {
			a.vals[s.name] = x
		}
	}
	return a
}

// wanted describes missing arguments, for a message.
func wanted(ss []slot) string {
	var w []string
	for _, s := range ss {
		w = append(w, s.name+" ("+s.kind.want+")")
	}
	return strings.Join(w, ", ")
}

// take parses an argument and stores its value in a. given says that the call itself gives
// it, not a default statement.
func (b *builder) take(a *bound, f *form, s slot, arg *Arg, cx context, given bool) {
	v := b.look(arg.Value, cx)
	a.at[s.name] = arg.Span()
	a.given[s.name] = a.given[s.name] || given
	if v.unknown {
		a.ok = false
		return
	}
	x, ok := s.kind.parse(&v)
	if !ok {
		a.ok = false
		b.badValue(cx, f.name, s.name, s.kind, &v)
		return
	}
	a.vals[s.name] = x
}

// badValue reports a value that its key does not accept.
func (b *builder) badValue(cx context, op, key string, k *kind, v *value) {
	at, what := v.at, diag.Quote(v.text())
	from, label := v.from, v.via+" is "+v.text()+", given here"
	if inPrelude(at) && from.IsValid() && !inPrelude(from) {
		at, from, label = from, at, "where the prelude uses "+v.via
	}
	d := b.err(cx, "E0405", at, "%s of %s must be %s, not %s", key, op, k.want, what)
	if v.via != "" {
		d.Relate(from, "%s", label)
	}
	l := v.lit()
	switch {
	case l == nil:
	case (k == kCount || k == kSide || k == kGroups) && l.Kind == NumberLit && l.Num > ir.MaxDim && l.Num == math.Trunc(l.Num):
		d.WithHelp("the largest number is %s", diag.Thousands(ir.MaxDim))
	case k == kKernel && l.IsInt && l.Num > 0:
		side := l.Raw + "x" + l.Raw
		d.WithHelp("a kernel has two sides: %s", side)
		if v.via == "" {
			d.Suggest(at, side)
		}
	case l.Kind == NameLit:
		near := append(slices.Clone(k.words), cx.env.names()...)
		if w, ok := diag.Nearest(l.Text, near); ok && v.via == "" {
			d.WithHelp("did you mean %s?", w).Suggest(at, w)
		} else if v.via == "" && len(k.words) == 0 {
			d.WithHelp("no parameter or let is called %s here", diag.Quote(l.Text))
		}
	case l.Kind == KernelLit && (k == kCount || k == kSide) && op == "conv":
		d.WithHelp("the kernel comes first: conv %s 64", l.Raw)
	}
}

// reservedName says what a reserved name means, and returns "" for a name that is not
// reserved. A block, parameter or let cannot have a reserved name, because that already
// has a meaning as an op, a key or a value. Keys of one letter (the k of lrn) are not
// reserved: parameters often have the letters that the papers use, and keys and values
// cannot be confused.
func reservedName(name string) string { return reservedNames()[name] }

// reservedNames maps each reserved name to its meaning.
var reservedNames = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	add := func(name, why string) {
		if _, ok := m[name]; !ok {
			m[name] = why
		}
	}
	for _, n := range formNames() {
		add(n, "an op")
	}
	for _, d := range ir.Defs() {
		add(d.Name, "an op")
	}
	for _, n := range formNames() {
		for _, s := range forms()[n].keys {
			if len(s.name) > 1 {
				add(s.name, "a key of "+n)
			}
			for _, w := range s.kind.words {
				add(w, "a value of the key "+s.name+" of "+n)
			}
		}
	}
	for _, s := range trainTable {
		for _, w := range s.words {
			add(w, "a value of "+s.name)
		}
	}
	return m
})

// IsReserved reports whether a block, a parameter or a let cannot have a name, because it
// is the name of an op, or a word that is a key or a value of one.
func IsReserved(name string) bool { return reservedName(name) != "" }
