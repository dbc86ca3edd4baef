package dsl

import (
	"fmt"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// independent drops problems that may be consequences of a syntax error: problems on the
// same line, problems with shapes, and unknown names that a broken block may declare.
func independent(found, syntax diag.List, f *File) diag.List {
	lines := map[int]bool{}
	for _, d := range syntax {
		lines[d.Span.Line] = true
		for _, r := range d.Related {
			lines[r.Span.Line] = true
		}
	}
	var keep diag.List
	for _, d := range found {
		switch {
		case d.Span.IsValid() && lines[d.Span.Line] && d.Span.File == f.Path:
		case d.Code == "E0404" || d.Code == "E0405" || d.Code == "E0602" || d.Code == "E0603" || d.Code == "E0605":
			keep = append(keep, d)
		case d.Code == "E0401" && !strings.Contains(string(f.Src), "block"):
			keep = append(keep, d)
		}
	}
	return keep
}

type toldKey struct {
	code string
	span diag.Span
}

// err reports an error. It reports the same error at the same place only once, although a
// block may be used several times. An error inside of the prelude is reported at the place
// in the user's file that uses the block.
func (b *builder) err(cx context, code string, at diag.Span, format string, args ...any) *diag.Diagnostic {
	return b.tell(&b.diags, diag.Error, cx, code, at, fmt.Sprintf(format, args...))
}

func (b *builder) warn(cx context, code string, at diag.Span, format string, args ...any) *diag.Diagnostic {
	return b.tell(&b.lints, diag.Warning, cx, code, at, fmt.Sprintf(format, args...))
}

func (b *builder) tell(l *diag.List, sev diag.Severity, cx context, code string, at diag.Span, text string) *diag.Diagnostic {
	span := at
	if inPrelude(at) {
		span = b.userSpan(cx, at)
	}
	key := toldKey{code, at}
	if b.told[key] != nil || b.full {
		return &diag.Diagnostic{}
	}
	if len(b.diags) >= MaxProblems {
		b.full = true
		b.diags.Errorf("E0110", span, "too many problems: only the first %d of this file are reported", MaxProblems)
		return &diag.Diagnostic{}
	}
	d := &diag.Diagnostic{Severity: sev, Code: code, Span: span, Summary: text}
	b.told[key] = d
	if span != at {
		d.Relate(at, "in the prelude")
	}
	l.Add(d)
	return d
}

// uses adds to a diagnostic the places where the blocks around it are used, at most three,
// innermost first.
func (b *builder) uses(d *diag.Diagnostic, cx context) *diag.Diagnostic {
	n := 0
	for u := cx.use; u != nil && n < 3; u = u.outer {
		s := u.call.Span()
		if inPrelude(s) || s == d.Span {
			continue
		}
		d.Relate(s, "in this use of %s", u.blk.ast.Name.Name)
		n++
	}
	return d
}

func inPrelude(s diag.Span) bool { return s.File == PreludePath }

// userSpan returns the place in the user's file that led to the place s.
func (b *builder) userSpan(cx context, s diag.Span) diag.Span {
	for u := cx.use; inPrelude(s) && u != nil; u = u.outer {
		s = u.call.Span()
	}
	return s
}

// tellCalls tells Options.Calls where a layer comes from.
func (b *builder) tellCalls(n *ir.Node, cx context) {
	if b.opt.Calls == nil || b.checking {
		return
	}
	var at []diag.Pos
	for u := cx.use; u != nil; u = u.outer {
		if s := u.call.Name.Span; !inPrelude(s) {
			at = append(at, s.Pos)
		}
	}
	if len(at) > 0 {
		b.opt.Calls(n, at)
	}
}

// from adds to a diagnostic the place of the call that made a value, with a text.
func (b *builder) from(d *diag.Diagnostic, v *ir.Value, cx context, format string, args ...any) {
	if v == nil {
		return
	}
	if s := b.origin[v]; s != d.Span {
		d.Relate(s, format, args...)
	}
}

// inferError reports an op whose operands do not meet its constraints.
func (b *builder) inferError(cx context, c *Call, err error, in []*ir.Value) {
	e, ok := err.(*ir.ConstraintError)
	if !ok {
		d := b.err(cx, "E0309", c.Span(), "%v", err)
		if len(in) > 0 {
			b.from(d, in[0], cx, "its input, %s, comes from here", image(in[0]))
		}
		b.uses(d, cx)
		return
	}
	d := b.err(cx, "E0308", c.Span(), "%s: %s", c.Name.Name, e.Msg)
	if e.Help != "" {
		d.WithHelp("%s", e.Help)
	}
	i := max(e.Operand, 0)
	if i < len(in) {
		b.from(d, in[i], cx, "its input, %s, comes from here", image(in[i]))
	}
	b.uses(d, cx)
}

// image returns the shape of a value without its batch axis: 64x56x56.
func image(v *ir.Value) string {
	s := v.Type.Shape
	if len(s) > 0 && s[0] == ir.Batch {
		s = s[1:]
	}
	return s.String()
}
