package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// limit is how much memory a command may take.
type limit struct {
	bytes int64
	asked bool // by --memory
}

func (l limit) String() string {
	if l.asked {
		return fmt.Sprintf("--memory allows %s", bytesText(l.bytes))
	}
	return fmt.Sprintf("%s are free", bytesText(l.bytes))
}

// memoryLimit is what --memory says, else what is free.
func memoryLimit(c *cli.Context) (limit, error) {
	if c.IsSet("memory") {
		n, err := parseBytes(c.String("memory"))
		if err != nil {
			return limit{}, usagef("--memory: %v", err)
		}
		return limit{n, true}, nil
	}
	if n, ok := freeMemory(); ok {
		return limit{bytes: n}, nil
	}
	return limit{bytes: unknownMemory}, nil
}

// unknownMemory is assumed to be free where the system does not tell.
const unknownMemory = 4 << 30

// freeMemory is the memory in bytes that this process can still get. Tests replace
// it.
var freeMemory = systemMemory

// procField is the number behind a name in a file of lines like "Name: 12 kB".
func procField(file, name string) (int64, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
