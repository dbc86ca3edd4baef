package dsl

import (
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
)

// Statements of train about parts of the network: freeze and rate. A part is a label,
// or the path of a block or layer below it. A path holds a slash, which no word of a
// net may hold, so it stands in quotes there: freeze "3a/conv_1x1". Parts are never
// lets.

// aboutParts is where a recipe keeps the statements of one name.
type aboutParts struct {
	add   func(t *recipe.Train)                 // adds an empty statement
	parts func(t *recipe.Train) *[]string       // of the last statement
	each  func(t *recipe.Train) []*recipe.Train // recipes that hold one of the statements each
}

func freezeStmt() trainStmt {
	last := func(t *recipe.Train) *recipe.Freeze { return &t.Freeze[len(t.Freeze)-1] }
	return trainStmt{name: "freeze", many: true,
		doc:  "Parts of the network that are not trained: they keep their weights and the running statistics of their batch norms, which then compute as in inference. Their dropout stays on. Nothing is computed backwards below the last part that is trained. If the parts at the begin of the network are frozen and pictures are not augmented, incc train --cache-features computes what they make of each image only once. A part is a label, or in quotes the path of a block or layer: freeze stem 3a \"3b/conv_1x1\".",
		keys: []trainKey{num("until", kCount, "the last epoch in which they are frozen; the next one begins with the optimizer's slots at 0", func(t *recipe.Train) any { return &last(t).Until })},
		about: &aboutParts{
			add:   func(t *recipe.Train) { t.Freeze = append(t.Freeze, recipe.Freeze{}) },
			parts: func(t *recipe.Train) *[]string { return &last(t).Parts },
			each: func(t *recipe.Train) []*recipe.Train {
				var l []*recipe.Train
				for i := range t.Freeze {
					l = append(l, &recipe.Train{Freeze: t.Freeze[i : i+1 : i+1]})
				}
				return l
			},
		}}
}

func rateStmt() trainStmt {
	last := func(t *recipe.Train) *recipe.Rate { return &t.Rates[len(t.Rates)-1] }
	return trainStmt{name: "rate", many: true,
		doc:  "Parts of the network that are trained at another learning rate, such as lower ones for parts that begin with trained weights: rate stem 3a by=0.1. Factors of a part, of parts around it, and of lr= of a layer multiply.",
		keys: []trainKey{num("by", kNonNeg, "factor on the learning rate", func(t *recipe.Train) any { return &last(t).By })},
		about: &aboutParts{
			add:   func(t *recipe.Train) { t.Rates = append(t.Rates, recipe.Rate{}) },
			parts: func(t *recipe.Train) *[]string { return &last(t).Parts },
			each: func(t *recipe.Train) []*recipe.Train {
				var l []*recipe.Train
				for i := range t.Rates {
					l = append(l, &recipe.Train{Rates: t.Rates[i : i+1 : i+1]})
				}
				return l
			},
		}}
}

// namedPart is a part that a statement of train names.
type namedPart struct {
	path string
	at   diag.Span
	stmt string
}

// partsOf reads the parts of a statement. Whether there are such parts is known when
// the network is built.
func (b *builder) partsOf(row *trainStmt, c *Call, t *recipe.Train, cx context) {
	row.about.add(t)
	pos := c.Positional()
	if len(pos) == 0 {
		b.err(cx, "E0402", c.Name.Span.After(), "%s needs the name of a part of the network", row.name).
			WithHelp("a part is a label of the net, as in: %s stem", row.name)
	}
	for _, a := range pos {
		if a.Value.Body != nil {
			b.err(cx, "E0405", a.Span(), "a part of %s is a label, not a pipeline", row.name)
			continue
		}
		for _, l := range a.Value.Items {
			path := l.Raw
			if l.Kind == StringLit {
				path = l.Text
			}
			list := row.about.parts(t)
			if slices.Contains(*list, path) {
				b.err(cx, "E0607", l.Span, "%s names %s twice", row.name, diag.Quote(path)).WithHelp("delete one of the two")
				continue
			}
			*list = append(*list, path)
			b.named = append(b.named, namedPart{path, l.Span, row.name})
		}
	}
	if row.name == "rate" && c.Keyed("by") == nil {
		b.err(cx, "E0402", c.Span().After(), "rate needs by=").WithHelp("by=0.1 trains the parts at a tenth of the learning rate")
	}
}

// checkParts reports parts that statements of train name and the network does not have.
func (b *builder) checkParts() {
	if len(b.named) == 0 {
		return
	}
	g := b.g.Graph()
	paths := g.PartPaths()
	for _, n := range b.named {
		if slices.Contains(paths, n.path) {
			continue
		}
		cx := context{env: &env{lib: b.lib}, scope: b.root}
		d := b.err(cx, "E0608", n.at, "%s: the network has no part %s", n.stmt, diag.Quote(n.path))
		if near, ok := diag.Nearest(n.path, paths); ok {
			d.WithHelp("did you mean %s?", near).Suggest(n.at, partWord(near, b.file.Kind))
		} else {
			d.WithHelp("it has %s", partList(g))
		}
	}
}

// checkTrained reports freeze and rate statements that leave nothing to train in the
// first epoch, in which most is frozen.
func (b *builder) checkTrained() {
	g := b.g.Graph()
	t := g.Recipe.Train
	if t == nil || len(b.named) == 0 {
		return
	}
	frozen := t.Frozen(0)
	last := func(parts []string, stmt string) namedPart {
		var l namedPart
		for _, n := range b.named {
			if n.stmt == stmt && slices.Contains(parts, n.path) {
				l = n
			}
		}
		return l
	}
	var at namedPart
	switch {
	case !g.Trains(nil, nil): // not by these statements
		return
	case !g.Trains(frozen, nil):
		at = last(frozen, "freeze")
	case !g.Trains(frozen, t.Rates):
		var stopped []string
		for _, r := range t.Rates {
			if r.By == 0 {
				stopped = append(stopped, r.Parts...)
			}
		}
		at = last(stopped, "rate")
	default:
		return
	}
	if at.stmt == "" {
		return // the engine of the training reports it
	}
	cx := context{env: &env{lib: b.lib}, scope: b.root}
	d := b.err(cx, "E0609", at.at, "with this %s statement nothing is trained", at.stmt)
	if at.stmt == "rate" {
		d.WithHelp("leave out a part, or write by= with a number above 0")
	} else {
		d.WithHelp("leave out a part: at least one part has to be trained")
	}
}

// partList names the parts of a network for a message.
func partList(g *ir.Graph) string {
	const most = 20
	names := g.PartNames()
	if len(names) > most {
		names = append(names[:most:most], "…")
	}
	return strings.Join(names, ", ")
}

// partWord is a part as a text names it: in quotes where it is not a plain name.
func partWord(path string, kind Kind) string {
	if kind == Net && !plainName(path) {
		return strconv.Quote(path)
	}
	return attrWord(path)
}

// aboutText returns the arguments and the keys of the only statement of a recipe about
// parts.
func (s *trainStmt) aboutText(t *recipe.Train) (args, keys []string) {
	for _, p := range *s.about.parts(t) {
		args = append(args, partWord(p, Net))
	}
	for _, k := range s.keys {
		text := fieldText(k.field(t, nil))
		if text == "" && s.name == "rate" {
			text = "0" // a rate of 0 says something
		}
		if text != "" {
			keys = append(keys, k.name+"="+text)
		}
	}
	return args, keys
}
