package main

import (
	"fmt"
	"io"
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

// runFilled runs a network whose outputs have sizes that are known only at run time, such as a
// detector that ends with its boxes, and shows all outputs.
func runFilled(c *cli.Context, g *ir.Graph, file *safetensors.Tensors, x []*tensor.Tensor) error {
	ys, err := evaluate(c, g, file, x, g.Outputs)
	if err != nil {
		return err
	}
	last := len(ys) - 1
	axes, row := ys[last].Shape[1], 0
	var results []*tensor.F32
	for i := range g.Outputs[:last] {
		y := ys[i]
		if g.Outputs[i].Def == g.Outputs[last].Def {
			y = ops.Filled(y.Data, y.Shape, ys[last].Data[row*axes:])
			row++
		}
		results = append(results, y)
	}
	if path := c.String("output"); path != "" {
		if err := writeOutput(c, path, npyOutput, func(w io.Writer) error { return npy.Write(w, results[0]) }); err != nil {
			return err
		}
		if err := sayWroteArray(c, path, results[0].Shape); err != nil {
			return err
		}
	}
	if c.Bool("json") {
		var list []map[string]any
		for i, y := range results {
			list = append(list, map[string]any{"output": g.Outputs[i].Name, "shape": y.Shape, "data": y.Data})
		}
		return writeLineJSON(c.App.Writer, map[string]any{"outputs": list})
	}
	out := messages(c, c.String("output"))
	heads := []string{">row"}
	rows := 0
	for i, y := range results {
		heads = append(heads, ">"+g.Outputs[i].Name)
		if len(y.Shape) > 0 {
			rows = max(rows, y.Shape[0])
		}
		fmt.Fprintf(out, "%s: %v\n", diag.Name(g.Outputs[i].Name), ir.Shape(y.Shape))
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
