package main

import (
	"bytes"
	"fmt"
	"io"
	"runtime/pprof"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/files"
)

var profileFlag = &cli.StringFlag{Name: "cpuprofile", Usage: "write a CPU profile to `FILE`, for go tool pprof"}

// checkProfile returns an error if the file of --cpuprofile would replace a file of
// another kind or a file that the command reads.
func checkProfile(c *cli.Context) error {
	path := c.String("cpuprofile")
	if path == "" {
		return nil
	}
	if err := notStdout("cpuprofile", path, "a profile beside what the command prints"); err != nil {
		return err
	}
	if err := notAnInput("cpuprofile", path, append(c.Args().Slice(), c.String("weights"), c.String("init"))...); err != nil {
		return err
	}
	if err := checkOutput(path, profileFile); err != nil {
		return err
	}
	_, err := files.Resolve(path) // its folder must exist
	return err
}

// profile starts a CPU profile if --cpuprofile is given. stop ends the profile and
// writes the file.
func profile(c *cli.Context) (stop func(), err error) {
	path := c.String("cpuprofile")
	if path == "" {
		return func() {}, nil
	}
	if err := checkProfile(c); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := pprof.StartCPUProfile(&b); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		if err := writeFile(path, func(w io.Writer) error { _, err := b.WriteTo(w); return err }); err != nil {
			fmt.Fprintf(c.App.ErrWriter, "incc: %s\n", errorText(err))
		}
	}, nil
}
