package main

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir/diag"
)

// mistake is an image that was classified wrong.
type mistake struct {
	i                 int    // the image in the set of the evaluation
	image             int    // its position in the part of the data set, counted from 0
	file              string // its path in the data folder, "" if it has no file of its own
	label, predicted  int
	score, labelScore float64 // the softmax of the predicted class and of the label
}

// mistakes are the wrongly classified images of an evaluation.
type mistakes []mistake

// collect returns the function for train.Evaluate that adds the mistakes among the
// images of a set.
func (m *mistakes) collect(set *data.Set) func(i int, logits []float32, p train.Prediction) {
	return func(i int, logits []float32, p train.Prediction) {
		if label := int(set.Labels[i]); p.Class != label {
			*m = append(*m, mistake{i, set.Place(i), set.File(i), label, p.Class, p.Score, train.Probability(logits, label)})
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
var wrongColumns = []string{"image", "file", "class", "label", "predicted_class", "predicted_label", "score", "class_score"}

// write writes the mistakes as CSV.
func (m mistakes) write(w io.Writer, names []string) error {
	c := csv.NewWriter(w)
	_ = c.Write(wrongColumns)
	for _, x := range m.surest() {
		_ = c.Write([]string{strconv.Itoa(x.image), x.file, strconv.Itoa(x.label), nameOf(names, x.label), strconv.Itoa(x.predicted), nameOf(names, x.predicted), cell(x.score), cell(x.labelScore)})
	}
	c.Flush()
	return c.Error()
}

// sheet makes a table of the mistakes: a row for each pair of label and prediction, the
// most frequent first, with the mistakes whose score is highest.
func (m mistakes) sheet(set *data.Set, names []string) (*sheet, error) {
	type pair struct{ label, predicted int }
	byPair := map[pair]mistakes{}
	var pairs []pair
	for _, x := range m.surest() {
		p := pair{x.label, x.predicted}
		if byPair[p] == nil {
			pairs = append(pairs, p)
		}
		byPair[p] = append(byPair[p], x)
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(len(byPair[b]), len(byPair[a])), cmp.Compare(a.label, b.label), cmp.Compare(a.predicted, b.predicted))
	})
	sh := &sheet{c: set.C, h: set.H, w: set.W}
	for _, p := range pairs[:min(len(pairs), sheetRows)] {
		row := sheetRow{name: fmt.Sprintf("%d: %s as %s", len(byPair[p]), className(names, p.label), className(names, p.predicted))}
		for _, x := range byPair[p][:min(len(byPair[p]), sheetColumns)] {
			px, err := set.Image(x.i)
			if err != nil {
				return nil, err
			}
			row.pictures = append(row.pictures, px)
		}
		sh.rows = append(sh.rows, row)
	}
	switch more := len(pairs) - len(sh.rows); {
	case len(pairs) == 0:
		sh.foot = "no image was classified wrong"
	case more > 0:
		sh.foot = fmt.Sprintf("and %d more pairs of classes", more)
	}
	return sh, nil
}

// checkWrong returns an error if the file of --wrong or --sheet would replace an input or
// a file of a run, or if two results would go to standard output.
func checkWrong(c *cli.Context, inputs ...string) error {
	for _, f := range []struct {
		flag, example string
		kind          outputKind
	}{{"wrong", "wrong.csv", csvFile}, {"sheet", "wrong.png", pngFile}} {
		file := c.String(f.flag)
		switch {
		case file == "":
			continue
		case toStdout(file) && c.Bool("json"):
			return usagef("--json and --%s %s cannot both go to standard output", f.flag, diag.Printable(file))
		case isRunFile(file):
			return usagef("--%s %s would replace a file of a run: choose another name, such as %s", f.flag, diag.Printable(file), f.example)
		}
		if err := notAnInput(f.flag, file, inputs...); err != nil {
			return err
		}
		if err := checkOutput(file, f.kind); err != nil {
			return err
		}
		if f.flag != "wrong" || toStdout(file) {
			continue
		}
		if other, err := otherFile(file, wrongColumns); err != nil {
			return err
		} else if other {
			return usagef("--wrong %s would replace a table that is not one of mistakes: choose another name", diag.Printable(file))
		}
	}
	if file := c.String("confusion"); file != "" {
		stem := strings.TrimSuffix(file, ".png")
		for _, flag := range []string{"wrong", "sheet"} {
			if samePath(c.String(flag), file) || samePath(c.String(flag), stem+".csv") {
				return usagef("--confusion and --%s would write the same file", flag)
			}
		}
	}
	if toStdout(c.String("wrong")) && toStdout(c.String("sheet")) {
		return usagef("--wrong and --sheet cannot both go to standard output")
	}
	return nil
}
