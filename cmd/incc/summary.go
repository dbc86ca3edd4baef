package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

func summaryCommand() *cli.Command {
	return &cli.Command{
		Name:      "summary",
		Usage:     "show the layers with their shapes, parameters, MACs and receptive fields",
		UsageText: "incc summary SPEC [--depth N] [-D NAME=VALUE] [--json]",
		Description: `Example:

   incc summary googlenet
   incc summary googlenet --depth 1

--depth 1 makes one row of each block and of each layer outside of blocks, as the
tables of papers do; --depth 0 one of each part, --depth 2 opens the blocks, and so
on. Its column depth counts the layers with weights that follow each other.

The receptive field (RF) is in pixels of the input, height x width where they
differ. MACs are multiply-accumulates of convolutions and dense layers for one
image. Layers marked with * belong to auxiliary classifiers, which inference
leaves out.`,
		Flags: append([]cli.Flag{defineFlag, jsonFlag, &cli.IntFlag{Name: "depth", Value: -1, Usage: "fold parts and blocks that are nested deeper than `N` into one row; by default every layer is a row"}}, modelFlags()...),
		Action: func(c *cli.Context) error {
			arg, err := oneArg(c, "SPEC")
			if err != nil {
				return err
			}
			g, _, err := load(c, arg)
			if err != nil {
				return err
			}
			s := ir.Summarize(g)
			if c.IsSet("depth") {
				if c.Int("depth") < 0 {
					return usagef("--depth %d (want 0 or more)", c.Int("depth"))
				}
				rows := foldSummary(g, s, c.Int("depth"))
				if c.Bool("json") {
					return writeFoldedJSON(c.App.Writer, g, s, rows)
				}
				return writeFolded(c.App.Writer, g, s, rows)
			}
			if c.Bool("json") {
				return writeSummaryJSON(c.App.Writer, g, s)
			}
			return writeSummary(c.App.Writer, g, s)
		},
	}
}

// countText returns a number with commas, or "" for 0.
func countText(n int64) string {
	if n == 0 {
		return ""
	}
	return diag.Thousands(n)
}

// writeSummary prints the table of layers and the totals. Every node of the graph is a
// row; a bias, normalization or activation has a row of its own.
func writeSummary(w io.Writer, g *ir.Graph, s ir.Summary) error {
	sayf(w, "%s: %s\n", g.Name, inputText(g))
	t := newTable("layer", "op", "output", ">params", ">MACs", ">RF", "line")
	for _, r := range s.Layers {
		name := r.Name
		if r.Head {
			name += " *"
		}
		line := ""
		if r.Pos.IsValid() {
			line = fmt.Sprint(r.Pos.Line)
		}
		t.Add(name, r.Op, r.Out.Shape.WithoutBatch().String(), countText(r.Params), countText(r.Cost.MACs), r.RF.Short(), line)
	}
	t.Rule()
	t.Add("total", "", "", diag.Thousands(s.Params), diag.Thousands(s.MACs), s.RF.Short(), "")
	if s.HeadParams > 0 {
		t.Add("with heads", "", "", diag.Thousands(s.Params+s.HeadParams), diag.Thousands(s.MACs+s.HeadMACs), "", "")
	}
	t.write(w)
	text := fmt.Sprintf("%s of weights, %s of activations for one image", bytesText(4*(s.Params+s.States)), bytesText(s.Activations))
	if s.States > 0 {
		text += fmt.Sprintf(", %s BN statistics", diag.Thousands(s.States))
		if s.HeadStates > 0 {
			text += fmt.Sprintf(" (%s with heads)", diag.Thousands(s.States+s.HeadStates))
		}
	}
	if err := writeField(w, g, s); err != nil {
		return err
	}
	if err := say(w, text); err != nil {
		return err
	}
	name, rf, jump, ok := lastConv(g, s)
	if !ok {
		return nil
	}
	at := func(k int) string {
		return ir.HW{rf[0] + (k-1)*jump[0], rf[1] + (k-1)*jump[1]}.Short()
	}
	return say(w, fmt.Sprintf("On top of %s (jump %s) a 1x1, 3x3 or 5x5 convolution would see %s, %s, %s pixels.",
		name, jump.Short(), at(1), at(3), at(5)))
}

// lastConv returns the last convolution, outside heads, whose output is larger than
// 1x1. ok is false if there is none.
func lastConv(g *ir.Graph, s ir.Summary) (name string, rf, jump ir.HW, ok bool) {
	for i, n := range g.Nodes {
		sh := n.Out[0].Type.Shape
		if ir.Name(n.Op) == "conv" && !s.Layers[i].Head && len(sh) == 4 && sh[2]*sh[3] > 1 {
			name, rf, jump, ok = n.Out[0].Name, s.Layers[i].RF, s.Layers[i].Jump, true
		}
	}
	return
}

func inputText(g *ir.Graph) string {
	text := ""
	for i, v := range g.Inputs {
		if i > 0 {
			text += ", "
		}
		text += "input " + v.Name + " " + v.Type.Shape.WithoutBatch().String()
	}
	return text
}

type summaryJSON struct {
	Name            string      `json:"name"`
	Params          int64       `json:"params"`
	ParamsWithHeads int64       `json:"params_with_heads"`
	MACs            int64       `json:"macs"`
	MACsWithHeads   int64       `json:"macs_with_heads"`
	BNStats         int64       `json:"bn_stats"`
	BNStatsHeads    int64       `json:"bn_stats_with_heads"`
	ActivationBytes int64       `json:"activation_bytes"`
	ReceptiveField  [2]int      `json:"receptive_field"`
	Layers          []layerJSON `json:"layers,omitempty"`
}

type layerJSON struct {
	Name           string   `json:"name"`
	Op             string   `json:"op"`
	Output         ir.Shape `json:"output"` // without the batch
	Params         int64    `json:"params"`
	MACs           int64    `json:"macs"`
	ReceptiveField [2]int   `json:"receptive_field"`
	Head           bool     `json:"head,omitempty"`
	Part           string   `json:"part,omitempty"`
	File           string   `json:"file,omitempty"`
	Line           int      `json:"line,omitempty"`
}

func summarize(g *ir.Graph, s ir.Summary) summaryJSON {
	j := summaryJSON{Name: g.Name, Params: s.Params, ParamsWithHeads: s.Params + s.HeadParams, MACs: s.MACs,
		MACsWithHeads: s.MACs + s.HeadMACs, BNStats: s.States, BNStatsHeads: s.States + s.HeadStates,
		ActivationBytes: s.Activations, ReceptiveField: s.RF}
	for _, r := range s.Layers {
		j.Layers = append(j.Layers, layerJSON{Name: r.Name, Op: r.Op, Output: r.Out.Shape.WithoutBatch(), Params: r.Params, MACs: r.Cost.MACs,
			ReceptiveField: r.RF, Head: r.Head, Part: r.Part, File: r.Pos.File, Line: r.Pos.Line})
	}
	return j
}

func writeSummaryJSON(w io.Writer, g *ir.Graph, s ir.Summary) error {
	return writeJSON(w, summarize(g, s))
}
