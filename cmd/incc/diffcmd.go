package main

import (
	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/ir"
)

func diffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "compare two specs layer by layer",
		UsageText: "incc diff SPEC_A SPEC_B [-D NAME=VALUE] [--all] [--json]",
		Description: `Example:

   incc diff mnist/inception_v1 mnist/inception_v3

Layers are matched by their names. < marks one that only A has, > one that only
B has, ! one that differs.`,
		Flags: []cli.Flag{defineFlag, jsonFlag, &cli.BoolFlag{Name: "all", Usage: "show equal layers too"}},
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return usagef("incc diff needs two specs, not %d\n   %s", c.NArg(), c.Command.UsageText)
			}
			var sum [2]ir.Summary
			var names [2]string
			for i := range 2 {
				g, _, err := load(c, c.Args().Get(i))
				if err != nil {
					return err
				}
				sum[i], names[i] = ir.Summarize(g), g.Name
			}
			rows := alignLayers(sum[0].Layers, sum[1].Layers)
			if c.Bool("json") {
				return writeDiffJSON(c, sum, names, rows)
			}
			t := newTable("", "layer", names[0], ">params", ">MACs", ">RF", names[1], ">params", ">MACs", ">RF")
			for _, r := range rows {
				cells := []any{r.mark(), "", "", "", "", "", "", "", "", ""}
				for i, l := range []*ir.Layer{r.a, r.b} {
					if l != nil {
						cells[1] = l.Name
						copy(cells[2+4*i:], []any{shapeText(l.Out), countText(l.Params), countText(l.Cost.MACs), hwText(l.RF)})
					}
				}
				if r.mark() != "" || c.Bool("all") {
					t.add(cells...)
				}
			}
			t.rule()
			a, b := sum[0], sum[1]
			t.add("", "total", "", thousands(a.Params), thousands(a.MACs), hwText(a.RF), "", thousands(b.Params), thousands(b.MACs), hwText(b.RF))
			if a.HeadParams+b.HeadParams > 0 {
				t.add("", "with heads", "", thousands(a.Params+a.HeadParams), thousands(a.MACs+a.HeadMACs), "",
					"", thousands(b.Params+b.HeadParams), thousands(b.MACs+b.HeadMACs), "")
			}
			t.write(c.App.Writer)
			return nil
		},
	}
}

type diffRow struct{ a, b *ir.Layer }

// mark tells how the layers of a row differ; it is empty where they are equal.
func (r diffRow) mark() string {
	switch {
	case r.b == nil:
		return "<"
	case r.a == nil:
		return ">"
	case r.a.Op != r.b.Op || !r.a.Out.Equal(r.b.Out) || r.a.Params != r.b.Params || r.a.Cost != r.b.Cost || r.a.RF != r.b.RF:
		return "!"
	}
	return ""
}

// alignLayers matches layers by name, in an order that keeps both: the longest
// common subsequence of names.
func alignLayers(a, b []ir.Layer) []diffRow {
	n := make([][]int32, len(a)+1)
	for i := range n {
		n[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i].Name == b[j].Name {
				n[i][j] = n[i+1][j+1] + 1
			} else {
				n[i][j] = max(n[i+1][j], n[i][j+1])
			}
		}
	}
	var rows []diffRow
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i].Name == b[j].Name:
			rows = append(rows, diffRow{&a[i], &b[j]})
			i, j = i+1, j+1
		case j == len(b) || (i < len(a) && n[i+1][j] >= n[i][j+1]):
			rows = append(rows, diffRow{&a[i], nil})
			i++
		default:
			rows = append(rows, diffRow{nil, &b[j]})
			j++
		}
	}
	return rows
}

func writeDiffJSON(c *cli.Context, sum [2]ir.Summary, names [2]string, rows []diffRow) error {
	type row struct {
		Mark string `json:"mark"`
		Name string `json:"name"`
		A    any    `json:"a,omitempty"`
		B    any    `json:"b,omitempty"`
	}
	var out struct {
		A, B summaryJSON
		Rows []row `json:"rows"`
	}
	out.A, out.B = summarize(&ir.Graph{Name: names[0]}, sum[0]), summarize(&ir.Graph{Name: names[1]}, sum[1])
	byName := func(ls []layerJSON) map[string]layerJSON {
		m := map[string]layerJSON{}
		for _, l := range ls {
			m[l.Name] = l
		}
		return m
	}
	ma, mb := byName(out.A.Layers), byName(out.B.Layers)
	out.A.Layers, out.B.Layers = nil, nil
	for _, r := range rows {
		x := row{Mark: r.mark()}
		if r.a != nil {
			x.Name, x.A = r.a.Name, ma[r.a.Name]
		}
		if r.b != nil {
			x.Name, x.B = r.b.Name, mb[r.b.Name]
		}
		out.Rows = append(out.Rows, x)
	}
	return writeJSON(c.App.Writer, out)
}
