package decompile

import (
	"slices"
	"strings"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
)

// This file finds the names of parts in the names of a graph. incc names a weight
// 3a/inception/conv_1x1/weight; PyTorch calls it layer1.0.conv1.weight, and the result of
// its node /layer1/layer1.0/conv1/Conv_output_0.

// namePaths fills the paths of all stages.
func namePaths(main *seq) {
	own := 0
	n := 0
	eachStage([]*seq{main}, func(s *stage) {
		if len(s.params) > 0 {
			n++
			if at := strings.LastIndexByte(s.params[0].Name, '/'); at > 0 && ownNames[s.params[0].Name[at+1:]] {
				own++
			}
		}
	})
	incc := own*2 > n
	eachStage([]*seq{main}, func(s *stage) {
		if incc {
			s.path, s.sure = inccPath(s), true
		} else {
			s.path = torchPath(s)
		}
	})
	if !incc {
		stripShared(main)
	}
	for _, s := range main.stages {
		fillPath(s, incc)
	}
}

// ownNames are the last parts of the names that incc gives to weights.
var ownNames = map[string]bool{"weight": true, "bias": true, "gamma": true, "beta": true, "mean": true, "variance": true}

// inccPath returns the labels and blocks around a stage by the names that incc gives.
func inccPath(s *stage) []string {
	if len(s.params) > 0 {
		p := strings.Split(s.params[0].Name, "/")
		return p[:max(0, len(p)-2)]
	}
	if s.out == nil {
		return nil
	}
	p := strings.Split(s.out.Name, "/")
	if s.op == "residual" && len(p) > 1 && strings.HasPrefix(p[len(p)-2], "residual") {
		p = p[:len(p)-1] // its activation is called residual/relu
	}
	return p[:len(p)-1]
}

// torchPath returns the modules around a stage with weights by the names that PyTorch's
// exporters give.
func torchPath(s *stage) []string {
	if len(s.params) == 0 {
		return nil
	}
	name := s.params[len(s.params)-1].Name // the variance, which fewer layers share than gamma
	if strings.HasPrefix(s.op, "conv") || s.op == "fc" {
		name = s.params[0].Name
	}
	if strings.Contains(name, ".") && !strings.Contains(name, "/") {
		p := strings.Split(name, ".")
		return p[:len(p)-1]
	}
	// The exporter has folded the weights, and named them anew. The value that the stage
	// begins with still has the modules.
	v := s.out
	for v != nil && v.Def != nil && !slices.Contains(v.Def.In, s.params[0]) {
		v = inputs(v.Def)[0]
	}
	if v == nil || !strings.HasPrefix(v.Name, "/") {
		return nil
	}
	p := strings.Split(v.Name[1:], "/")
	p = p[:len(p)-1]
	for i := len(p) - 1; i > 0; i-- {
		p[i] = strings.TrimPrefix(p[i], p[i-1]+".") // layer1/layer1.0
	}
	return p
}

// stripShared removes a module that most of the network is in, such as features.
func stripShared(main *seq) {
	for range 3 {
		count, n := map[string]int{}, 0
		eachStage([]*seq{main}, func(s *stage) {
			if len(s.params) > 0 {
				n++
				if len(s.path) > 1 {
					count[s.path[0]]++
				}
			}
		})
		shared := ""
		for name, c := range count {
			if n > 3 && (4*c > 3*n || 2*c > n && containers[name]) {
				shared = name
			}
		}
		if shared == "" {
			return
		}
		eachStage([]*seq{main}, func(s *stage) {
			if len(s.path) > 1 && s.path[0] == shared {
				s.path = s.path[1:]
			}
		})
	}
}

// containers are modules that hold most of a network in many libraries.
var containers = map[string]bool{"features": true, "backbone": true, "body": true, "trunk": true, "model": true, "encoder": true, "net": true, "module": true}

// fillPath sets the path of a join to what the paths inside of it have in common.
func fillPath(s *stage, incc bool) {
	if len(s.seqs()) == 0 {
		return
	}
	var common []string
	first := true
	for _, q := range s.seqs() {
		for _, t := range q.stages {
			fillPath(t, incc)
			if len(t.path) == 0 && (len(t.params) == 0 || !incc) {
				continue
			}
			if first {
				common, first = t.path, false
				continue
			}
			common = shared(common, t.path)
		}
	}
	if !incc || len(common) < len(s.path) || s.out == nil {
		s.path = common
	}
}

