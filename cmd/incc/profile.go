package main

import (
	"os"
	"runtime/pprof"

	"github.com/urfave/cli/v2"
)

var profileFlag = &cli.StringFlag{Name: "cpuprofile", Usage: "write a CPU profile to `FILE`, for go tool pprof"}

// profile begins the profile that --cpuprofile asks for; stop ends it.
func profile(c *cli.Context) (stop func(), err error) {
	file := c.String("cpuprofile")
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}
