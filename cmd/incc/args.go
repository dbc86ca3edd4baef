package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/ir/diag"
)

// reorder moves the flags of a command before its positional arguments. This is
// needed because package flag stops at the first positional argument, and
// urfave/cli v2 silently ignores the flags after it: `incc compile x.incc -o
// y.onnx` would write no file. Arguments after -- are not changed. reorder returns
// a usage error for an unknown flag, with the nearest flag of the command.
func reorder(app *cli.App, args []string) ([]string, error) {
	if len(args) < 2 {
		return args, nil
	}
	args = helpOf(app, args)
	head, rest := args[:1:1], args[1:]
	cmds, flags := app.Commands, app.Flags
	name := ""
	for len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		c := find(cmds, rest[0])
		if c == nil {
			break
		}
		head = append(head, rest[0])
		name = strings.TrimSpace(name + " " + c.Name)
		cmds, flags, rest = c.Subcommands, c.Flags, rest[1:]
	}
	if name == "" {
		return args, nil
	}
	var opts, pos []string
	for i := 0; i < len(rest); i++ {
		a := rest[i]
		if a == "--" {
			pos = append(pos, rest[i+1:]...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			pos = append(pos, a)
			continue
		}
		key, _, has := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if key == "h" || key == "help" {
			opts = append(opts, a)
			continue
		}
		f := findFlag(flags, key)
		if f == nil && !strings.HasPrefix(a, "--") && len(key) > 1 {
			// -O2 and -Dclasses=10: the value follows the letter directly.
			if g := findFlag(flags, key[:1]); g != nil && takesValue(g) {
				opts = append(opts, "-"+key[:1], strings.TrimLeft(a, "-")[1:])
				continue
			}
		}
		if f == nil {
			var names []string
			for _, f := range flags {
				for _, n := range f.Names() {
					if len(n) > 1 {
						names = append(names, "--"+n)
					}
				}
			}
			return nil, usagef("incc %s has no flag %s%s", name, diag.Printable(strings.SplitN(a, "=", 2)[0]), didYouMean("--"+key, names))
		}
		opts = append(opts, a)
		if takesValue(f) && !has {
			if i++; i == len(rest) {
				return nil, usagef("flag %s of incc %s needs a value", a, name)
			}
			opts = append(opts, rest[i])
		}
	}
	out := append(head, opts...)
	if len(pos) > 0 {
		out = append(append(out, "--"), pos...)
	}
	return out, nil
}

// helpOf turns "help COMMAND SUBCOMMAND" into "COMMAND SUBCOMMAND -h": the help command of
// urfave/cli looks only at one argument.
func helpOf(app *cli.App, args []string) []string {
	if len(args) < 4 || args[1] != "help" && args[1] != "h" {
		return args
	}
	cmds, names := app.Commands, args[2:]
	for _, name := range names {
		c := find(cmds, name)
		if c == nil {
			return args
		}
		cmds = c.Subcommands
	}
	return append(append(args[:1:1], names...), "-h")
}

// worksOnly returns a usage error if one of the flags is given. The caller calls it when
// the flags would have no effect; condition says when they have one, such as "with
// --engine cpu".
func worksOnly(c *cli.Context, condition string, flags ...string) error {
	for _, name := range flags {
		if c.IsSet(name) {
			return usagef("--%s can only be used %s", name, condition)
		}
	}
	return nil
}

func find(cmds []*cli.Command, name string) *cli.Command {
	for _, c := range cmds {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		for _, n := range f.Names() {
			if n == name {
				return f
			}
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// noEmptyValues refuses flags whose text is empty, as --weights "$W" with an unset variable
// gives it: such a flag would pass for one that was not given. Only --passes may be empty: the
// empty list.
func noEmptyValues(c *cli.Context) error {
	for _, f := range c.Command.Flags {
		s, ok := f.(*cli.StringFlag)
		if ok && s.Name != "passes" && c.IsSet(s.Name) && c.String(s.Name) == "" {
			return usagef("--%s has an empty value: give it one, or leave the flag out", s.Name)
		}
	}
	return nil
}
