package decompile

import (
	"slices"
	"strconv"

	"github.com/incc-lang/incc/ir"
)

// field is an argument of a stage: a value by position, or a key.
type field struct {
	key string // kernel, stride and units are written by position, and so is a key that begins with #
	// alts are the texts that mean the same here, the best one first: same and 1 for a
	// padding. The text auto stands for the default that the op itself has.
	alts []string
	// name is true if the text is the name of a parameter of the block around the stage.
	name bool
}

func (f *field) positional() bool {
	return f.key == "kernel" || f.key == "stride" || f.key == "units" || f.key[0] == '#'
}

// stage is a call in a pipeline.
type stage struct {
	op     string
	fields []field
	body   []*seq // the branches of a join; the one pipeline of residual, repeat and head
	proj   *seq   // of a residual
	block  *block // if op is a block of the file

	in, out *ir.Value
	ref     *ir.Value   // of from: the value that it reads
	ends    bool        // its line must end with it, because others read its output by the name of the line
	params  []*ir.Value // its weights, in the order in which a net declares them
	path    []string    // of names around it, from the names of the graph
	sure    bool        // path[0] names a part of a spec, even if the stage has no weights
}

// seq is a pipeline.
type seq struct {
	label  string
	path   []string // what the paths of its stages have in common
	head   bool     // it is the body of a head
	stages []*stage
}

// block is a block of the file.
type block struct {
	name   string
	params []string
	body   *seq
}

func (s *stage) set(key string, alts ...string) {
	s.fields = append(s.fields, field{key: key, alts: alts})
}

// first returns the preferred text of a field, "" if the stage does not have it.
func (s *stage) first(key string) string {
	if f := s.field(key); f != nil {
		return f.alts[0]
	}
	return ""
}

func (s *stage) field(key string) *field {
	for i := range s.fields {
		if s.fields[i].key == key {
			return &s.fields[i]
		}
	}
	return nil
}

// seqs returns the pipelines inside of a stage, in the order in which a net builds them.
func (s *stage) seqs() []*seq {
	if s.proj != nil {
		return append(slices.Clone(s.body), s.proj)
	}
	return s.body
}

// each calls f for a stage and all stages inside of it.
func (s *stage) each(f func(*stage)) {
	f(s)
	for _, q := range s.seqs() {
		for _, t := range q.stages {
			t.each(f)
		}
	}
}

// eachStage calls f for all stages of pipelines.
func eachStage(list []*seq, f func(*stage)) {
	for _, q := range list {
		for _, s := range q.stages {
			s.each(f)
		}
	}
}

// clone returns a deep copy of a stage, apart from its weights and blocks.
func (s *stage) clone() *stage {
	c := *s
	c.fields = make([]field, len(s.fields))
	for i, f := range s.fields {
		c.fields[i] = field{f.key, slices.Clone(f.alts), f.name}
	}
	c.body = nil
	for _, q := range s.body {
		c.body = append(c.body, q.clone())
	}
	if s.proj != nil {
		c.proj = s.proj.clone()
	}
	return &c
}

func (q *seq) clone() *seq {
	c := &seq{label: q.label, head: q.head}
	for _, s := range q.stages {
		c.stages = append(c.stages, s.clone())
	}
	return c
}

// weights returns the weights of a pipeline in the order in which a net declares them.
func weights(q *seq) []*ir.Value {
	var vs []*ir.Value
	for _, s := range q.stages {
		for _, in := range s.seqs() {
			vs = append(vs, weights(in)...)
		}
		vs = append(vs, s.params...)
	}
	return vs
}

func itoa(n int) string { return strconv.Itoa(n) }
