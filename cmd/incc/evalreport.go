package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir/diag"
)

// evalReport is what incc eval prints.
type evalReport struct {
	net, data, split string
	score            train.Score
	metrics          train.Metrics
	names            []string // of the classes
}

// The limits of the table of classes.
const (
	classesTo  = 40 // if there are more classes, only the worst ones are printed
	worstShown = 20
	classWidth = 30 // longer names are cut, so that the table fits 80 columns
)

// write prints the report for people.
func (r evalReport) write(w io.Writer) {
	s := r.score
	_ = say(w, fmt.Sprintf("%s on %s, %s: %.2f %% of %d images, loss %.4f", r.net, diag.Name(r.data), r.split, 100*s.Accuracy, s.Images, s.Loss))
	top5 := ""
	if r.hasTop5() {
		top5 = "top-5 " + percent(s.Top5) + ", "
	}
	_ = say(w, fmt.Sprintf("%sbalanced accuracy %s, expected calibration error %s\n", top5, percent(r.metrics.Balanced), percent(s.Calibration)))
	shown := r.metrics.Classes
	if len(shown) > classesTo {
		shown = slices.Clone(shown)
		slices.SortStableFunc(shown, func(a, b train.ClassMetrics) int { return cmp.Compare(a.F1, b.F1) })
		shown = shown[:worstShown]
	}
	t := newTable("class", ">precision", ">recall", ">F1", ">support")
	add := func(name string, m train.ClassMetrics) {
		t.Add(name, percent(m.Precision), percent(m.Recall), percent(m.F1), diag.Thousands(int64(m.Support)))
	}
	for _, m := range shown {
		name := fmt.Sprint(m.Class)
		if label := nameOf(r.names, m.Class); label != "" && label != name {
			name += " " + diag.Printable(label)
		}
		add(diag.Shorten(name, classWidth), m)
	}
	t.Rule()
	add("macro average", r.metrics.Macro)
	add("weighted average", r.metrics.Weighted)
	t.write(w)
	if n := len(r.metrics.Classes); n > len(shown) {
		sayf(w, "These are the %d classes with the lowest F1 of %d; --json prints all.", len(shown), n)
	}
}

// hasTop5 reports whether top-5 accuracy is meaningful: with more than five classes.
func (r evalReport) hasTop5() bool { return r.score.Top5 > 0 || r.score.Confusion.Classes() > 5 }

// writeJSON prints the report for programs.
func (r evalReport) writeJSON(w io.Writer) error {
	type class struct {
		train.ClassMetrics
		Label string `json:"label,omitempty"`
	}
	type average struct {
		Precision float64 `json:"precision"`
		Recall    float64 `json:"recall"`
		F1        float64 `json:"f1"`
	}
	s, m := r.score, r.metrics
	classes := make([]class, len(m.Classes))
	for i, x := range m.Classes {
		classes[i] = class{x, nameOf(r.names, x.Class)}
	}
	type cell struct {
		Class          int    `json:"class"`
		Label          string `json:"label,omitempty"`
		PredictedClass int    `json:"predicted_class"`
		PredictedLabel string `json:"predicted_label,omitempty"`
		Count          int    `json:"count"`
	}
	cells := []cell{}
	for _, x := range s.Confusion.Cells() {
		cells = append(cells, cell{x.Label, nameOf(r.names, x.Label), x.Predicted, nameOf(r.names, x.Predicted), x.Count})
	}
	out := map[string]any{"net": r.net, "data": r.data, "split": r.split, "images": s.Images, "accuracy": s.Accuracy, "loss": s.Loss,
		"balanced_accuracy": m.Balanced, "calibration_error": s.Calibration, "classes": classes, "confusion": cells,
		"macro": average{m.Macro.Precision, m.Macro.Recall, m.Macro.F1}, "weighted": average{m.Weighted.Precision, m.Weighted.Recall, m.Weighted.F1}}
	if r.hasTop5() {
		out["top5"] = s.Top5
	}
	return writeJSON(w, out)
}

// nameOf returns the name of a class, or "" if it has none.
func nameOf(names []string, class int) string {
	if class >= 0 && class < len(names) {
		return names[class]
	}
	return ""
}
