package main

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/term"

	"github.com/incc-lang/incc/ir/diag/fit"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// columns returns the width, in characters, of the terminal that w writes to. It asks the
// terminal at every call, because the user may change the size. For a terminal of unknown
// size it returns the value of the variable COLUMNS, or 80. It returns 0, which means no
// limit, if w is a file, a pipe or a buffer.
func columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !isTerminal(f) {
		return 0
	}
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		return n
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return 80
}

// say prints a text and a line break. On a terminal it breaks lines that are too long.
func say(w io.Writer, text string) error {
	if n := columns(w); n > 0 {
		text = fit.Text(text, n)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// sayf is say with the text that a format and its operands make.
func sayf(w io.Writer, format string, args ...any) error {
	return say(w, fmt.Sprintf(format, args...))
}
