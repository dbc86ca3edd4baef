package main

import (
	"fmt"
	"io"
	"os"
	"path"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/specs"
)

func specsCommand() *cli.Command {
	return &cli.Command{
		Name:        "specs",
		Usage:       "list the built-in networks",
		UsageText:   "incc specs [--json]",
		Description: "Example:\n\n   incc specs",
		Flags:       []cli.Flag{jsonFlag},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			type entry struct {
				Name   string `json:"name"`
				Doc    string `json:"doc"`
				Input  string `json:"input"`
				Params int64  `json:"params"`
				MACs   int64  `json:"macs"`
			}
			var list []entry
			for _, name := range specs.Names() {
				text, file, _ := specs.Source(name)
				g, problems := dsl.Load(file, text, dsl.Options{})
				if err := problems.Err(); err != nil {
					return err
				}
				s := ir.Summarize(g)
				list = append(list, entry{name, specs.Doc(text), g.Inputs[0].Type.Shape.WithoutBatch().String(), s.Params, s.MACs})
			}
			if c.Bool("json") {
				return writeLineJSON(c.App.Writer, list)
			}
			t := newTable("name", "input", ">params", ">MACs", "what it is")
			for _, e := range list {
				t.Add(e.Name, e.Input, diag.Thousands(e.Params), diag.Thousands(e.MACs), e.Doc)
			}
			t.write(c.App.Writer)
			return nil
		},
	}
}

func newCommand() *cli.Command {
	return &cli.Command{
		Name:      "new",
		Usage:     "copy a built-in network to a file, to change it",
		UsageText: "incc new NAME [-o FILE]",
		Description: `Example:

   incc new googlenet -o mygooglenet.incc`,
		Flags: []cli.Flag{outFlag, &cli.BoolFlag{Name: "force", Usage: "overwrite an existing file"}},
		Action: func(c *cli.Context) error {
			name, err := oneArg(c, "NAME")
			if err != nil {
				return err
			}
			text, _, ok := specs.Source(name)
			if !ok {
				return fmt.Errorf("there is no built-in network %s%s\nincc specs lists them", diag.Quote(name), didYouMean(name, specs.Names()))
			}
			out := c.String("output")
			if out == "" {
				out = path.Base(name) + ".incc"
			}
			if fi, err := os.Stat(out); err == nil && fi.Mode().IsRegular() && !toStdout(out) && !c.Bool("force") {
				return fmt.Errorf("%s exists already; choose another name with -o, or overwrite it with --force", diag.Quote(out))
			}
			if err := writeOutput(c, out, specFile, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil || toStdout(out) {
				return err
			}
			return sayf(c.App.Writer, "wrote %s; incc summary %s shows it", diag.Name(out), word(out))
		},
	}
}
