package main

import (
	"cmp"
	"encoding/csv"
	"io"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir/diag"
)

// mistake is an image that was classified wrong.
type mistake struct {
	image, label, predicted int
	score, labelScore       float64 // the softmax of the predicted class and of the label
}

// mistakes are the wrongly classified images of an evaluation.
type mistakes []mistake

// collect returns the function for train.Evaluate that adds the mistakes among the
// images of a set.
func (m *mistakes) collect(set *data.Set) func(i int, logits []float32, p train.Prediction) {
	return func(i int, logits []float32, p train.Prediction) {
		if label := int(set.Labels[i]); p.Class != label {
			*m = append(*m, mistake{i, label, p.Class, p.Score, train.Probability(logits, label)})
		}
	}
}

// surest orders the mistakes: those with the highest score of the wrong class first.
func (m mistakes) surest() mistakes {
	m = slices.Clone(m)
	slices.SortStableFunc(m, func(a, b mistake) int { return cmp.Compare(b.score, a.score) })
	return m
}

// wrongColumns are the columns of the file of --wrong.
var wrongColumns = []string{"image", "label", "label_name", "predicted", "predicted_name", "score", "label_score"}

// write writes the mistakes as CSV. image is the position in the part of the data
// set, counted from 0.
func (m mistakes) write(w io.Writer, names []string) error {
	c := csv.NewWriter(w)
	_ = c.Write(wrongColumns)
	for _, x := range m.surest() {
		_ = c.Write([]string{strconv.Itoa(x.image), strconv.Itoa(x.label), nameOf(names, x.label), strconv.Itoa(x.predicted), nameOf(names, x.predicted), cell(x.score), cell(x.labelScore)})
	}
	c.Flush()
	return c.Error()
}

// checkWrong returns an error if the file of --wrong would replace an input or a file of
// a run, or if it is standard output and --json is given.
func checkWrong(c *cli.Context, inputs ...string) error {
	file := c.String("wrong")
	switch {
	case file == "":
		return nil
	case toStdout(file) && c.Bool("json"):
		return usagef("--json and --wrong %s cannot both go to standard output", diag.Printable(file))
	case isRunFile(file):
		return usagef("--wrong %s would replace a file of a run: choose another name, such as wrong.csv", diag.Printable(file))
	}
	return notAnInput("wrong", file, inputs...)
}
