package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/tensor"
)

// This file prints the outputs of incc run.

// imageTop is an image with its classes of the largest outputs.
type imageTop struct {
	Image int       `json:"image"`
	Top   []topLine `json:"top"`
}

// topOfImages returns the largest numbers of each image of an output.
func topOfImages(g *ir.Graph, y *tensor.F32, k int) (list []imageTop) {
	n := y.Shape[0]
	size := len(y.Data) / n
	for i := range n {
		row := make([]float64, size)
		for j := range row {
			row[j] = float64(y.Data[i*size+j])
		}
		list = append(list, imageTop{i, topK(g, row, k)})
	}
	return list
}

// writeResultsJSON prints all outputs as one JSON object.
func writeResultsJSON(c *cli.Context, g *ir.Graph, results []result) error {
	var list []map[string]any
	for _, r := range results {
		y := r.array
		one := map[string]any{"output": r.value.Name, "shape": append([]int{}, y.Shape...)}
		if r.images && len(y.Shape) > 1 && ir.Shape(y.Shape[2:]).Size() == 1 {
			one["images"] = topOfImages(g, y, c.Int("top"))
			list = append(list, one)
			continue
		}
		one["data"] = jsonNumbers(y.Data)
		if k := c.Int("top"); c.IsSet("top") && len(y.Shape) > 0 && y.Shape[0] > k {
			one["rows"] = y.Shape[0]
			one["shape"] = slices.Concat([]int{k}, y.Shape[1:])
			one["data"] = jsonNumbers(y.Data[:k*(len(y.Data)/y.Shape[0])])
		}
		list = append(list, one)
	}
	return writeLineJSON(c.App.Writer, map[string]any{"outputs": list})
}

// showResults prints outputs for people: of images the largest numbers, of all others their first
// rows, side by side.
func showResults(c *cli.Context, g *ir.Graph, results []result) error {
	out := messages(c, c.String("output"))
	var rows []result
	for _, r := range results {
		if !r.images {
			rows = append(rows, r)
			continue
		}
		for _, im := range topOfImages(g, r.array, c.Int("top")) {
			if r.array.Shape[0] > 1 {
				fmt.Fprintf(out, "image %d\n", im.Image)
			}
			writeTop(out, r.value.Name, im.Top)
		}
	}
	if len(rows) > 0 {
		showRows(c, rows)
	}
	return nil
}

// showRows prints arrays whose first axis does not count images: their first rows side by side.
func showRows(c *cli.Context, results []result) {
	out := messages(c, c.String("output"))
	heads := []string{">row"}
	rows := 0
	for _, r := range results {
		y := r.array
		heads = append(heads, ">"+r.value.Name)
		if len(y.Shape) == 0 {
			fmt.Fprintf(out, "%s: %g\n", diag.Name(r.value.Name), y.Data[0])
			continue
		}
		rows = max(rows, y.Shape[0])
		fmt.Fprintf(out, "%s: %v\n", diag.Name(r.value.Name), ir.Shape(y.Shape))
	}
	t := newTable(heads...)
	for r := range min(rows, c.Int("top")) {
		cells := []any{r}
		for _, x := range results {
			cells = append(cells, rowText(x.array, r))
		}
		t.Add(cells...)
	}
	if rows > 0 {
		t.write(out)
	}
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
