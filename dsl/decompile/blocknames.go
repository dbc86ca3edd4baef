package decompile

import (
	"slices"
	"strings"

	"github.com/incc-lang/incc/dsl"
)

// blockName returns a name for the block of a group: one that the names of the graph tell,
// else one for its structure. Other blocks may have it, too; see numberNames.
func blockName(g *group) string {
	if g.heads() {
		return "aux"
	}
	if name := toldName(g); name != "" {
		return name
	}
	return structureName(g.places[0].stages())
}

// numberNames gives blocks with the same name, or with a name that means something else,
// different names: module, module_2 and so on in the order of the file.
func numberNames(blocks []*block, lists []*seq) {
	taken := map[string]bool{"classes": true}
	for _, b := range blocks {
		for _, p := range b.params {
			taken[p] = true
		}
	}
	for _, b := range blocks {
		name := b.name
		for i := 2; taken[name] || !dsl.IsName(name) || dsl.IsReserved(name) || keywords[name] || slices.Contains(dsl.PreludeBlocks(), name); i++ {
			name = b.name + "_" + itoa(i)
		}
		b.name, taken[name] = name, true
	}
	all := slices.Clone(lists)
	for _, b := range blocks {
		all = append(all, b.body)
	}
	eachStage(all, func(s *stage) {
		if s.block != nil {
			s.op = s.block.name
		}
	})
}

// toldName returns the name that the paths of all places end in, without numbers, "" if
// there is none.
func toldName(g *group) string {
	told := ""
	for i, p := range g.places {
		list := p.stages()
		path := list[0].path
		for _, s := range list[1:] {
			path = shared(path, s.path)
		}
		if len(path) < 2 {
			return ""
		}
		name := strings.Trim(strings.TrimRight(tidy(path[len(path)-1]), "0123456789"), "_")
		if i > 0 && name != told || name == "" || keywords[name] || vague[name] && !list[0].sure || dsl.IsReserved(name) || !dsl.IsName(name) || len(name) == 1 && !list[0].sure {
			return ""
		}
		told = name
	}
	return told
}

// vague are names of modules that tell nothing about a block.
var vague = map[string]bool{"layers": true, "layer": true, "branch": true, "branches": true, "body": true, "module": true, "modules": true, "op": true, "ops": true, "stage": true, "sequential": true}

// structureName returns the usual name of a structure.
func structureName(list []*stage) string {
	s := list[0]
	if readsByName(s) {
		if slices.ContainsFunc(s.body, func(q *seq) bool {
			return slices.ContainsFunc(q.stages, func(t *stage) bool { return t.op == "resize" || t.op == "conv_transpose" || t.op == "pixel_shuffle" })
		}) {
			return "up"
		}
		return "merge"
	}
	if len(list) > 1 || s.body == nil {
		return chainName(list)
	}
	body := s.body[0].stages
	switch s.op {
	case "residual":
		name := "unit"
		switch {
		case len(body) == 1 && body[0].block != nil && depthwise(body[0].block.body.stages):
			name = "inverted"
		case kernels(body) == "1x1 3x3 1x1":
			name = "bottleneck"
		case kernels(body) == "3x3 3x3":
			name = "basic"
		}
		if s.proj != nil {
			name += "_proj"
		}
		return name
	case "concat":
		switch {
		case len(body) == 1 && body[0].op == "identity":
			return "dense"
		case strided(s):
			return "reduction"
		}
		return "module"
	case "mul":
		if len(s.body) == 2 && len(s.body[1].stages) > 0 && s.body[1].stages[0].op == "gap" {
			return "se" // squeeze and excitation
		}
		return "gate"
	case "add":
		return "sum_of"
	}
	return "part"
}

func chainName(list []*stage) string {
	switch {
	case len(list) == 2 && depthwise(list[:1]):
		return "separable"
	case depthwise(list) || kernels(list) == "1x1 3x3 1x1":
		return "bottleneck"
	case len(list) == 2 && list[1].op == "concat" && list[0].first("kernel") == "1x1":
		return "fire"
	case list[len(list)-1].op == "avgpool" && list[0].op == "bn":
		return "transition"
	case list[0].op == "bn":
		return "layer"
	case list[len(list)-1].op == "softmax":
		return "classifier"
	}
	return "chain"
}

