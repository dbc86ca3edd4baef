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

// profile starts a CPU profile if --cpuprofile is given. stop ends the profile and
// writes the file.
func profile(c *cli.Context) (stop func(), err error) {
	path := c.String("cpuprofile")
	if path == "" {
		return func() {}, nil
	}
	if err := notStdout("cpuprofile", path, "a profile beside what the command prints"); err != nil {
		return nil, err
	}
	if _, err := files.Resolve(path); err != nil { // its folder must exist
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
