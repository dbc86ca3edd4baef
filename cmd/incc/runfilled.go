package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/npy"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// isFilled reports whether a value is a result of the program that a network ends with, whose
// size is known only at run time.
func isFilled(g *ir.Graph, v *ir.Value) bool {
	sizes := ops.FilledSizes(g)
	return sizes != nil && (v.Def == sizes.Def && v != sizes || slices.Equal(g.Outputs[:1], []*ir.Value{v}))
}

// runFilled runs a network whose outputs have sizes that are known only at run time, such as a
// detector that ends with its boxes, and shows outs, some of its outputs.
func runFilled(c *cli.Context, g *ir.Graph, file *safetensors.Tensors, x []*tensor.Tensor, outs []*ir.Value) error {
	ys, err := evaluate(c, g, file, x, g.Outputs)
	if err != nil {
		return err
	}
	last := len(ys) - 1
	axes, row := ys[last].Shape[1], 0
	var shown []*ir.Value
	var results []*tensor.F32
	for i, v := range g.Outputs[:last] {
		y := ys[i]
		if v.Def == g.Outputs[last].Def {
			y = ops.Filled(y.Data, y.Shape, ys[last].Data[row*axes:])
			row++
		}
		if slices.Contains(outs, v) {
			shown, results = append(shown, v), append(results, y)
		}
	}
	if path := c.String("output"); path != "" {
		if err := writeOutput(c, path, npyOutput, func(w io.Writer) error { return npy.Write(w, results[0]) }); err != nil {
			return err
		}
		if err := sayWroteArray(c, path, results[0].Shape); err != nil {
			return err
		}
	}
	return showRows(c, shown, results)
}

// showRows prints arrays whose first axis does not count images: their first rows side by side.
// As JSON it prints all rows, or as many as --top says.
func showRows(c *cli.Context, values []*ir.Value, results []*tensor.F32) error {
	if c.Bool("json") {
		var list []map[string]any
		for i, y := range results {
			one := map[string]any{"output": values[i].Name, "shape": append([]int{}, y.Shape...), "data": jsonNumbers(y.Data)}
			if k := c.Int("top"); c.IsSet("top") && len(y.Shape) > 0 && y.Shape[0] > k {
				one["rows"] = y.Shape[0]
				one["shape"] = slices.Concat([]int{k}, y.Shape[1:])
				one["data"] = jsonNumbers(y.Data[:k*(len(y.Data)/y.Shape[0])])
			}
			list = append(list, one)
		}
		return writeLineJSON(c.App.Writer, map[string]any{"outputs": list})
	}
	out := messages(c, c.String("output"))
	heads := []string{">row"}
	rows := 0
	for i, y := range results {
		heads = append(heads, ">"+values[i].Name)
		if len(y.Shape) > 0 {
			rows = max(rows, y.Shape[0])
		}
		if len(y.Shape) == 0 {
			fmt.Fprintf(out, "%s: %g\n", diag.Name(values[i].Name), y.Data[0])
			continue
		}
		fmt.Fprintf(out, "%s: %v\n", diag.Name(values[i].Name), ir.Shape(y.Shape))
	}
	t := newTable(heads...)
	for r := range min(rows, c.Int("top")) {
		cells := []any{r}
		for _, y := range results {
			cells = append(cells, rowText(y, r))
		}
		t.Add(cells...)
	}
	if rows > 0 {
		t.write(out)
	}
	return nil
}

// rowText prints a row of an array: at most six numbers.
func rowText(y *tensor.F32, r int) string {
	if len(y.Shape) == 0 || r >= y.Shape[0] {
		return ""
	}
	n := len(y.Data) / y.Shape[0]
	var words []string
	for i, v := range y.Data[r*n : (r+1)*n] {
		if i == 6 {
			words = append(words, "…")
			break
		}
		words = append(words, strconv.FormatFloat(float64(v), 'g', 6, 32))
	}
	return strings.Join(words, " ")
}