// depthwise reports whether a convolution filters each channel on its own.
func depthwise(list []*stage) bool {
	return slices.ContainsFunc(list, func(s *stage) bool { return s.first("groups") == "depthwise" })
}

// kernels lists the kernels of convolutions.
func kernels(list []*stage) string {
	var ks []string
	for _, s := range list {
		ks = append(ks, s.first("kernel"))
	}
	return strings.Join(ks, " ")
}

// strided reports whether the last stage of the first branch has a stride.
func strided(s *stage) bool {
	for _, q := range s.body {
		if n := len(q.stages); n > 0 {
			if st := q.stages[n-1].first("stride"); st != "1" && st != "" {
				return true
			}
		}
	}
	return false
}

// paramNames returns names for the parameters of a group, as papers call them: n3 for the
// filters of a 3x3 convolution, r3 for those of the reduction before it, np behind a pool, s
// for a stride.
func paramNames(g *group) []string {
	names := make([]string, g.params)
	taken := map[string]bool{"classes": true}
	use := func(param int, candidates ...string) {
		if names[param] != "" {
			return
		}
		for i := 0; ; i++ {
			n := candidates[min(i, len(candidates)-1)]
			if i >= len(candidates) {
				n += itoa(i)
			}
			if !taken[n] && !dsl.IsReserved(n) && dsl.IsName(n) {
				names[param], taken[n] = n, true
				return
			}
		}
	}
	list := g.places[0].stages()
	branched := len(list) == 1 && list[0].op == "concat"
	i := 0
	eachIn(list, nil, func(s *stage, q *seq, at int) {
		for _, f := range s.fields {
			c := g.cols[i]
			i++
			if c.alts != nil {
				continue
			}
			switch {
			case s.op == "from":
				use(c.param, "skip", "skip2", "skip3")
			case f.key == "kernel":
				use(c.param, "k", "k2", "k3")
			case f.key == "stride":
				use(c.param, "s", "s2", "s3")
			case f.key == "pad":
				use(c.param, "p", "p2")
			case f.key == "act":
				use(c.param, "f", "a")
			case f.key == "groups":
				use(c.param, "g", "g2")
			case f.key == "units" && branched && q != nil:
				use(c.param, filterNames(g, s, q, at)...)
			case s.block != nil:
				k := 0
				for strings.TrimPrefix(f.key, "#") != itoa(k) {
					k++
				}
				use(c.param, s.block.params[k], "n", "m", "c", "d")
			case f.key == "units" && c.param > 0 && at == last(q, list):
				use(c.param, "out", "m", "c", "d", "q", "t")
			default:
				use(c.param, "n", "m", "c", "d", "q", "t", "u", "v")
			}
		}
	})
	return names
}

// last returns the index of the last stage of a pipeline, list for the outermost.
func last(q *seq, list []*stage) int {
	if q == nil {
		return len(list) - 1
	}
	return len(q.stages) - 1
}

// eachIn calls f for stages and those inside of them in the order of fieldsOf, with the
// branch that they are in, nil for the outermost, and their place in it.
func eachIn(list []*stage, q *seq, f func(s *stage, q *seq, at int)) {
	for i, s := range list {
		f(s, q, i)
		for _, in := range s.seqs() {
			eachIn(in.stages, in, f)
		}
	}
}

// filterNames returns names for the filters of a convolution in a branch of a concat.
func filterNames(g *group, s *stage, q *seq, at int) []string {
	size := func(t *stage) string {
		k := t.first("kernel")
		h, w, _ := strings.Cut(k, "x")
		if h < w || len(h) < len(w) {
			return w
		}
		return h
	}
	pool := slices.ContainsFunc(q.stages[:at], func(t *stage) bool { return strings.HasSuffix(t.op, "pool") })
	convs := 0
	for _, t := range q.stages {
		if t.op == "conv" && t.first("kernel") != "1x1" {
			convs++
		}
	}
	end := ""
	switch {
	case pool:
		return []string{"np", "nq", "n"}
	case convs > 1:
		end = "d" // the double 3x3 of Inception v2
	case at+1 < len(q.stages) && q.stages[at+1].op == "conv":
		end = size(q.stages[at+1])
	default:
		end = size(s)
	}
	if at < len(q.stages)-1 && s.first("kernel") == "1x1" && len(q.stages) > 1 {
		return []string{"r" + end, "r" + end + "b", "r"}
	}
	return []string{"n" + end, "n" + end + "b", "n"}
}
