package main

import (
	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/dsl/lsp"
)

func lspCommand() *cli.Command {
	return &cli.Command{
		Name:      "lsp",
		Usage:     "serve an editor over standard input and output (Language Server Protocol)",
		UsageText: "incc lsp",
		Description: `Example:

   incc lsp

Editors start it: dsl/editors in the source has settings for VS Code, Neovim and Helix.
It reports problems while you type, with fixes; shows shapes, parameters, MACs and
receptive fields; completes, finds and renames names; formats, folds and outlines.`,
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			return lsp.Serve(c.App.Reader, c.App.Writer, lsp.Info{Name: "incc", Version: version}, readBeside)
		},
	}
}
