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
	asked bool // true if --memory gave it
}

func (l limit) String() string {
	if l.asked {
		return fmt.Sprintf("--memory allows %s", bytesText(l.bytes))
	}
	return fmt.Sprintf("%s are free", bytesText(l.bytes))
}

// memoryLimit returns the value of --memory or, without that flag, the free memory.
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

// unknownMemory is the number of bytes that count as free if the system does not
// report its free memory.
const unknownMemory = 4 << 30

// freeMemory returns the memory in bytes that this process can still allocate, and
// false if that is not known. Tests replace it.
var freeMemory = systemMemory

// procField returns the number that follows a name in a file of lines such as
// "Name: 12 kB". name includes the colon, if there is one.
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
