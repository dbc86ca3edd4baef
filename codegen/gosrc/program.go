package gosrc

import (
	"fmt"
	"strings"

	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
)

// program is a plan as Go code: the table of its steps, a method for each section, and the
// places of the operands. The type Session has one program, Trainer another.
type program struct {
	Type, Recv string // type and receiver name of the methods
	Var        string // name of the variable with the table of steps
	Tables     string // Go expression for the steps' tables of offsets
	Steps      []step
	Sections   []section
	Joined     []joined // phases of several steps
	Edges      edges

	Plan *plan.Plan
	hold func(o plan.Operand) string // returns a Go expression for the place of an operand outside of the arena
}

type step struct {
	Index      int
	Name       string // name of the result, for comments
	Kernel     string // Go expression
	Says       string // text of a comment
	Bind       string // fields of kernel.Args, as Go
	SectionDoc string // name of the section's function, for the first step of a section
}

type section struct {
	Func string
	Says []string
	Runs []run
}

// run is a phase: one step, or several that run in parallel.
type run struct {
	Says   string
	Step   int
	Joined int      // index into Joined, -1 for none
	Beside []string // comments about its steps
}

type joined struct {
	Index int
	Jobs  []job
}

type job struct{ Step, Weight int }

// edges are the operands in the caller's memory.
type edges struct{ In, Out []edgeAt }

// edgeAt is the place of an operand, a Go expression, and the index of the input or output.
type edgeAt struct {
	At   string
	Port int
}

// newProgram returns the program of a plan for inference.
func newProgram(g *ir.Graph, p *plan.Plan) (*program, error) {
	r := &program{Type: "Session", Recv: "s", Var: "steps", Tables: "m.tables", Plan: p}
	if err := r.steps(); err != nil {
		return nil, err
	}
	names := taken{}
	for _, m := range []string{"infer", "run", "bind", "args", "model", "team", "arena", "body", "jobs", "scores", "one", "sizes"} {
		names[m] = true
	}
	names.numbered(len(p.Steps))
	for _, sec := range p.Sections {
		name := names.give(sectionName(p, sec), "part")
		says := name + " computes "
		if sec.Name == "" {
			says += "what has no label"
		} else {
			says += "part " + partText(g, sec.Name)
		}
		if s := gives(g, sec.Name); len(s) > 1 {
			says += ", which gives " + shape(s)
		}
		r.section(name, says, sec.First, sec.End)
	}
	return r, nil
}

// partText returns the name of a labelled part, with its line in the spec, for comments.
func partText(g *ir.Graph, name string) string {
	says := comment(name) + " of the spec"
	for _, part := range g.Parts {
		if part.Name == name && part.Pos.Line > 0 {
			says += fmt.Sprintf(", line %d", part.Pos.Line)
		}
	}
	return says
}

