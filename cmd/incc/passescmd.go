package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes"
)

func passesCommand() *cli.Command {
	return &cli.Command{
		Name:      "passes",
		Usage:     "list the passes, or show what they do to a network",
		UsageText: "incc passes [SPEC] [-O LEVEL | --passes LIST] [--weights FILE] [--json]",
		Description: `Example:

   incc passes
   incc passes googlenet -O2

With a SPEC, it runs the passes and prints what each one did, layer by layer. Passes
that look at trained weights, such as factorize=svd, get those of --weights, of an ONNX
model, or of the folder of a run in place of the SPEC. The target decides what a
change costs: for onnx (incc compile), slices and joins copy memory; for cpu (incc run
and incc gen go), they cost nothing.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "target", Value: "cpu", Usage: "run the passes for `TARGET`: cpu or onnx"},
			headsFlag, jsonFlag, defineFlag, weightsFlag, mapFlag, roomFlag}, append(pipelineFlags(), modelFlags()...)...),
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

// levelText returns the lowest level that includes a pass, or "by name" if none does.
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
		return writeLineJSON(c.App.Writer, list)
	}
	t := newTable("pass", "from", "contract", "what it does")
	for _, p := range passes.All() {
		doc := p.Doc
		if p.Ref != "" {
			doc += " (" + p.Ref + ")"
		}
		t.Add(p.Name, levelText(p), p.Contract, doc)
		for _, v := range p.Variants {
			t.Add("  ="+v.Name, "", "", v.Doc)
		}
		for _, a := range p.Args {
			t.Add("  ,"+a.Name+"="+a.Default, "", "", a.Doc)
		}
	}
	t.write(c.App.Writer)
	fmt.Fprintln(c.App.Writer)
	for _, k := range contracts {
		if err := say(c.App.Writer, fmt.Sprintf("%-9s  %s", k.contract, k.text)); err != nil {
			return err
		}
	}
	return nil
}

func showPasses(c *cli.Context, arg string) error {
	g, _, err := load(c, arg)
	if err != nil {
		return err
	}
	opt, level := passes.Options{}, 2
	switch target := c.String("target"); target {
	case "cpu":
	case "onnx":
		opt, level = onnxPasses, 1
	default:
		return usagef("unknown target %s (want cpu or onnx)", diag.Quote(target))
	}
	p, err := pipelineOf(c, level)
	if err != nil {
		return err
	}
	if c.String("weights") != "" {
		if err := checkRoom(c, g, use{weights: 2}); err != nil {
			return err
		}
		if err := fillWeights(c, g); err != nil {
			return err
		}
	}
	before := ir.Summarize(g)
	params, macs := networkSize(g)
	rep, err := optimize(c, g, level, opt)
	if err != nil {
		return err
	}
	after := ir.Summarize(g)
	paramsAfter, macsAfter := networkSize(g)
	w := c.App.Writer
	if c.Bool("json") {
		return writeJSON(w, passesJSON{g.Name, c.String("target"), p.String(), stepsJSON(rep), networkJSON{params, macs, countOp(before, "conv")}, networkJSON{paramsAfter, macsAfter, countOp(after, "conv")}})
	}
	sayf(w, "target %s, %s\n", c.String("target"), pipelineText(c, level, p))
	t := newTable("pass", ">changes", ">nodes", ">params", ">time")
	for _, s := range rep.Steps {
		if s.Skipped != "" {
			t.Add(s.Step, "left out", "", "", "")
			continue
		}
		t.Add(s.Step, s.Changed, fmt.Sprintf("%d -> %d", s.Nodes[0], s.Nodes[1]), fmt.Sprintf("%d -> %d", s.Params[0], s.Params[1]), s.Time.Round(1000))
	}
	t.write(w)
	if ds := rep.Decisions(); len(ds) > 0 {
		fmt.Fprintln(w)
		if err := passes.WriteDecisions(w, ds, columns(w)); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	return say(w, fmt.Sprintf("%s: %s parameters, %s MACs -> %s, %s; convolutions %d -> %d", g.Name,
		diag.Thousands(params), diag.Thousands(macs), diag.Thousands(paramsAfter), diag.Thousands(macsAfter),
		countOp(before, "conv"), countOp(after, "conv")))
}

// passesJSON is what incc passes SPEC --json prints.
type passesJSON struct {
	Net    string      `json:"net"`
	Target string      `json:"target"`
	Passes string      `json:"passes"`
	Steps  []stepJSON  `json:"steps"`
	Before networkJSON `json:"before"`
	After  networkJSON `json:"after"`
}

type networkJSON struct {
	Params       int64 `json:"params"`
	MACs         int64 `json:"macs"`
	Convolutions int   `json:"convolutions"`
}

// stepJSON is what a pass did. The pairs are before and after.
type stepJSON struct {
	Pass      string         `json:"pass"`
	Skipped   string         `json:"skipped,omitempty"` // the reason
	Changes   int            `json:"changes"`
	Nodes     [2]int         `json:"nodes"`
	Params    [2]int         `json:"params"` // tensors, constants included
	Seconds   float64        `json:"seconds"`
	Decisions []decisionJSON `json:"decisions,omitempty"`
}

type decisionJSON struct {
	Layer  string   `json:"layer"`
	Done   bool     `json:"done"`
	What   string   `json:"what"`
	Why    string   `json:"why"`
	Params [2]int64 `json:"params"` // elements
	MACs   [2]int64 `json:"macs"`
	Error  float64  `json:"error,omitempty"` // relative, of approximated weights
}

func stepsJSON(rep *passes.Report) []stepJSON {
	list := []stepJSON{}
	for _, s := range rep.Steps {
		x := stepJSON{Pass: s.Step.String(), Skipped: s.Skipped, Changes: s.Changed, Nodes: s.Nodes, Params: s.Params, Seconds: s.Time.Seconds()}
		for _, d := range s.Decisions {
			x.Decisions = append(x.Decisions, decisionJSON{d.Layer, d.Done, d.What, d.Why, d.Params, d.MACs, d.Error})
		}
		list = append(list, x)
	}
	return list
}

// onnxPasses are the options for passes on a network that becomes an ONNX model: slices
// and joins copy memory there.
var onnxPasses = passes.Options{Cost: passes.Work{Copies: true}}

// pipelineText describes the passes that run: a level such as -O2, or a list.
func pipelineText(c *cli.Context, level int, p passes.Pipeline) string {
	if c.IsSet("passes") {
		return "passes " + p.String()
	}
	if c.IsSet("optimize") {
		level = c.Int("optimize")
	}
	return fmt.Sprintf("-O%d", level)
}

// networkSize counts the parameters and MACs of a network, heads included. Parameters
// that passes computed from others count; running statistics do not.
func networkSize(g *ir.Graph) (params, macs int64) {
	read := map[*ir.Value]bool{}
	for _, n := range g.Nodes {
		for _, v := range n.In {
			if v != nil && v.Param != nil && v.Param.Kind != ir.State && !read[v] {
				read[v] = true
				params += int64(v.Type.Shape.Size())
			}
		}
	}
	s := ir.Summarize(g)
	return params, s.MACs + s.HeadMACs
}

// countOp counts the layers with an op.
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
		&cli.IntFlag{Name: "optimize", Aliases: []string{"O"}, Value: -1, DefaultText: "1 for compile, else 2", Usage: "optimization `LEVEL`: 0, 1 (results have the same bits) or 2 (with other rounding errors)"},
		&cli.StringFlag{Name: "passes", Usage: "run this `LIST` of passes instead: fold-bn,merge-siblings or O1,factorize=retrain (incc passes)"},
		&cli.StringFlag{Name: "dump-after", Usage: "print the graph after `PASS`, or after every pass (all), to standard error"},
	}
}

// pipelineOf returns the passes of -O or --passes; without these flags, those of level.
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
		return nil, usagef("unknown level -O%d (want -O0, -O1 or -O2)", level)
	}
	return passes.Level(level), nil
}

// optimize runs the passes that the command line names. By default these are the
// passes of the level.
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
			return nil, usagef("--dump-after: unknown pass %s%s", diag.Quote(dump), didYouMean(dump, names))
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
	rep, err := passes.Run(g, p, opt)
	if err == nil {
		tellUnchanged(c, rep)
	}
	return rep, err
}

// tellUnchanged prints a note for each pass that the user named and that changed
// nothing.
func tellUnchanged(c *cli.Context, rep *passes.Report) {
	for _, s := range rep.Steps {
		if s.Step.Named() && s.Changed == 0 {
			sayf(c.App.ErrWriter, "note: pass %s changed nothing", s.Step)
		}
	}
}
