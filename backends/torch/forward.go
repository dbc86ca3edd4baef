package torch

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
)

// step is a statement of a forward method. In its text, \x00 and the number of a value stand
// for the variable that holds the value.
type step struct {
	text    string
	in      []*ir.Value // in the order of the text, once for each place
	out     []*ir.Value
	name    string // what a variable for its result is called, if x and y are taken
	follows bool   // see call
	joins   bool   // its operands may stand in its text
	any     bool   // see call
	head    *ir.Head
}

// mostInline is the length up to which one call encloses another.
const mostInline = 60

// method prints the body of forward.
type method struct {
	m     *module
	ids   map[*ir.Value]int
	steps []step
	ret   []*ir.Value
	args  map[*ir.Value]string // variables of the inputs
	uses  map[*ir.Value]int
}

func (f *method) ref(v *ir.Value) string {
	id, ok := f.ids[v]
	if !ok {
		id = len(f.ids)
		f.ids[v] = id
	}
	return "\x00" + strconv.Itoa(id) + "\x00"
}

var placeholder = regexp.MustCompile(`%\d+`)

// nodeStep returns the statement of a node. self is its module's attribute.
func (f *method) nodeStep(c *call, self string, loose func(*ir.Value) string) step {
	s := step{out: c.n.Out, follows: c.follows, any: c.any, name: identifier(lastName(c.n.Out[0].Name))}
	s.joins = strings.HasPrefix(c.text, "torch.cat(") || strings.Contains(c.text, "%0 + %1")
	s.text = placeholder.ReplaceAllStringFunc(strings.ReplaceAll(c.text, "@", "self."+self), func(p string) string {
		i, _ := strconv.Atoi(p[1:])
		v := c.n.In[i]
		if v.Param != nil {
			return "self." + loose(v)
		}
		s.in = append(s.in, v)
		return f.ref(v)
	})
	return s
}

// kidStep returns the statement that calls a module inside.
func (f *method) kidStep(kid *module, call string) step {
	args := make([]string, len(kid.in))
	for i, v := range kid.in {
		args[i] = f.ref(v)
	}
	return step{text: call + "(" + strings.Join(args, ", ") + ")", in: kid.in, out: kid.out, name: kid.attr, any: true, head: kid.head}
}

// count counts how often each value is read.
func (f *method) count() {
	f.uses = map[*ir.Value]int{}
	for _, s := range f.steps {
		for _, v := range s.in {
			f.uses[v]++
		}
	}
	for _, v := range f.ret {
		f.uses[v]++
	}
}

// inline puts the text of a statement in the place of its result where that is read once, by
// the next statement, and short: F.relu(self.conv(x)).
func (f *method) inline() {
	f.count()
	var done []step
	for _, s := range f.steps {
		n := 0 // how many of the last statements s may enclose
		if s.follows || s.joins {
			want := slices.Clone(s.in)
			for k := len(done) - 1; k >= 0 && len(want) > 0; k-- {
				p := done[k]
				at := slices.IndexFunc(want, func(v *ir.Value) bool { return len(p.out) == 1 && v == p.out[0] })
				if at < 0 || f.uses[p.out[0]] != 1 || p.head != nil {
					break
				}
				want = want[:at]
				n++
			}
		}
		longest := 0
		for _, p := range done[len(done)-n:] {
			longest += len(p.text)
		}
		if longest+len(s.text) > mostInline*(1+n/2) {
			n = 0
		}
		for _, p := range done[len(done)-n:] {
			text := p.text
			if strings.Contains(topLevel(text), " ") && !s.follows {
				text = "(" + text + ")"
			}
			s.text = strings.Replace(s.text, f.ref(p.out[0]), text, 1)
			at := slices.Index(s.in, p.out[0])
			s.in = slices.Replace(slices.Clone(s.in), at, at+1, p.in...)
		}
		if n > 0 && !s.joins {
			s.name = done[len(done)-1].name
		}
		done = append(done[:len(done)-n], s)
	}
	f.steps = done
}

