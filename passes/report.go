package passes

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/incc-lang/incc/ir/diag"
)

// WriteReport prints what each step changed and how long it took.
func (r *Report) WriteReport(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "pass\tcontract\trewrites\tnodes\tparams\ttime")
	for _, s := range r.Steps {
		if s.Skipped != "" {
			fmt.Fprintf(tw, "%s\t%s\tskipped: %s\t\t\t\n", s.Step, s.Step.Pass.Contract, s.Skipped)
			continue
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%d -> %d\t%d -> %d\t%v\n", s.Step, s.Step.Pass.Contract, s.Changed,
			s.Nodes[0], s.Nodes[1], s.Params[0], s.Params[1], s.Time.Round(1000))
	}
	return tw.Flush()
}

// WriteDecisions prints the layers that a pass looked at, one a line, what became
// of them and why, and the sums.
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
		verb := "left"
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
	row := []string{"together", "", "", change(params), change(macs)}
	if approximates {
		row = append(row, "")
	}
	fmt.Fprintln(tw, strings.Join(append(row, ""), "\t"))
	return tw.Flush()
}

func change(n [2]int64) string {
	if n[1] == 0 {
		return fmt.Sprint(n[0])
	}
	return fmt.Sprintf("%d -> %d", n[0], n[1])
}

// WriteList prints every pass with its contract, levels and reference: what
// `incc passes` shows.
func WriteList(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "pass\tcontract\tlevel\twhat it does\treference")
	for _, r := range table {
		level := "by name"
		if r.level != byName {
			level = fmt.Sprintf("-O%d", r.level)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", r.pass.Name, r.pass.Contract, level, r.pass.Doc, r.pass.Ref)
		for _, v := range r.pass.Variants {
			fmt.Fprintf(tw, "  =%s\t\t\t%s\t\n", v.Name, v.Doc)
		}
		for _, a := range r.pass.Args {
			doc := a.Doc
			if a.Default != "" {
				doc += " (default " + a.Default + ")"
			}
			fmt.Fprintf(tw, "  ,%s\t\t\t%s\t\n", a.Name, doc)
		}
	}
	return tw.Flush()
}
