package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// version is the version of the release. fullVersion adds the commit of a build from a
// checkout.
const version = "0.1.0"

func fullVersion() string {
	v := "v" + version
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, s := range bi.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				v += " (" + s.Value[:12] + ")"
			}
		}
	}
	return v
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:        "version",
		Usage:       "print the version",
		UsageText:   "incc version [--json]",
		Description: "Example:\n\n   incc version",
		Flags:       []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print one JSON object"}},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			if c.Bool("json") {
				return writeLineJSON(c.App.Writer, map[string]string{
					"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
			}
			return writeVersion(c.App.Writer)
		},
	}
}

func writeVersion(w io.Writer) error {
	_, err := fmt.Fprintf(w, "incc %s, %s, %s/%s\n", fullVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// noArgs returns an error if a command that takes no positional arguments got one.
func noArgs(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("incc %s takes no argument %q", c.Command.Name, c.Args().First())
	}
	return nil
}
