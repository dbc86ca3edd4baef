package passes

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/incc-lang/incc/ir/diag"
)

// WriteDecisions prints a table of the layers that a pass considered, one on each line, with
// the decision, the reason, and at the end the sums.
func WriteDecisions(w io.Writer, ds []Decision) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	approximates := false
	for _, d := range ds {
		approximates = approximates || d.Error != 0
	}
	head := []string{"layer", "", "what", "params", "MACs"}
	if approximates {
		head = append(head, "error")
	}
	fmt.Fprintln(tw, strings.Join(append(head, "why"), "\t"))
	var params, macs [2]int64
	for _, d := range ds {
		verb := "kept"
		if d.Done {
			verb = "done"
		}
		row := []string{diag.Printable(d.Layer), verb, d.What, change(d.Params), change(d.MACs)}
		if approximates {
			row = append(row, fmt.Sprintf("%.3g", d.Error))
		}
		fmt.Fprintln(tw, strings.Join(append(row, d.Why), "\t"))
		for i := range 2 {
			j := i
			if !d.Done {
				j = 0
			}
			params[i] += d.Params[j]
			macs[i] += d.MACs[j]
		}
	}
	row := []string{"total", "", "", change(params), change(macs)}
	if approximates {
		row = append(row, "")
	}
	fmt.Fprintln(tw, strings.Join(append(row, ""), "\t"))
	return tw.Flush()
}

func change(n [2]int64) string {
	if n[1] == n[0] {
		return fmt.Sprint(n[0])
	}
	return fmt.Sprintf("%d -> %d", n[0], n[1])
}
