package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes"
)

func passesCommand() *cli.Command {
	return &cli.Command{
		Name:      "passes",
		Usage:     "list the passes, or show what they do to a network",
		UsageText: "incc passes [SPEC] [-O LEVEL | --passes LIST] [--json]",
		Description: `Example:

   incc passes
   incc passes googlenet -O2

With a SPEC it runs them and prints what each one did, layer by layer.`,
		Flags: append([]cli.Flag{jsonFlag, defineFlag}, pipelineFlags()...),
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				arg, err := oneArg(c, "SPEC")
				if err != nil {
					return err
				}
				return showPasses(c, arg)
			}
			return listPasses(c)
		},
	}
}

func levelText(p *passes.Pass) string {
	if n, ok := passes.LevelOf(p); ok {
		return fmt.Sprintf("-O%d", n)
	}
	return "by name"
}

func listPasses(c *cli.Context) error {
	if c.Bool("json") {
		type entry struct {
			Name     string   `json:"name"`
			Level    string   `json:"level"`
			Contract string   `json:"contract"`
			Doc      string   `json:"doc"`
			Ref      string   `json:"ref,omitempty"`
			Variants []string `json:"variants,omitempty"`
		}
		var list []entry
		for _, p := range passes.All() {
			e := entry{Name: p.Name, Level: levelText(p), Contract: p.Contract.String(), Doc: p.Doc, Ref: p.Ref}
			for _, v := range p.Variants {
				e.Variants = append(e.Variants, v.Name)
			}
			list = append(list, e)
		}
		return json.NewEncoder(c.App.Writer).Encode(list)
	}
	t := newTable("pass", "from", "contract", "what it does")
	for _, p := range passes.All() {
		doc := p.Doc
		if p.Ref != "" {
			doc += " (" + p.Ref + ")"
		}
		t.add(p.Name, levelText(p), p.Contract, doc)
		for _, v := range p.Variants {
			t.add("  ="+v.Name, "", "", v.Doc)
		}
		for _, a := range p.Args {
			t.add("  ,"+a.Name+"="+a.Default, "", "", a.Doc)
		}
	}
	t.write(c.App.Writer)
	fmt.Fprintln(c.App.Writer, `
exact      the same bits
rounding   the same function, rounded otherwise
signature  the kept outputs have the same bits, others go
redesign   another function of the same shapes: for networks that are still to be trained`)
	return nil
}

func showPasses(c *cli.Context, arg string) error {
	g, _, err := load(c, arg)
	if err != nil {
		return err
	}
	before := ir.Summarize(g)
	rep, err := optimize(c, g, 2, passes.Options{})
	if err != nil {
		return err
	}
	after := ir.Summarize(g)
	w := c.App.Writer
	t := newTable("pass", ">changes", ">nodes", ">params", ">time")
	for _, s := range rep.Steps {
		if s.Skipped != "" {
			t.add(s.Step, "left out", "", "", "")
			continue
		}
		t.add(s.Step, s.Changed, fmt.Sprintf("%d -> %d", s.Nodes[0], s.Nodes[1]), fmt.Sprintf("%d -> %d", s.Params[0], s.Params[1]), s.Time.Round(1000))
	}
	t.write(w)
	if ds := rep.Decisions(); len(ds) > 0 {
		fmt.Fprintln(w)
		if err := passes.WriteDecisions(w, ds); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "\n%s: %s parameters, %s MACs -> %s, %s; convolutions %d -> %d\n", g.Name,
		thousands(before.Params+before.HeadParams), thousands(before.MACs+before.HeadMACs), thousands(after.Params+after.HeadParams), thousands(after.MACs+after.HeadMACs),
		countOp(before, "conv"), countOp(after, "conv"))
	return nil
}

func countOp(s ir.Summary, op string) int {
	n := 0
	for _, l := range s.Layers {
		if name, _, _ := strings.Cut(l.Op, " "); name == op {
			n++
		}
	}
	return n
}

func pipelineFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "optimize", Aliases: []string{"O"}, Value: -1, DefaultText: "1 for compile, 2 to run", Usage: "optimization `LEVEL` 0, 1 or 2: 1 keeps every bit, 2 rounds otherwise"},
		&cli.StringFlag{Name: "passes", Usage: "run this `LIST` of passes instead: fold-bn,merge-siblings or O1,factorize=retrain (incc passes)"},
		&cli.StringFlag{Name: "dump-after", Usage: "print the graph as `PASS` leaves it, to standard error; all for every pass"},
	}
}

// pipelineOf reads -O and --passes.
func pipelineOf(c *cli.Context, level int) (passes.Pipeline, error) {
	if list := c.String("passes"); c.IsSet("passes") {
		if c.IsSet("optimize") {
			return nil, usagef("-O and --passes exclude each other; a list may begin with a level: --passes=O2,stack-3x3")
		}
		p, err := passes.Parse(list)
		if err != nil {
			return nil, &usageError{err.Error()}
		}
		return p, nil
	}
	if c.IsSet("optimize") {
		level = c.Int("optimize")
	}
	if level < 0 || level > passes.MaxLevel {
		return nil, usagef("-O%d: there are -O0, -O1 and -O2", level)
	}
	return passes.Level(level), nil
}

// optimize runs the passes that the command line asks for, those of a level by
// default.
func optimize(c *cli.Context, g *ir.Graph, level int, opt passes.Options) (*passes.Report, error) {
	p, err := pipelineOf(c, level)
	if err != nil {
		return nil, err
	}
	if dump := c.String("dump-after"); dump != "" {
		if dump != "all" && passes.Lookup(dump) == nil {
			var names []string
			for _, p := range passes.All() {
				names = append(names, p.Name)
			}
			return nil, usagef("--dump-after=%s: there is no such pass%s", dump, didYouMean(dump, names))
		}
		next := opt.After
		opt.After = func(s passes.Step, g *ir.Graph) error {
			if dump == "all" || dump == s.Pass.Name {
				fmt.Fprintf(c.App.ErrWriter, "# after %s\n%s\n", s, dsl.Print(g))
			}
			if next != nil {
				return next(s, g)
			}
			return nil
		}
	}
	opt.KeepHeads = opt.KeepHeads || c.Bool("heads")
	return passes.Run(g, p, opt)
}
