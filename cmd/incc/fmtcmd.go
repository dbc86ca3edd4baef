package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/dsl"
)

func fmtCommand() *cli.Command {
	return &cli.Command{
		Name:      "fmt",
		Usage:     "format specs",
		UsageText: "incc fmt [--write | --check] FILE...",
		Description: `Example:

   incc fmt -w mynet.incc

Without a flag the result is printed. - reads standard input.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "write", Aliases: []string{"w"}, Usage: "write the result back to the file"},
			&cli.BoolFlag{Name: "check", Usage: "print the names of files that incc fmt would change, and exit with 1"},
		},
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return usagef("incc fmt needs a FILE, or - for standard input")
			}
			failed := false
			for _, arg := range c.Args().Slice() {
				src, err := readSource(c, arg)
				if err != nil {
					return err
				}
				out, problems := dsl.Format(src.file, src.text)
				if problems.HasErrors() {
					if err := report(c, problems, src); err != nil {
						return err
					}
					failed = true
					continue
				}
				switch {
				case c.Bool("check"):
					if !bytes.Equal(out, src.text) {
						fmt.Fprintln(c.App.Writer, src.file)
						failed = true
					}
				case c.Bool("write") && arg != "-":
					if !bytes.Equal(out, src.text) {
						err = writeFile(arg, func(w io.Writer) error { _, err := w.Write(out); return err })
					}
				default:
					_, err = c.App.Writer.Write(out)
				}
				if err != nil {
					return err
				}
			}
			if failed {
				return &reported{exitError}
			}
			return nil
		},
	}
}

func vetCommand() *cli.Command {
	return &cli.Command{
		Name:      "vet",
		Usage:     "report errors in specs, and warn of probable mistakes",
		UsageText: "incc vet [-D NAME=VALUE] [--json] SPEC...",
		Description: `Example:

   incc vet mynet.incc

All errors of a spec are reported at once, except those that may only follow from a
syntax error, such as a brace that is never closed: correct that first. Warnings
come only for a spec without errors.

Exits with 1 if there is anything to report.`,
		Flags: []cli.Flag{defineFlag, jsonFlag},
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return usagef("incc vet needs a SPEC")
			}
			defs, err := defines(c)
			if err != nil {
				return err
			}
			failed := false
			for _, arg := range c.Args().Slice() {
				src, err := readSource(c, arg)
				if err != nil {
					return err
				}
				problems := dsl.Lint(src.file, src.text, dsl.Options{Defines: defs, ReadFile: src.open})
				if len(problems) > 0 {
					failed = true
					if err := report(c, problems, src); err != nil {
						return err
					}
				}
			}
			if failed {
				return &reported{exitError}
			}
			return nil
		},
	}
}
