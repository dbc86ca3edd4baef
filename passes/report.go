package passes

import (
	"fmt"
	"io"

	"github.com/incc-lang/incc/ir/diag/fit"
)

// WriteDecisions prints a table of the layers that a pass considered, one on each line, with
// the decision, the reason, and at the end the sums. Lines have at most so many columns, 0 is
// no limit.
func WriteDecisions(w io.Writer, ds []Decision, columns int) error {
	approximates := false
	for _, d := range ds {
		approximates = approximates || d.Error != 0
	}
	head := []string{"layer", "", "what", ">params", ">MACs"}
	if approximates {
		head = append(head, ">error")
	}
	t := fit.NewTable(append(head, "why")...)
	var params, macs [2]int64
	for _, d := range ds {
		verb := "kept"
		if d.Done {
			verb = "done"
		}
		row := []any{d.Layer, verb, d.What, change(d.Params), change(d.MACs)}
		if approximates {
			row = append(row, fmt.Sprintf("%.3g", d.Error))
		}
		t.Add(append(row, d.Why)...)
		for i := range 2 {
			j := i
			if !d.Done {
				j = 0
			}
			params[i] += d.Params[j]
			macs[i] += d.MACs[j]
		}
	}
	t.Rule()
	row := []any{"total", "", "", change(params), change(macs)}
	t.Add(row...)
	return t.Write(w, columns)
}

func change(n [2]int64) string {
	if n[1] == n[0] {
		return fmt.Sprint(n[0])
	}
	return fmt.Sprintf("%d -> %d", n[0], n[1])
}
