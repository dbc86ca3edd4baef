package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir/diag/fit"
)

// String prints the plan for people: its steps, then its memory.
func (p *Plan) String() string {
	var b strings.Builder
	// A Builder returns no error.
	_ = p.Table(&b, TableOptions{})
	return b.String()
}

// TableOptions add columns to Table.
type TableOptions struct {
	Measured []float64 // measured seconds of each step; nil for no such column
	Peak     float64   // peak GFLOP/s, to print the share of it that each step reaches; 0 for no such column
	Buffers  bool      // also print the buffers
	Columns  int       // the largest width of a line; 0 for no limit
}

// Table prints the steps, one on each line: algorithm, operands and predicted time.
func (p *Plan) Table(w io.Writer, opt TableOptions) error {
	what := "inference"
	if p.Train {
		what = "training"
	}
	if p.Solo {
		what += " on one thread"
	}
	text := fmt.Sprintf("plan %s: %s, batch %d, %d steps in %d phases, arena %s, weights %s",
		p.Name, what, p.Batch, len(p.Steps), p.Phases(), size(p.Arena), size(p.Packed))
	if opt.Columns > 0 {
		text = fit.Text(text, opt.Columns)
	}
	if _, err := fmt.Fprintf(w, "%s\n\n", text); err != nil {
		return err
	}
	head := []string{"part", "step", "algorithm", "shape", "in", "out", ">phase", ">tasks", ">MMAC", ">predicted µs"}
	if opt.Measured != nil {
		head = append(head, ">measured µs")
		if opt.Peak > 0 {
			head = append(head, ">% of peak")
		}
	}
	t := fit.NewTable(head...)
	var predicted, measured float64
	var macs int64
	for _, sec := range p.Sections {
		for i := sec.First; i < sec.End; i++ {
			s := p.Steps[i]
			part := ""
			if i == sec.First {
				part = sec.Name
			}
			row := []any{part, s.Name, s.Algo, s.Shape, operands(s.In), operands(s.Out), s.Phase, s.Do.Tasks(p.Batch),
				fmt.Sprintf("%.2f", float64(s.Cost.MACs)/1e6), fmt.Sprintf("%.1f", s.Cost.Seconds*1e6)}
			if opt.Measured != nil {
				row = append(row, fmt.Sprintf("%.1f", opt.Measured[i]*1e6))
				measured += opt.Measured[i]
				if opt.Peak > 0 {
					row = append(row, share(s.Cost.MACs, opt.Measured[i], opt.Peak))
				}
			}
			t.Add(row...)
			predicted += s.Cost.Seconds
			macs += s.Cost.MACs
		}
	}
	t.Rule()
	row := []any{"total", "", "", "", "", "", "", "", fmt.Sprintf("%.2f", float64(macs)/1e6), fmt.Sprintf("%.1f", predicted*1e6)}
	if opt.Measured != nil {
		row = append(row, fmt.Sprintf("%.1f", measured*1e6))
		if opt.Peak > 0 {
			row = append(row, share(macs, measured, opt.Peak))
		}
	}
	t.Add(row...)
	if err := t.Write(w, opt.Columns); err != nil || !opt.Buffers {
		return err
	}
	fmt.Fprintln(w)
	t = fit.NewTable("buffer", "layout", ">channels", ">map", "border", ">offset", ">length", "phases")
	for _, b := range p.Buffers {
		t.Add(b.Name, b.Layout, b.C, fmt.Sprintf("%dx%d", b.H, b.W), b.Border, b.Off, size(b.Len), fmt.Sprintf("%d..%d", b.First, b.Last))
	}
	return t.Write(w, opt.Columns)
}

func share(macs int64, seconds, peak float64) string {
	if macs == 0 || seconds == 0 {
		return ""
	}
	return strconv.FormatFloat(2*float64(macs)/seconds/1e9/peak*100, 'f', 1, 64)
}

// Phases returns the number of phases. Threads synchronize after each one.
func (p *Plan) Phases() int {
	if len(p.Steps) == 0 {
		return 0
	}
	return p.Steps[len(p.Steps)-1].Phase + 1
}

// size prints the size in bytes of a number of float32s.
func size(float32s int) string {
	n := 4 * float64(float32s)
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", n/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.2f MiB", n/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", n/(1<<10))
	}
	return fmt.Sprintf("%d B", int(n))
}

func operands(l [4]Operand) string {
	var s []string
	for _, o := range l {
		if o.Space != Nowhere {
			s = append(s, o.String())
		}
	}
	return strings.Join(s, " ")
}

// String returns the place as a@OFFSET (arena), p@OFFSET (params), in0@OFFSET (input 0) or
// out0@OFFSET (output 0), with the offset in float32s.
func (o Operand) String() string {
	switch o.Space {
	case Arena:
		return "a@" + strconv.Itoa(o.Off)
	case Params:
		return "p@" + strconv.Itoa(o.Off)
	case Input:
		return fmt.Sprintf("in%d@%d", o.Index, o.Off)
	case Output:
		return fmt.Sprintf("out%d@%d", o.Index, o.Off)
	}
	return "-"
}

// MarshalJSON returns the plan as JSON. Kernels are Go expressions.
func (p *Plan) MarshalJSON() ([]byte, error) {
	type stepJSON struct {
		Name, Algo, Kernel string
		Phase, Tasks       int
		In, Out            []string
		Weights            []int `json:",omitempty"`
		From               []string
		Shape              string
		MACs               int64
		PredictedMicros    float64
	}
	type plain Plan
	steps := make([]stepJSON, len(p.Steps))
	for i, s := range p.Steps {
		x := stepJSON{Name: s.Name, Algo: s.Algo, Kernel: fmt.Sprintf("%#v", s.Do), Phase: s.Phase, Tasks: s.Do.Tasks(p.Batch), From: s.From,
			In: strings.Fields(operands(s.In)), Out: strings.Fields(operands(s.Out)), Shape: s.Shape.String(), MACs: s.Cost.MACs, PredictedMicros: s.Cost.Seconds * 1e6}
		for _, w := range s.W {
			if w > 0 {
				x.Weights = append(x.Weights, w-1)
			}
		}
		steps[i] = x
	}
	c := plain(*p)
	c.Steps = nil
	return json.Marshal(struct {
		plain
		Steps []stepJSON
	}{c, steps})
}
