package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir/diag"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "explain an op, a statement or the code of an error",
		UsageText: "incc explain [OP | CODE]",
		Description: `Example:

   incc explain conv
   incc explain E0301

Without an argument it lists what can be explained.`,
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return usagef("incc explain needs one word, not %d", c.NArg())
			}
			word := c.Args().First()
			text, ok := dsl.Explain(word)
			if !ok {
				return fmt.Errorf("unknown word %s%s\nincc explain lists the words that it explains", diag.Quote(word), didYouMean(word, explainNames()))
			}
			return say(c.App.Writer, strings.TrimSuffix(text, "\n"))
		},
	}
}

// explainNames lists the words that incc explain takes.
func explainNames() []string { return dsl.ExplainNames() }
