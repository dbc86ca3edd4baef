package passes

import (
	"fmt"
	"sort"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// Step is a pass with its arguments.
type Step struct {
	Pass *Pass
	Args map[string]string // "" holds the variant
	// level says that the step is part of a level (O0, O1, O2) and was not asked for by
	// name.
	level bool
}

// Named reports whether the step was asked for by name, not as part of a level.
func (s Step) Named() bool { return !s.level }

// Variant returns the VARIANT of NAME=VARIANT. If none was given, it returns the default of
// the pass, or "" if the pass has no variants.
func (s Step) Variant() string {
	if v := s.Args[""]; v != "" || len(s.Pass.Variants) == 0 {
		return v
	}
	return s.Pass.Variants[0].Name
}

// String prints the step as Parse reads it.
func (s Step) String() string {
	var b strings.Builder
	b.WriteString(s.Pass.Name)
	if len(s.Pass.Variants) > 0 {
		b.WriteString("=" + s.Variant())
	}
	keys := make([]string, 0, len(s.Args))
	for k := range s.Args {
		if k != "" {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		b.WriteString("," + k)
		if v := s.Args[k]; v != "on" {
			b.WriteString("=" + v)
		}
	}
	return b.String()
}

// Pipeline is a list of passes with their arguments, in the order in which they run.
type Pipeline []Step

// String prints the pipeline as Parse reads it.
func (p Pipeline) String() string {
	s := make([]string, len(p))
	for i, x := range p {
		s[i] = x.String()
	}
	return strings.Join(s, ",")
}

// Parse reads what --passes= takes: names joined by commas, in the order in
// which they are to run. A name may have a variant, and arguments follow it:
//
//	fold-bn,merge-siblings
//	factorize=retrain,mid=out,only=5x5,force
//	O2,-merge-siblings        a level, without one of its passes
//	stack-3x3,O2
//
// Parse also checks the order (see Check). Errors name the possible passes and arguments,
// or suggest the nearest name.
func Parse(text string) (Pipeline, error) {
	var p Pipeline
	for _, w := range strings.Split(text, ",") {
		w = strings.TrimSpace(w)
		if w == "" {
			continue
		}
		key, val, has := strings.Cut(w, "=")
		switch name, minus := strings.CutPrefix(key, "-"); {
		case minus && len(name) == 2 && level(name) >= 0, level(key) >= 0:
			if has {
				return nil, fmt.Errorf("passes: %s takes no value", key)
			}
			p = append(p, Level(level(name))...)
			continue
		case minus:
			pass := Lookup(name)
			if pass == nil {
				return nil, unknown(name, p)
			}
			n := len(p)
			p = without(p, pass)
			if len(p) == n {
				return nil, fmt.Errorf("passes: -%[1]s: there is no %[1]s before it in the list", name)
			}
			continue
		}
		if pass := Lookup(key); pass != nil {
			s := Step{Pass: pass, Args: map[string]string{}}
			if has {
				if !hasArg(pass.Variants, val) {
					return nil, fmt.Errorf("passes: %s=%s: %s", key, diag.Printable(val), possible(pass.Variants, "it has no variants"))
				}
				s.Args[""] = val
			}
			p = append(p, s)
			continue
		}
		if len(p) == 0 || p[len(p)-1].level || !hasArg(p[len(p)-1].Pass.Args, key) {
			return nil, unknown(key, p)
		}
		if !has {
			val = "on"
		}
		p[len(p)-1].Args[key] = val
	}
	return p, p.Check()
}

// level returns the number of O0, O1 or O2, and -1 for any other text.
func level(s string) int {
	if len(s) == 2 && (s[0] == 'O' || s[0] == 'o') && s[1] >= '0' && s[1] <= '0'+MaxLevel {
		return int(s[1] - '0')
	}
	return -1
}

func without(p Pipeline, pass *Pass) Pipeline {
	var r Pipeline
	for _, s := range p {
		if s.Pass != pass {
			r = append(r, s)
		}
	}
	return r
}

func hasArg(as []Arg, name string) bool {
	for _, a := range as {
		if a.Name == name {
			return true
		}
	}
	return false
}

func possible(as []Arg, none string) string {
	if len(as) == 0 {
		return none
	}
	names := make([]string, len(as))
	for i, a := range as {
		names[i] = a.Name
	}
	return "want " + strings.Join(names, ", ")
}

func unknown(name string, before Pipeline) error {
	var names []string
	for _, p := range All() {
		names = append(names, p.Name)
	}
	if len(before) > 0 {
		for _, a := range before[len(before)-1].Pass.Args {
			names = append(names, a.Name)
		}
	}
	msg := fmt.Sprintf("passes: unknown pass %s", diag.Quote(name))
	if s, ok := diag.Nearest(name, names); ok {
		return fmt.Errorf("%s; did you mean %s?", msg, s)
	}
	return fmt.Errorf("%s (want %s, or a level: O0, O1, O2)", msg, strings.Join(names, ", "))
}

// Check returns an error if a pass comes before one that it must follow.
func (p Pipeline) Check() error {
	for i, s := range p {
		for _, c := range s.Pass.After {
			for _, later := range p[i+1:] {
				if later.Pass.Name == c.Pass && !p[:i].has(c.Pass) {
					return fmt.Errorf("passes: %s must run after %s: %s", s.Pass.Name, c.Pass, c.Why)
				}
			}
		}
	}
	return nil
}

func (p Pipeline) has(name string) bool {
	for _, s := range p {
		if s.Pass.Name == name {
			return true
		}
	}
	return false
}
