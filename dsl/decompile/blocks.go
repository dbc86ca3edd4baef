package decompile

import (
	"slices"
	"strings"

	"github.com/incc-lang/incc/dsl"
)

// Bounds of the search for blocks.
const (
	longestRun    = 8    // stages of a pipeline that one block can stand for
	mostParams    = 8    // parameters of a block
	mostBlocks    = 40   // blocks of a file
	mostForRuns   = 4000 // stages of a network in which runs are searched
	mostForBlocks = 20_000
	leastSaving   = 12 // units of cost that a block must save
	leastForChain = 3  // uses of a block without branches
)

// place is where a block could be used: stages at..at+n of a pipeline.
type place struct {
	q     *seq
	at, n int
}

func (p place) stages() []*stage { return p.q.stages[p.at : p.at+p.n] }

// findBlocks replaces what occurs several times, apart from some numbers, by blocks. It
// returns the blocks in the order in which they must be declared.
func findBlocks(lists []*seq, set *settings) []*block {
	var blocks []*block
	total := 0
	eachStage(lists, func(*stage) { total++ })
	for len(blocks) < mostBlocks && total <= mostForBlocks {
		g := bestGroup(lists, blocks, set)
		if g == nil {
			break
		}
		blocks = append(blocks, g.replace(len(blocks)))
	}
	blocks = ordered(lists)
	numberNames(blocks, lists)
	return blocks
}

// ordered returns the blocks that lines call, in the order of their first use, each behind
// those that it calls itself.
func ordered(lists []*seq) []*block {
	var blocks []*block
	var add func(lists []*seq)
	add = func(lists []*seq) {
		eachStage(lists, func(s *stage) {
			if s.block == nil || slices.Contains(blocks, s.block) {
				return
			}
			add([]*seq{s.block.body})
			blocks = append(blocks, s.block)
		})
	}
	add(lists)
	return blocks
}

// group is a set of places that one block can stand for.
type group struct {
	places []place
	cols   []column
	params int // number of parameters
}

// column is a field of the same stage in all places of a group.
type column struct {
	alts   []string // the texts that fit all places; nil if the field is a parameter
	values []string // of a parameter, in the order of the places
	param  int      // the number of the parameter
	rank   int      // see rankOf
}

// bestGroup returns the group that saves most, nil if none saves enough.
func bestGroup(lists []*seq, blocks []*block, set *settings) *group {
	all := slices.Clone(lists)
	for _, b := range blocks {
		all = append(all, b.body)
	}
	total := 0
	eachStage(all, func(*stage) { total++ })
	byShape := map[string][]place{}
	var order []string
	var visit func(q *seq, top bool)
	visit = func(q *seq, top bool) {
		for i, s := range q.stages {
			shape := ""
			for n := 1; n <= longestRun && i+n <= len(q.stages); n++ {
				t := q.stages[i+n-1]
				shape += shapeOf(t) + ">"
				if n > 1 && total > mostForRuns || !worthBlock(q.stages[i:i+n], set, top) {
					continue
				}
				if byShape[shape] == nil {
					order = append(order, shape)
				}
				byShape[shape] = append(byShape[shape], place{q, i, n})
			}
			for _, in := range s.seqs() {
				visit(in, s.op == "head")
			}
		}
	}
	for _, q := range all {
		visit(q, true)
	}
	var best *group
	most := 0 // a small block that occurs often is better than a large one that saves a little more
	for _, shape := range order {
		for _, g := range clusters(byShape[shape]) {
			least := 2
			if !branches(g.places[0].stages()) && !g.heads() {
				least = leastForChain
			}
			if len(g.places) < least {
				continue
			}
			saved := g.saving(set)
			told := toldName(g) != "" // whoever made the network saw a unit here
			if saved < leastSaving && !(told && saved > 0) {
				continue
			}
			score := saved * saved * len(g.places)
			if told {
				score *= 8
			}
			if score > most {
				best, most = g, score
			}
		}
	}
	return best
}

// heads reports whether all places are whole bodies of heads.
func (g *group) heads() bool {
	return !slices.ContainsFunc(g.places, func(p place) bool { return !p.q.head || p.n != len(p.q.stages) })
}

// branches reports whether one of the stages has braces.
func branches(list []*stage) bool {
	return slices.ContainsFunc(list, func(s *stage) bool { return s.body != nil })
}