func shared(a, b []string) []string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

// labelOf returns the label of a stage, "" if its names tell none.
func labelOf(s *stage) string {
	if len(s.path) == 0 {
		return ""
	}
	l := tidy(s.path[0])
	if strings.Trim(l, "0123456789") == "" && !s.sure {
		return ""
	}
	if strings.Trim(l, "0123456789") != "" && !dsl.IsName(l) || keywords[l] {
		return ""
	}
	if dsl.IsReserved(l) {
		return "top" // fc: … -> fc 1000 would be hard to read
	}
	return l
}

// keywords are the words that begin a statement.
var keywords = map[string]bool{"net": true, "graph": true, "input": true, "labels": true, "let": true, "default": true, "block": true, "train": true}

// tidy converts a name to the style of labels: small letters, digits, single "_".
func tidy(name string) string {
	b := []byte(strings.ToLower(name))
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9') {
			b[i] = '_'
		}
	}
	s := string(b)
	for strings.Contains(s, "__") {
		s = strings.ReplaceAll(s, "__", "_")
	}
	s = strings.Trim(s, "_")
	return s[:min(len(s), 40)]
}

// lines divides the pipeline of a network into lines. A line ends where others read its output by
// name.
func lines(main *seq) []*seq {
	var all []*seq
	begin := 0
	for i, s := range main.stages {
		if !s.ends {
			continue
		}
		all = append(all, joinFirst(divide(&seq{stages: main.stages[begin : i+1]}, 0))...)
		begin = i + 1
	}
	if begin == 0 {
		all = divide(main, 0)
		uniqueLabels(all)
		return all
	}
	all = append(all, joinFirst(divide(&seq{stages: main.stages[begin:]}, len(all)))...)
	for _, q := range all {
		if strings.HasPrefix(q.label, "part") && len(q.path) == 0 {
			q.label = "" // the parts of one segment; they are counted anew
		}
	}
	listed(all)
	parts := 0
	for _, q := range all {
		if q.label == "" && q.stages[len(q.stages)-1].ends {
			parts++
			q.label = "part" + itoa(parts)
		}
	}
	uniqueLabels(all)
	return all
}

// joinFirst joins the first line of a segment to the second where it is only a join of values with
// names, or has no weights.
func joinFirst(list []*seq) []*seq {
	if len(list) < 2 {
		return list
	}
	first := list[0]
	plain := len(weights(first)) == 0
	if len(first.stages) == 1 && readsByName(first.stages[0]) || plain {
		list[1].stages = append(slices.Clone(first.stages), list[1].stages...)
		return list[1:]
	}
	return list
}

// readsByName reports whether a branch of a join begins with a value with a name.
func readsByName(s *stage) bool {
	return slices.ContainsFunc(s.body, func(q *seq) bool { return q.stages[0].op == "from" })
}

// listed adds the number of a module in a list to the labels of lines that are modules of one list:
// down_0, down_1.
func listed(all []*seq) {
	count := map[string]int{}
	for _, q := range all {
		count[q.label]++
	}
	for _, q := range all {
		if len(q.path) > 1 && count[q.label] > 1 && q.label != "" && strings.Trim(q.path[1], "0123456789") == "" {
			if q.label += "_" + q.path[1]; dsl.IsReserved(q.label) {
				q.label = "part_" + q.path[1]
			}
		}
	}
}

// nameSources sets what stages read by name: the labels of the lines that end with these values.
func nameSources(g *ir.Graph, list []*seq) {
	names := map[*ir.Value]string{g.Inputs[0]: inputName(g)}
	for _, q := range list {
		if v := q.stages[len(q.stages)-1].out; v != nil && q.label != "" {
			names[v] = q.label
		}
	}
	eachStage(list, func(s *stage) {
		if s.op == "from" {
			s.field("#0").alts = []string{names[s.ref]}
		}
	})
}