// topLevel returns text without what stands in brackets.
func topLevel(text string) string {
	var b strings.Builder
	depth := 0
	for _, r := range text {
		switch r {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		default:
			if depth == 0 {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

var valueRef = regexp.MustCompile("\x00\\d+\x00")

// body prints the statements, after which the results are in the variables that it returns.
// The last statement is left to the caller as an expression if last is set and the expression
// is surely a tensor.
func (f *method) body(indent string, last bool) (text, result string, vars map[*ir.Value]string) {
	f.inline()
	f.count()
	n := f.newNames()
	values := make([]*ir.Value, len(f.ids))
	for v, id := range f.ids {
		values[id] = v
	}
	var b strings.Builder
	for i, s := range f.steps {
		expr := valueRef.ReplaceAllStringFunc(s.text, func(r string) string {
			id, _ := strconv.Atoi(strings.Trim(r, "\x00"))
			return n.vars[values[id]]
		})
		if s.head != nil {
			n.vars[s.out[0]] = expr
			continue
		}
		sure := strings.HasPrefix(expr, "F.") || strings.HasPrefix(expr, "torch.")
		if last && i == len(f.steps)-1 && len(s.out) == 1 && len(f.ret) == 1 && f.ret[0] == s.out[0] && sure {
			return b.String(), expr, n.vars
		}
		targets := n.targets(i, s)
		if len(targets) == 1 && targets[0] == "_" {
			continue
		}
		left := strings.Join(targets, ", ")
		if len(targets) == 1 && !n.known[left] && !sure && (left == "x" || slices.Contains(f.ret, s.out[0])) {
			left += ": Tensor"
		}
		for _, t := range targets {
			n.known[t] = true
		}
		b.WriteString(breakLine(indent, left+" = "+expr, ""))
	}
	return b.String(), "", n.vars
}

// naming chooses the variables of a forward method.
type naming struct {
	f       *method
	end     map[*ir.Value]int // the last statement that reads a value
	forHead map[*ir.Value]bool
	vars    map[*ir.Value]string
	known   map[string]bool // variables whose type mypy knows
}

func (f *method) newNames() *naming {
	n := &naming{f: f, end: map[*ir.Value]int{}, forHead: map[*ir.Value]bool{}, vars: map[*ir.Value]string{}, known: map[string]bool{}}
	for i, s := range f.steps {
		for _, v := range s.in {
			n.end[v] = i
			if s.head != nil {
				n.forHead[v] = true
			}
		}
	}
	for _, v := range f.ret {
		n.end[v] = len(f.steps)
	}
	for v, name := range f.args {
		n.vars[v] = name
		n.known[name] = true
	}
	return n
}

// live reports whether a variable holds a value that is read after a statement. The
// argument images keeps its value.
func (n *naming) live(name string, after int) bool {
	for v, other := range n.vars {
		if other == name && (n.end[v] > after || name == "images") {
			return true
		}
	}
	return false
}

// targets chooses the variables of the results of statement i: x, if it is free, and y for
// a result that is read once. Others are called after the layer or module.
func (n *naming) targets(i int, s step) []string {
	var targets []string
	for _, v := range s.out {
		if n.f.uses[v] == 0 {
			targets = append(targets, "_")
			continue
		}
		name := ""
		switch {
		case len(s.out) > 1 || n.forHead[v]:
		case !n.live("x", i):
			name = "x"
		case !n.live("y", i) && n.f.uses[v] == 1:
			name = "y"
		}
		if name == "" {
			name = s.name
			for k := 2; n.live(name, i) || slices.Contains(targets, name) || reserved[name]; k++ {
				name = fmt.Sprintf("%s_%d", s.name, k)
			}
		}
		targets = append(targets, name)
		n.vars[v] = name
	}
	return targets
}
