package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/diag/fit"
)

// helpWidth is the width of help, unless the terminal is narrower.
const helpWidth = 80

func init() { cli.HelpPrinter = printHelp }

// printHelp writes the help of incc or of a command so that it fits the terminal. The
// templates of urfave/cli do not: their column of texts starts after the longest flag.
func printHelp(w io.Writer, _ string, data any) {
	width := helpWidth
	if n := columns(w); n > 0 {
		width = min(width, n)
	}
	fmt.Fprint(w, helpText(data, width))
}

func helpText(data any, width int) string {
	var (
		b                              strings.Builder
		name, usage, text, description string
		cmds                           []*cli.Command
		flags                          []cli.Flag
		options                        = "OPTIONS"
	)
	switch d := data.(type) {
	case *cli.App:
		name, usage, text, description = d.Name, d.Usage, d.UsageText, d.Description
		cmds, flags, options = d.VisibleCommands(), d.VisibleFlags(), "GLOBAL OPTIONS"
	case *cli.Command:
		name, usage, text, description = d.HelpName, d.Usage, d.UsageText, d.Description
		cmds, flags = d.VisibleCommands(), d.VisibleFlags()
		if name == "" {
			name = d.Name
		}
	}
	const indent = "   "
	section := func(head, body string) {
		if body == "" {
			return
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(head + ":\n")
		for _, l := range strings.Split(body, "\n") {
			if l != "" {
				l = indent + l
			}
			b.WriteString(l + "\n")
		}
	}
	inner := width - len(indent)
	section("NAME", strings.Join(diag.Wrap(name+" - "+usage, inner), "\n"))
	section("USAGE", usageLines(text, inner))
	section("DESCRIPTION", fit.Text(description, inner))
	var rows [][2]string
	for _, c := range cmds {
		if c.Name != "help" { // -h does the same, and every command would list it
			rows = append(rows, [2]string{strings.Join(c.Names(), ", "), c.Usage})
		}
	}
	section("COMMANDS", twoColumns(rows, inner))
	rows = nil
	for _, f := range flags {
		rows = append(rows, flagText(f))
	}
	section(options, twoColumns(rows, inner))
	return b.String()
}

// usageLines fits a usage text to the width. It does not join lines that begin with
// incc, because these are command lines.
func usageLines(text string, width int) string {
	var out []string
	for _, par := range strings.Split(text, "\n\n") {
		if !strings.HasPrefix(par, "incc ") {
			out = append(out, fit.Text(par, width))
			continue
		}
		var lines []string
		for _, l := range strings.Split(par, "\n") {
			lines = append(lines, fit.Hang(l, width)...)
		}
		out = append(out, strings.Join(lines, "\n"))
	}
	return strings.Join(out, "\n\n")
}

// twoColumns writes names and their meanings. If a name is longer than the first column,
// its text starts in the next line.
func twoColumns(rows [][2]string, width int) string {
	const gap = 2
	first, limit := 0, width/3
	for _, r := range rows {
		if n := diag.Width(r[0]); n <= limit {
			first = max(first, n)
		}
	}
	at := first + gap
	if width < 50 {
		at = 4 // the text is always below
	}
	var out []string
	for _, r := range rows {
		lines := diag.Wrap(r[1], width-at)
		if n := diag.Width(r[0]); n+gap <= at {
			out = append(out, r[0]+strings.Repeat(" ", at-n)+lines[0])
			lines = lines[1:]
		} else {
			out = append(out, fit.Hang(r[0], width)...)
		}
		for _, l := range lines {
			out = append(out, strings.Repeat(" ", at)+l)
		}
	}
	return strings.Join(out, "\n")
}

// flagText returns a flag with the name of its value, and the text that explains it. It
// omits a default that only means that the flag is not set.
func flagText(f cli.Flag) [2]string {
	var names []string
	for _, n := range f.Names() {
		if len(n) == 1 {
			names = slices.Insert(names, 0, "-"+n)
		} else {
			names = append(names, "--"+n)
		}
	}
	name := strings.Join(names, ", ")
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return [2]string{name, ""}
	}
	usage := d.GetUsage()
	value := "VALUE"
	if head, rest, ok := strings.Cut(usage, "`"); ok {
		if quoted, tail, ok := strings.Cut(rest, "`"); ok {
			value, usage = quoted, head+quoted+tail
		}
	}
	if !d.TakesValue() {
		return [2]string{name, usage}
	}
	if def := strings.Trim(d.GetDefaultText(), `"`); !slices.Contains([]string{"", "0", "-1", "0s", "false"}, def) {
		usage += " (default: " + def + ")"
	}
	return [2]string{name + " " + value, usage}
}
