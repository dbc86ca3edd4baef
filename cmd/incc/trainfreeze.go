package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
)

var freezeFlag = &cli.StringSliceFlag{Name: "freeze", Usage: "do not train these `PARTS`, labels or paths of layers with commas between: they keep their weights and batch norm statistics. This replaces the freeze statements of the spec; \"\" freezes nothing"}

// frozenByFlag returns the freeze statement that --freeze stands for, nil for none.
func frozenByFlag(c *cli.Context) []recipe.Freeze {
	parts := frozenParts(c)
	if len(parts) == 0 {
		return nil
	}
	return []recipe.Freeze{{Parts: parts}}
}

// frozenParts lists the parts that --freeze names.
func frozenParts(c *cli.Context) (parts []string) {
	for _, p := range c.StringSlice("freeze") {
		if p = strings.TrimSpace(p); p != "" && !slices.Contains(parts, p) {
			parts = append(parts, p)
		}
	}
	return parts
}

// checkFrozen returns an error if a part that --freeze names does not exist.
func checkFrozen(c *cli.Context, g *ir.Graph) error {
	if list := c.StringSlice("freeze"); len(list) > 1 || len(list) == 1 && strings.Contains(list[0], ",") {
		for _, p := range list {
			if strings.TrimSpace(p) == "" {
				return usagef("--freeze: a part has no name (want names with commas between; --freeze \"\" freezes nothing)")
			}
		}
	}
	paths := g.PartPaths()
	parts := frozenParts(c)
	for _, p := range parts {
		if !slices.Contains(paths, p) {
			near := didYouMean(p, paths)
			if near == "" {
				near = "; it has " + strings.Join(g.PartNames(), ", ")
			}
			return usagef("--freeze: %s has no part %s%s", g.Name, diag.Quote(p), near)
		}
	}
	if len(parts) > 0 && !g.Trains(parts, recipeOf(g).Rates) {
		return usagef("--freeze %s leaves nothing to train: leave out a part", diag.Printable(strings.Join(parts, ",")))
	}
	return nil
}

// introduceRates prints the factors on the learning rates of parts.
func (p *prepared) introduceRates(w io.Writer) {
	var l []string
	for _, r := range p.recipe.Rates {
		l = append(l, fmt.Sprintf("%s %g", diag.Printable(strings.Join(r.Parts, ", ")), r.By))
	}
	if len(l) > 0 {
		sayf(w, "factors on the learning rate: %s", strings.Join(l, "; "))
	}
}

// introduceFrozen prints what is not trained.
func (p *prepared) introduceFrozen(w io.Writer) {
	if len(p.recipe.Freeze) == 0 {
		return
	}
	var l []string
	for _, f := range p.recipe.Freeze {
		text := diag.Printable(strings.Join(f.Parts, ", "))
		switch epochs := p.recipe.Run.Epochs; {
		case f.Until > 0 && float64(f.Until) >= epochs:
			text += fmt.Sprintf(" (until epoch %d, so in the whole run: it has %g)", f.Until, epochs)
		case f.Until > 0:
			text += fmt.Sprintf(" (until epoch %d)", f.Until)
		}
		l = append(l, text)
	}
	frozen, all := 0, 0
	parts := p.recipe.Frozen(0)
	for _, v := range p.graph.Params {
		if v.Param.Kind != ir.Weight {
			continue
		}
		n := v.Type.Shape.Size()
		all += n
		if ir.UnderAny(v.Name, parts) {
			frozen += n
		}
	}
	sayf(w, "frozen: %s; %s of %s parameters are trained", strings.Join(l, ", "), diag.Thousands(int64(all-frozen)), diag.Thousands(int64(all)))
	if p.initial == nil {
		say(w, "the frozen parts are drawn at random: --init begins with trained weights")
	}
}