// worthBlock reports whether a block is a good way to write stages: if they are a join, a
// join at the end of a chain, or a chain that is no mere list of convolutions and pools. top
// says whether the stages are in no branch.
func worthBlock(list []*stage, set *settings, top bool) bool {
	if len(list) == 1 {
		return list[0].body != nil && list[0].op != "head"
	}
	for i, s := range list {
		if i == 0 && readsByName(s) && top {
			continue
		}
		if s.block != nil && !isGate(s.block.body.stages) || s.body != nil && (s.op == "residual" || s.op == "head" || i < len(list)-1 || !top) {
			return false
		}
	}
	if modules := list; top {
		if readsByName(list[0]) {
			modules = list[1:]
		}
		if crossesModules(modules) {
			return false
		}
	}
	if branches(list) {
		return true
	}
	for _, s := range list {
		switch s.op {
		case "conv", "fc", "maxpool", "avgpool", "gap", "dropout", "softmax", "flatten":
		default:
			return true
		}
		for i := range s.fields {
			if f := &s.fields[i]; !f.positional() && !set.hidden(s.op, f) {
				return true
			}
		}
	}
	return false
}

// crossesModules reports whether the names of the graph say that stages are parts of
// different modules.
func crossesModules(list []*stage) bool {
	module := ""
	for _, s := range list {
		if len(s.path) == 0 {
			continue
		}
		if module != "" && s.path[0] != module {
			return true
		}
		module = s.path[0]
	}
	return false
}

// isGate reports whether stages are a product with a gate.
func isGate(list []*stage) bool { return len(list) == 1 && list[0].op == "mul" }

// shapeOf returns a text that is equal for stages that differ only in the values of fields.
func shapeOf(s *stage) string {
	var b strings.Builder
	var write func(s *stage)
	pipe := func(q *seq) {
		for _, t := range q.stages {
			write(t)
			b.WriteByte('>')
		}
	}
	write = func(s *stage) {
		b.WriteString(s.op)
		for _, f := range s.fields {
			b.WriteString(" " + f.key)
		}
		for _, q := range s.body {
			b.WriteByte('{')
			pipe(q)
			b.WriteByte('}')
		}
		if s.proj != nil {
			b.WriteByte('(')
			pipe(s.proj)
			b.WriteByte(')')
		}
	}
	write(s)
	return b.String()
}

// fieldsOf returns the fields of stages and of all stages inside of them.
func fieldsOf(list []*stage) []*field {
	var fs []*field
	eachStage([]*seq{{stages: list}}, func(s *stage) {
		for i := range s.fields {
			fs = append(fs, &s.fields[i])
		}
	})
	return fs
}

// clusters divides places of one shape into groups that a block can stand for.
func clusters(places []place) []*group {
	var list []*group
next:
	for _, p := range places {
		for _, g := range list {
			last := g.places[len(g.places)-1]
			if last.q == p.q && last.at+last.n > p.at {
				continue next // they overlap
			}
			if g.add(p) {
				continue next
			}
		}
		if len(list) < 64 {
			g := &group{places: []place{p}}
			for _, f := range fieldsOf(p.stages()) {
				c := column{alts: f.alts, values: []string{f.alts[0]}, rank: rankOf(f)}
				if f.name {
					c.alts = nil
				}
				g.cols = append(g.cols, c)
			}
			if g.params = number(g.cols); g.params > mostParams {
				continue
			}
			list = append(list, g)
		}
	}
	return list
}

// add adds a place to a group. It returns false, and changes nothing, if the place does not
// fit.
func (g *group) add(p place) bool {
	cols := slices.Clone(g.cols)
	i, ok := 0, true
	eachStage([]*seq{{stages: p.stages()}}, func(s *stage) {
		kernel := false // it varies
		for k := range s.fields {
			f := &s.fields[k]
			c := &cols[i]
			i++
			c.values = append(slices.Clone(c.values), f.alts[0])
			if c.alts != nil {
				c.alts = common(c.alts, f.alts)
			}
			if f.name {
				c.alts = nil
			}
			if c.alts != nil {
				continue
			}
			kernel = kernel || f.key == "kernel"
			ok = ok && canVary(f.key, c.values) && (f.key != "pad" || kernel) && (f.key != "kernel" || s.op != "conv" || s.first("groups") == "depthwise")
		}
	})
	if !ok || number(cols) > mostParams || !oneKernel(cols, p) {
		return false
	}
	g.cols, g.places = cols, append(g.places, p)
	g.params = number(cols)
	return true
}

