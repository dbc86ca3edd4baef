package main

import (
	"fmt"
	"io"

	"github.com/incc-lang/incc/ir/diag/fit"
)

// table is a table for the terminal that a command writes to.
type table struct{ *fit.Table }

func newTable(head ...string) table { return table{fit.NewTable(head...)} }

// write prints the table in the width of the terminal.
func (t table) write(w io.Writer) { t.Write(w, columns(w)) }

// bytesText returns a number of bytes in the largest unit in which it is at least 1.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