func (r *program) steps() error {
	for i, s := range r.Plan.Steps {
		k, err := kernelText(s.Do)
		if err != nil {
			return fmt.Errorf("step %s: %w", comment(s.Name), err)
		}
		says := comment(s.Name) + ": " + comment(s.Algo)
		if len(s.Shape) > 1 {
			says += " to " + shape(s.Shape)
		}
		if n := s.Cost.MACs / int64(r.Plan.Batch); n > 0 {
			says += ", " + count(n) + " MACs"
		}
		x := step{Index: i, Name: comment(s.Name), Kernel: k, Says: says}
		var fields []string
		for _, l := range []struct {
			name string
			ops  [4]plan.Operand
			edge *[]edgeAt
		}{{"In", s.In, &r.Edges.In}, {"Out", s.Out, &r.Edges.Out}} {
			var bufs []string
			n := 0
			for j, o := range l.ops {
				if o.Space == plan.Nowhere {
					bufs = append(bufs, "{}")
					continue
				}
				held := ""
				if r.hold != nil {
					held = r.hold(o)
				}
				switch {
				case held != "":
					bufs = append(bufs, held)
				case o.Space == plan.Arena:
					bufs = append(bufs, fmt.Sprintf("at(%d)", o.Off))
				case o.Space == plan.Input || o.Space == plan.Output:
					*l.edge = append(*l.edge, edgeAt{fmt.Sprintf("%s.args[%d].%s[%d]", r.Recv, i, l.name, j), o.Index})
					bufs = append(bufs, fmt.Sprintf("{Off: %d}", o.Off))
				default:
					return fmt.Errorf("step %s has an operand among the params, which only training has", comment(s.Name))
				}
				n = j + 1
			}
			if n > 0 {
				fields = append(fields, l.name+": [4]kernel.Buf{"+strings.Join(bufs[:n], ", ")+"}")
			}
		}
		var ws []string
		n := 0
		for j := range s.W {
			switch {
			case s.W[j] > 0:
				y := r.Plan.Weights[s.W[j]-1]
				ws = append(ws, fmt.Sprintf("w(%d, %d)", y.Off, y.Len))
			case s.WLen[j] > 0 && s.WAt[j].Space == plan.Params:
				ws = append(ws, fmt.Sprintf("p(%d, %d)", s.WAt[j].Off, s.WLen[j]))
			case s.WLen[j] > 0:
				ws = append(ws, fmt.Sprintf("a(%d, %d)", s.WAt[j].Off, s.WLen[j]))
			default:
				ws = append(ws, "nil")
				continue
			}
			n = j + 1
		}
		if n > 0 {
			fields = append(fields, "W: [4][]float32{"+strings.Join(ws[:n], ", ")+"}")
		}
		fields = append(fields, fmt.Sprintf("Table: %s[%d]", r.Tables, i))
		x.Bind = strings.Join(fields, ", ")
		r.Steps = append(r.Steps, x)
	}
	return nil
}

// section adds a function for the steps first..end-1, which must be whole phases.
func (r *program) section(name, says string, first, end int) {
	p := r.Plan
	x := section{Func: name}
	var macs int64
	for _, s := range p.Steps[first:end] {
		macs += s.Cost.MACs / int64(p.Batch)
	}
	if macs > 0 {
		says += ": " + count(macs) + " MACs per image"
	}
	x.Says = append(x.Says, says+".")
	for i := first; i < end; {
		next := i + 1
		for next < end && p.Steps[next].Phase == p.Steps[i].Phase {
			next++
		}
		run := run{Step: i, Joined: -1, Says: r.Steps[i].Says}
		if next > i+1 {
			j := joined{Index: len(r.Joined)}
			for k := i; k < next; k++ {
				// The weight of a job is the predicted time of one task, in units of 0.1 µs. The
				// executor uses the same weights.
				s := p.Steps[k]
				w := int(s.Cost.Seconds * 1e7 / float64(max(1, s.Do.Tasks(p.Batch))))
				j.Jobs = append(j.Jobs, job{k, max(1, w)})
			}
			run.Joined = j.Index
			for _, s := range r.Steps[i:next] {
				run.Beside = append(run.Beside, s.Says)
			}
			r.Joined = append(r.Joined, j)
		}
		x.Runs = append(x.Runs, run)
		i = next
	}
	r.Steps[first].SectionDoc = x.Func
	r.Sections = append(r.Sections, x)
}

// gives returns the shape of a part's result, nil for an unknown part.
func gives(g *ir.Graph, part string) ir.Shape {
	for _, p := range g.Parts {
		if p.Name == part && part != "" {
			return p.Out.Type.Shape
		}
	}
	return nil
}

// sectionName returns a name for a section: its label. A label that begins with a digit gets
// the name of the block in it as a prefix, so that 3a gives inception_3a.
func sectionName(p *plan.Plan, s plan.Section) string {
	if s.Name == "" {
		return "unlabelled"
	}
	if s.Name[0] < '0' || s.Name[0] > '9' {
		return s.Name
	}
	block := ""
	for _, st := range p.Steps[s.First:s.End] {
		for _, name := range st.From {
			rest, ok := strings.CutPrefix(name, s.Name+"/")
			if !ok {
				continue
			}
			b, _, nested := strings.Cut(rest, "/")
			if !nested {
				continue
			}
			b = strings.TrimRight(strings.TrimRight(b, "0123456789"), "_")
			if block != "" && b != block {
				return s.Name
			}
			block = b
		}
	}
	if len(block) < 3 {
		return s.Name
	}
	return block + "_" + s.Name
}
