package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

func diffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "compare two specs: statements and layers",
		UsageText: "incc diff SPEC_A SPEC_B [-D NAME=VALUE] [--all] [--json]",
		Description: `Example:

   incc diff mnist/inception_v1 mnist/inception_v3

First it lists the lets and the statements input, labels and train that differ, with
the values of both specs; defaults count as if they were written.

Blocks and layers are matched by what they compute and by their place, then by their
names. A block in the place of another one is one row with the counts of both; blocks
of one name that differ inside are compared layer by layer.

The first column has < for layers that only A has, > for layers that only B has, !
for layers that differ, and ~ for equal layers with different names. Layers that
differ only in their receptive field are not listed.`,
		Flags: append([]cli.Flag{defineFlag, jsonFlag, &cli.BoolFlag{Name: "all", Usage: "show what is equal too"}}, modelFlags()...),
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return usagef("incc diff needs two specs, not %d\n   %s", c.NArg(), c.Command.UsageText)
			}
			var d diff
			for i := range 2 {
				g, src, err := load(c, c.Args().Get(i))
				if err != nil {
					return err
				}
				defs, err := defines(c)
				if err != nil {
					return err
				}
				d.settings[i] = append(dsl.Settings(src.text, g, dsl.Options{Defines: defs}), labelSettings(g.Recipe.Labels)...)
				d.sum[i], d.graphs[i], d.files[i] = ir.Summarize(g), g, c.Args().Get(i)
			}
			// Where the train blocks name other initializations, that is said once.
			inits := trainInit(d.graphs[0]) == trainInit(d.graphs[1])
			d.rows = openBlocks(alignUnits(diffUnits(d.graphs[0], d.sum[0], inits), diffUnits(d.graphs[1], d.sum[1], inits)))
			if c.Bool("json") {
				return d.writeJSON(c)
			}
			d.write(c)
			return nil
		},
	}
}

// diff is the comparison of two networks.
type diff struct {
	files  [2]string // as the user named them
	graphs [2]*ir.Graph
	sum    [2]ir.Summary
	rows   []diffRow

	settings [2][]dsl.Setting
}

// trainInit is the initialization that the train block of a spec names, or "".
func trainInit(g *ir.Graph) string {
	if t := g.Recipe.Train; t != nil {
		return t.Init
	}
	return ""
}

// name returns the name of a row: both names if they differ.
func (r diffRow) name() string {
	switch {
	case r.b == nil:
		return r.a.Name
	case r.a == nil || r.a.Name == r.b.Name:
		return r.b.Name
	}
	if dir := r.a.Name[:strings.LastIndex(r.a.Name, "/")+1]; dir != "" && strings.HasPrefix(r.b.Name, dir) {
		return r.a.Name + " -> " + r.b.Name[len(dir):]
	}
	return r.a.Name + " -> " + r.b.Name
}

// change says in words what differs.
func (r diffRow) change() string {
	switch r.mark() {
	case "<":
		return r.a.what()
	case ">":
		return r.b.what()
	case "!":
		return strings.Join(changes(r.a, r.b), ", ")
	}
	return ""
}

func (d *diff) write(c *cli.Context) {
	d.writeSettings(c.App.Writer, c.Bool("all"))
	t := newTable("", "layer", "change", d.files[0], ">params", ">MACs", ">RF", d.files[1], ">params", ">MACs", ">RF")
	for _, r := range d.rows {
		if r.mark() == "" && !c.Bool("all") {
			continue
		}
		name := r.name()
		if r.a != nil && r.a.Head || r.b != nil && r.b.Head {
			name += " *"
		}
		cells := []any{r.mark(), name, r.change(), "", "", "", "", "", "", "", ""}
		for i, u := range []*diffUnit{r.a, r.b} {
			if u != nil {
				copy(cells[3+4*i:], []any{u.Out.Shape.WithoutBatch().String(), countText(u.Params), countText(u.MACs), u.RF.Short()})
			}
		}
		t.Add(cells...)
	}
	t.Rule()
	a, b := d.sum[0], d.sum[1]
	t.Add("", "total", "", "", diag.Thousands(a.Params), diag.Thousands(a.MACs), a.RF.Short(), "", diag.Thousands(b.Params), diag.Thousands(b.MACs), b.RF.Short())
	if a.HeadParams+b.HeadParams > 0 {
		t.Add("", "with heads", "", "", diag.Thousands(a.Params+a.HeadParams), diag.Thousands(a.MACs+a.HeadMACs), "",
			"", diag.Thousands(b.Params+b.HeadParams), diag.Thousands(b.MACs+b.HeadMACs), "")
	}
	t.write(c.App.Writer)
}

func (d *diff) writeJSON(c *cli.Context) error {
	type row struct {
		Mark   string   `json:"mark"`
		Name   string   `json:"name"`
		Change string   `json:"change,omitempty"`
		A      *rowJSON `json:"a,omitempty"`
		B      *rowJSON `json:"b,omitempty"`
	}
	var out struct {
		Files    [2]string `json:"files"`
		A, B     summaryJSON
		Settings []diffSetting `json:"settings"`
		Rows     []row         `json:"rows"`
	}
	if out.Settings = d.changedSettings(c.Bool("all")); out.Settings == nil {
		out.Settings = []diffSetting{}
	}
	out.Files, out.A, out.B = d.files, summarize(d.graphs[0], d.sum[0]), summarize(d.graphs[1], d.sum[1])
	out.A.Layers, out.B.Layers = nil, nil // the rows tell them
	for _, r := range d.rows {
		x := row{Mark: r.mark(), Name: r.name(), Change: r.change()}
		for _, side := range []struct {
			u  *diffUnit
			to **rowJSON
		}{{r.a, &x.A}, {r.b, &x.B}} {
			if side.u != nil {
				j := jsonOfRow(side.u.summaryRow)
				*side.to = &j
			}
		}
		out.Rows = append(out.Rows, x)
	}
	return writeJSON(c.App.Writer, out)
}
