package decompile

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/incc-lang/incc/dsl"
)

// settings are the values that keys of ops have without being written: those of default
// statements, else those of the language.
type settings struct {
	standard map[string]string // by op.key
	chosen   map[string]string // by op.key; by the key alone for all ops that have it
	usual    map[string]string // what the first call of choose chose, for the whole network
	kept     map[string]string // values of chosen that calls of built-in blocks rely on
}

func newSettings() *settings {
	s := &settings{standard: map[string]string{"conv.bias": "auto", "fc.bias": "auto", "conv_transpose.bias": "auto"}, chosen: map[string]string{}, kept: map[string]string{}}
	for _, e := range dsl.Ops() {
		for _, k := range e.Keys {
			if name := e.Name + "." + k.Name; s.standard[name] == "" {
				s.standard[name] = plainText(k.Standard)
			}
		}
	}
	return s
}

// plainText returns the text of a default as stages write it.
func plainText(text string) string {
	switch text {
	case "", "off":
		if text == "" {
			return "0"
		}
	case "1x1":
		return "1"
	case "1e-05":
		return "1e-5"
	}
	return text
}

// value returns the value of a key that is not written.
func (s *settings) value(op, key string) string {
	if v, ok := s.chosen[op+"."+key]; ok {
		return v
	}
	return s.standard[op+"."+key]
}

// hidden reports whether a field need not be written.
func (s *settings) hidden(op string, f *field) bool {
	return !f.positional() && !f.name && slices.Contains(f.alts, s.value(opOf(op, f.key), f.key))
}

// opOf returns the op that a key of a call is for: the padding of a built-in block is that
// of its first convolution.
func opOf(op, key string) string {
	if key == "pad" && slices.Contains(dsl.PreludeBlocks(), op) {
		return "conv"
	}
	return op
}

// shared are the keys that a default statement can set, by op.
var sharedKeys = map[string][]string{
	"conv":    {"act", "bn", "bias", "bn.momentum", "pad", "groups"},
	"fc":      {"act", "bn", "bias", "maxout"},
	"maxpool": {"pad", "ceil"},
	"avgpool": {"pad", "include_pad", "ceil"},
	"bn":      {"eps", "momentum"},
}

// choose sets the defaults with which most keys need not be written. Each stage of lists
// counts as often as it is written.
func (s *settings) choose(lists []*seq) {
	s.chosen = map[string]string{}
	if s.usual == nil {
		defer func() { s.usual = maps.Clone(s.chosen) }()
	}
	fields := map[string][]*field{} // by op.key
	eachStage(lists, func(t *stage) {
		for i := range t.fields {
			f := &t.fields[i]
			if op := opOf(t.op, f.key); slices.Contains(sharedKeys[op], f.key) && !f.name {
				fields[op+"."+f.key] = append(fields[op+"."+f.key], f)
			}
		}
	})
	for name, fs := range fields {
		usual := s.usual[name]
		if strings.HasSuffix(name, ".pad") {
			usual = ""
		}
		if best := bestDefault(fs, s.standard[name], usual); best != s.standard[name] {
			s.chosen[name] = best
		}
	}
	for name, v := range s.kept {
		if delete(s.chosen, name); v != s.standard[name] {
			s.chosen[name] = v
		}
	}
	s.choosePads(fields)
}

// keep makes later calls of choose leave the value of a key as it is.
func (s *settings) keep(op, key string) {
	if slices.Contains(sharedKeys[op], key) && key != "pad" {
		s.kept[op+"."+key] = s.value(op, key)
	}
}

// bestDefault returns the value of a key that leaves the fewest fields to write. A default
// statement costs one field, unless the value is the usual one.
func bestDefault(fs []*field, standard, usual string) string {
	best, least := standard, missing(fs, standard)
	var texts []string
	for _, f := range fs {
		for _, t := range f.alts {
			if !slices.Contains(texts, t) && t != "auto" {
				texts = append(texts, t)
			}
		}
	}
	sort.Slice(texts, func(i, j int) bool { // same before others
		if a, b := texts[i] == "same", texts[j] == "same"; a != b {
			return a
		}
		return texts[i] < texts[j]
	})
	for _, t := range texts {
		n := missing(fs, t)
		if t != usual {
			n++
		}
		if t != standard && (n < least || n == least && (t == usual || standard == "none" && len(fs) > 1)) {
			best, least = t, n
		}
	}
	return best
}

// missing counts the fields that do not have a text.
func missing(fs []*field, text string) int {
	n := 0
	for _, f := range fs {
		if !slices.Contains(f.alts, text) {
			n++
		}
	}
	return n
}

// choosePads prefers pad=same for all ops to one default for each, where that costs nothing.
func (s *settings) choosePads(fields map[string][]*field) {
	names := []string{"conv.pad", "maxpool.pad", "avgpool.pad"}
	apart, together, ops := 0, 1, 0
	likely := s.chosen["conv.pad"] == "same" // pad=same for all is the usual way to say it
	for _, n := range names {
		fs := fields[n]
		if len(fs) == 0 {
			continue
		}
		ops++
		likely = likely || n != "conv.pad" && slices.ContainsFunc(fs, func(f *field) bool { return f.alts[0] == "same" })
		apart += missing(fs, s.value2(n))
		if _, ok := s.chosen[n]; ok {
			apart++
		}
		same, own := missing(fs, "same"), missing(fs, s.value2(n))+1
		together += min(same, own)
	}
	if ops < 2 || together > apart || together == apart && !likely {
		return
	}
	for _, n := range names {
		fs := fields[n]
		if missing(fs, "same") <= missing(fs, s.value2(n))+1 {
			s.chosen[n] = "same"
		} else if len(fs) > 0 {
			s.chosen[n] = s.value2(n)
		}
	}
	s.chosen["pad"] = "same"
}

func (s *settings) value2(name string) string {
	if v, ok := s.chosen[name]; ok {
		return v
	}
	return s.standard[name]
}

// statements returns the default statements.
func (s *settings) statements() []string {
	var list []string
	if v, ok := s.chosen["pad"]; ok {
		list = append(list, "default pad="+v)
	}
	for _, op := range []string{"conv", "fc", "bn", "maxpool", "avgpool"} {
		line := ""
		for _, k := range sharedKeys[op] {
			v, ok := s.chosen[op+"."+k]
			if !ok || k == "pad" && v == s.chosen["pad"] {
				continue
			}
			line += " " + k + "=" + v
		}
		if line != "" {
			list = append(list, "default "+op+line)
		}
	}
	return list
}

// cost is the length of a stage in units: a word is two, a key=value three.
func (s *settings) cost(t *stage) int {
	n := 2
	for i := range t.fields {
		f := &t.fields[i]
		switch {
		case f.key == "stride" && f.alts[0] == "1" || s.hidden(t.op, f):
		case f.key == "stride":
			n++
		case f.positional():
			n += 2
		default:
			n += 3
		}
	}
	for _, q := range t.body {
		n += 1 + s.costOf(q.stages)
	}
	if t.proj != nil {
		n += 3 + s.costOf(t.proj.stages)
	}
	return n
}

func (s *settings) costOf(list []*stage) int {
	n := max(0, len(list)-1)
	for _, t := range list {
		n += s.cost(t)
	}
	return n
}
