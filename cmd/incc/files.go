package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir/diag"
)

// writeFile writes a file completely or not at all; see files.Write. Pictures get the mark
// of incc.
func writeFile(path string, write func(io.Writer) error) error {
	return files.Write(path, marked(path, write))
}

// writeOwn writes a file that incc names itself, in the folder of a run or of an
// experiment. It replaces a link there and never follows it: such a folder may have
// come from somebody else. See files.Replace.
func writeOwn(path string, write func(io.Writer) error) error {
	return files.Replace(path, marked(path, write))
}

// fileWriter is writeFile or writeOwn.
type fileWriter func(path string, write func(io.Writer) error) error

// toStdout reports whether a path means standard output: "-", or a name of its
// descriptor such as /dev/stdout.
func toStdout(path string) bool {
	if path == "-" {
		return true
	}
	fd, ok := files.Descriptor(path)
	return ok && fd == 1
}

// writeOutput writes the result of a command to path, which may be standard output. It
// refuses what checkOutput refuses, and to write a result that is not text to a terminal.
func writeOutput(c *cli.Context, path string, kind outputKind, write func(io.Writer) error) error {
	if !toStdout(path) {
		if err := checkOutput(path, kind); err != nil {
			return err
		}
		return writeFile(path, write)
	}
	if f, ok := c.App.Writer.(*os.File); ok && !kind.text && isTerminal(f) {
		return fmt.Errorf("standard output is a terminal, and %s is not text: redirect it, or name a file", kind.name)
	}
	return write(c.App.Writer)
}

// messages returns the writer for a command's report. This is standard output, or
// standard error if the command writes one of the files at paths to standard output.
func messages(c *cli.Context, paths ...string) io.Writer {
	if slices.ContainsFunc(paths, toStdout) {
		return c.App.ErrWriter
	}
	return c.App.Writer
}

// notStdout returns an error if path, the value of a flag, means standard output. It is
// for flags that name a folder or several files; what describes these.
func notStdout(flag, path, what string) error {
	if !toStdout(path) {
		return nil
	}
	return usagef("--%s %s: standard output cannot take %s", flag, diag.Printable(path), what)
}

// notAnInput returns an error if path, the value of a flag, is one of the files that
// the command reads, since the command would overwrite it.
func notAnInput(flag, path string, inputs ...string) error {
	for _, in := range inputs {
		if in != "" && files.Same(path, in) {
			return usagef("--%s %s would replace %s, which this command reads; name another file", flag, diag.Quote(path), diag.Quote(in))
		}
	}
	return nil
}

// maxOutputBytes is the largest source file, in bytes, that a command reads before it
// replaces the file. Files of weights may be larger: see genFile.onDisk.
const maxOutputBytes = 256 << 20

// readOutput reads a source file that a command may replace.
func readOutput(path string) ([]byte, error) { return files.Read(path, maxOutputBytes) }