// oneKernel reports whether the kernels that vary are square, and one parameter.
func oneKernel(cols []column, p place) bool {
	param := -1
	for i, f := range fieldsOf(p.stages()) {
		if f.key != "kernel" || cols[i].alts != nil {
			continue
		}
		if param >= 0 && cols[i].param != param {
			return false
		}
		param = cols[i].param
		for _, v := range cols[i].values {
			if h, w, _ := strings.Cut(v, "x"); h != w {
				return false
			}
		}
	}
	return true
}

// common returns the texts that are in both lists, nil if there are none.
func common(a, b []string) []string {
	var list []string
	for _, t := range a {
		if slices.Contains(b, t) {
			list = append(list, t)
		}
	}
	if len(list) == 1 && list[0] == "auto" {
		return nil
	}
	return list
}

// number numbers the parameters of columns, and returns how many there are. Columns with
// the same values share a parameter. Kernels come first, strides and keys last.
func number(cols []column) int {
	n := 0
	for rank := range 3 {
		for i := range cols {
			if cols[i].alts != nil || cols[i].rank != rank {
				continue
			}
			cols[i].param = n
			for j := range cols {
				if j != i && cols[j].alts == nil && cols[j].rank <= rank && (cols[j].rank < rank || j < i) && slices.Equal(cols[j].values, cols[i].values) {
					cols[i].param = cols[j].param
					break
				}
			}
			if cols[i].param == n {
				n++
			}
		}
	}
	return n
}

// rankOf returns the place of a field among the parameters of a block.
func rankOf(f *field) int {
	switch {
	case f.key == "kernel":
		return 0
	case f.key == "units" || f.key[0] == '#':
		return 1
	}
	return 2
}

// canVary reports whether a field can be a parameter of a block with the given values.
func canVary(key string, values []string) bool {
	switch key {
	case "bn", "bias", "bn.momentum", "ceil", "include_pad", "dilation", "shape", "perm", "axes", "momentum":
		return false
	}
	for _, v := range values {
		l, err := dsl.ParseLit(v)
		if err != nil {
			return false
		}
		whole := l.Kind == dsl.NumberLit && l.IsInt
		switch key {
		case "kernel":
			if l.Kind != dsl.KernelLit {
				return false
			}
		case "stride", "pad", "groups", "maxout":
			if !whole {
				return false
			}
		default:
			if l.Kind != dsl.NumberLit && l.Kind != dsl.NameLit && (key[0] != '#' || l.Kind != dsl.KernelLit) {
				return false
			}
		}
	}
	return true
}

// template returns the stages of a block for a group, whose parameters have the names given.
func (g *group) template(names []string) *seq {
	q := (&seq{stages: g.places[0].stages()}).clone()
	for i, f := range fieldsOf(q.stages) {
		if c := g.cols[i]; c.alts != nil {
			f.alts = slices.Clone(c.alts)
		} else {
			f.alts, f.name = []string{names[c.param]}, true
		}
	}
	return q
}

// saving returns by how many units of cost a block makes the file shorter.
func (g *group) saving(set *settings) int {
	before := 0
	for _, p := range g.places {
		before += set.costOf(p.stages())
	}
	names := make([]string, g.params)
	for i := range names {
		names[i] = "n"
	}
	body := set.costOf(g.template(names).stages)
	return before - (6 + 2*g.params + body) - len(g.places)*(2+2*g.params)
}

// replace replaces the places of a group by calls of a new block, which has a number.
func (g *group) replace(number int) *block {
	b := &block{name: blockName(g), params: paramNames(g)}
	b.body = g.template(b.params)
	// From the last place on, so that the places before it in the same pipeline stay valid.
	for i := len(g.places) - 1; i >= 0; i-- {
		p := g.places[i]
		list := p.stages()
		// The number keeps calls of different blocks apart until blocks have their names.
		call := &stage{op: b.name + "#" + itoa(number), block: b, path: list[0].path, sure: list[0].sure, out: list[len(list)-1].out}
		for k := range b.params {
			for _, c := range g.cols {
				if c.alts == nil && c.param == k {
					call.set("#"+itoa(k), c.values[i])
					break
				}
			}
		}
		p.q.stages = slices.Replace(p.q.stages, p.at, p.at+p.n, call)
	}
	return b
}
