package main

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestEmptyValues gives every flag of text an empty value, which must not pass for a flag that
// was left out.
func TestEmptyValues(t *testing.T) {
	n := 0
	var each func(path []string, cmds []*cli.Command)
	each = func(path []string, cmds []*cli.Command) {
		for _, c := range cmds {
			path := append(path[:len(path):len(path)], c.Name)
			each(path, c.Subcommands)
			for _, f := range c.Flags {
				s, ok := f.(*cli.StringFlag)
				if !ok || s.Name == "passes" {
					continue
				}
				n++
				code, stdout, stderr := capture(t, append(path, "lenet5", "--"+s.Name, "")...)
				if code != exitUsage || stdout != "" || !strings.Contains(stderr, "--"+s.Name+" has an empty value") {
					t.Errorf("%s --%s \"\": %d, %q", strings.Join(path, " "), s.Name, code, stderr)
				}
			}
		}
	}
	each(nil, commands())
	if n < 60 {
		t.Errorf("%d flags of text", n)
	}
}
