package main

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hostileCase is a command with a hostile input. It must end with an error that says what is
// wrong, or with the right result, and take little time and memory.
type hostileCase struct {
	name      string
	setup     func(t *testing.T, dir string) // writes the input into the folder that the command runs in
	args      []string                       // the arguments of incc
	wantErr   string                         // regular expression for standard error; "" if it must succeed
	want      string                         // regular expression for standard output
	maxMillis int                            // limit on the processor time in ms; 0 for 1,000
	maxMB     int                            // limit on the resident memory in MiB; 0 for 256
}

// addressSpace is the limit on the address space of a child process, in bytes. It keeps a
// failing test from using up the machine's memory. The Go runtime reserves more address
// space than it uses.
const addressSpace = 8 << 30

// limitedName is the name of the program with which the test binary runs limitedMain.
const limitedName = "incc-limited"

// peakEnv is the environment variable with the path of the file to which the child writes
// its largest resident memory.
const peakEnv = "INCC_TEST_PEAK"

// limitedMain does the work of main with a limit on memory, in a child of runHostile.
func limitedMain() {
	limitMemory(addressSpace)
	tuneCollector()
	code := run(os.Args, os.Stdin, os.Stdout, os.Stderr)
	if err := os.WriteFile(os.Getenv(peakEnv), []byte(strconv.FormatInt(peakMemory(), 10)), 0o600); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// runHostile runs each case in a new process and a new folder.
func runHostile(t *testing.T, cases []hostileCase) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.setup != nil {
				c.setup(t, dir)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			peak := filepath.Join(t.TempDir(), "peak")
			var stdout, stderr bytes.Buffer
			cmd := exec.CommandContext(ctx, exe, c.args...)
			cmd.Args[0] = limitedName
			cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
			cmd.Env = append(os.Environ(), peakEnv+"="+peak)
			err := cmd.Run()
			code := cmd.ProcessState.ExitCode()
			if ctx.Err() != nil {
				t.Fatalf("incc %q does not end", c.args)
			}
			text, peakErr := os.ReadFile(peak)
			if peakErr != nil {
				t.Fatalf("incc %q does not return (%v):\n%.2000s", c.args, err, &stderr)
			}
			switch {
			case c.wantErr == "" && code != exitOK:
				t.Errorf("incc %q exits %d: %s", c.args, code, &stderr)
			case c.wantErr != "" && code != exitError && code != exitUsage:
				t.Errorf("incc %q exits %d, want an error: %s", c.args, code, &stderr)
			case !regexp.MustCompile(c.wantErr).Match(stderr.Bytes()):
				t.Errorf("incc %q says %q, want %q", c.args, &stderr, c.wantErr)
			}
			if !regexp.MustCompile(c.want).Match(stdout.Bytes()) {
				t.Errorf("incc %q prints %q, want %q", c.args, &stdout, c.want)
			}
			took := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Milliseconds()
			if most := cmp.Or(c.maxMillis, 1000); took > int64(most) {
				t.Errorf("incc %q takes %d ms of processor time, want at most %d", c.args, took, most)
			}
			memory, err := strconv.ParseInt(string(text), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if most := cmp.Or(c.maxMB, 256); memory>>20 > int64(most) {
				t.Errorf("incc %q takes %d MiB of memory, want at most %d", c.args, memory>>20, most)
			}
			said, _, _ := strings.Cut(stderr.String(), "\n")
			t.Logf("%d ms, %d MiB: %s", took, memory>>20, said)
		})
	}
}

// write returns a setup that writes files; the keys are their paths.
func write(files map[string]string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		for name, text := range files {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