// divide divides a pipeline into lines: one for each label, where the names of the graph tell
// labels, else one for each size of the feature maps. before is the number of lines before it.
func divide(main *seq, before int) []*seq {
	var list []*seq
	for _, s := range main.stages {
		label := labelOf(s)
		n := len(list)
		switch {
		case n == 0:
			list = append(list, &seq{label: label})
		case follows[s.op] && list[n-1].label != "":
		case label != "" && label != list[n-1].label:
			list = append(list, &seq{label: label})
			list[n].stages = tail(list[n-1])
			if len(list[n-1].stages) == 0 {
				list = slices.Delete(list, n-1, n)
			}
		case label == "" && len(s.params) > 0 && list[n-1].label != "":
			list = append(list, &seq{})
		}
		q := list[len(list)-1]
		q.stages = append(q.stages, s)
	}
	var all []*seq
	for _, q := range list {
		if q.label == "" && before+len(all) < maxLines {
			all = append(all, bySize(q, len(list) == 1 && before == 0)...)
		} else {
			all = append(all, q)
		}
	}
	for _, q := range all {
		q.path = commonPath(q.stages)
	}
	return all
}

// commonPath returns what the paths of stages have in common.
func commonPath(list []*stage) []string {
	var path []string
	first := true
	for _, s := range list {
		switch {
		case len(s.path) == 0:
		case first:
			path, first = s.path, false
		default:
			path = shared(path, s.path)
		}
	}
	return path
}

// follows are the ops that belong to the layer before them, although they have weights. leads are
// those that belong to the layer behind them.
var (
	follows = map[string]bool{"instance_norm": true, "group_norm": true, "prelu": true}
	leads   = map[string]bool{"gap": true, "flatten": true, "pad": true, "resize": true}
)

// tail removes the stages at the end of a line that belong to the layer behind them, such as the
// global pool, which belongs to the classifier.
func tail(q *seq) []*stage {
	i := len(q.stages)
	for i > 0 && leads[q.stages[i-1].op] && !q.stages[i-1].sure {
		i--
	}
	t := slices.Clone(q.stages[i:])
	q.stages = q.stages[:i]
	return t
}

// bySize divides a pipeline without labels. It begins a line where height and width shrink;
// a pool ends its line. whole says that the pipeline is the whole network.
func bySize(main *seq, whole bool) []*seq {
	list := []*seq{{}}
	prev := (*ir.Value)(nil)
	for _, s := range main.stages {
		q := list[len(list)-1]
		if prev != nil && s.out != nil && len(q.stages) > 0 && len(list) < maxLines && breaks(q.stages[len(q.stages)-1], s, prev) {
			next := &seq{stages: sameModule(q, s)}
			if len(q.stages) == 0 {
				list = list[:len(list)-1]
			}
			q = next
			list = append(list, q)
		}
		q.stages = append(q.stages, s)
		if s.out != nil {
			prev = s.out
		}
	}
	if len(list) > 1 {
		for i, q := range list {
			q.label = "part" + itoa(i+1)
		}
		if whole {
			list[len(list)-1].label = "top"
		}
	}
	return list
}

// sameModule removes the stages at the end of a line that are in the same module as s.
func sameModule(q *seq, s *stage) []*stage {
	i := len(q.stages)
	for i > 0 && len(s.path) > 0 && len(q.stages[i-1].path) > 0 && q.stages[i-1].path[0] == s.path[0] {
		i--
	}
	t := slices.Clone(q.stages[i:])
	q.stages = q.stages[:i]
	return t
}

// breaks reports whether a line begins with a stage, whose input is prev and which follows
// another stage.
func breaks(last, s *stage, prev *ir.Value) bool {
	switch s.op {
	case "maxpool", "avgpool", "flatten", "dropout", "softmax":
		return false
	case "gap":
		return true
	case "fc":
		return last.op != "gap" && last.op != "fc" && last.op != "flatten" && last.op != "dropout"
	}
	return area(s.out) < area(prev) || last.op == "maxpool" || last.op == "avgpool" && area(prev) > 1
}

// maxLines is how many lines without names a spec has at most.
const maxLines = 40

// area returns height times width of a value, 1 for a vector.
func area(v *ir.Value) int {
	if s := v.Type.Shape; len(s) == 4 {
		return s[2] * s[3]
	}
	return 1
}

// uniqueLabels gives labels that occur twice a number.
func uniqueLabels(list []*seq) {
	next := map[string]int{} // of each label that is taken, the number to try next
	for _, q := range list {
		if q.label == "" {
			continue
		}
		base, name := q.label, q.label
		for next[name] > 0 {
			next[base]++
			name = base + "_" + itoa(next[base])
		}
		q.label = name
		next[name] = 1
	}
}
