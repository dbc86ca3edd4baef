package main

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/torch"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir/recipe"
)

// runSpecTemplate returns the text of the spec.incc that train.py writes into the folder of a
// run. The text is a template for Python's string.Template. Its variables ${lr}, ${batch},
// ${epochs} and ${seed} get their values from the flags of train.py. If the spec has no names
// of classes, the variable ${labels} gets them from the data. labels are the contents of the
// file of class names that the spec names, nil for none; the text calls it labels.txt. r is
// the recipe with its defaults.
func runSpecTemplate(c *cli.Context, src *source, r recipe.Train) (text, labels []byte, err error) {
	defs, err := defines(c)
	if err != nil {
		return nil, nil, err
	}
	opt := dsl.Options{Defines: defs, ReadFile: func(name string) ([]byte, error) {
		b, err := src.open(name)
		if err == nil {
			labels = b
		}
		return b, err
	}}
	marked, values := markedRecipe(src.text, r)
	if text, err = dsl.Resolve(src.file, src.text, opt, marked); err != nil {
		return nil, nil, err
	}
	if text, err = dsl.RenameLabels(src.file, text, torch.LabelsFile); err != nil {
		return nil, nil, err
	}
	f, problems := dsl.Parse(src.file, text)
	if problems.HasErrors() {
		return nil, nil, problems.Err()
	}
	named := false
	dsl.Each(f, func(*dsl.Labels) { named = true })
	if !named {
		name := "class"
		for bytes.Contains(text, []byte(strconv.Quote(name))) {
			name += "_"
		}
		if text, err = dsl.AddLabels(src.file, text, []string{name}); err != nil {
			return nil, nil, err
		}
		values = append(values, mark{"${labels}", "labels { " + strconv.Quote(name) + " }"})
	}
	text = bytes.ReplaceAll(text, []byte("$"), []byte("$$"))
	for _, v := range values {
		if bytes.Count(text, []byte(v.mark)) != 1 {
			return nil, nil, fmt.Errorf("%s: %s is not to be found in the text of the spec", src.file, v.variable)
		}
		text = bytes.Replace(text, []byte(v.mark), []byte(v.variable), 1)
	}
	return text, labels, nil
}

// mark is a text that is unique in a spec, and the variable that replaces it.
type mark struct{ variable, mark string }

// markedRecipe returns r with numbers for the learning rate, batch, epochs and seed that are
// not in the text, and a mark for each of these numbers.
func markedRecipe(text []byte, r recipe.Train) (recipe.Train, []mark) {
	next := 31415
	number := func() int {
		for next++; bytes.Contains(text, []byte(strconv.Itoa(next))); next++ {
		}
		return next
	}
	r.Run.Seed = int64(number())
	r.Run.Batch = number()
	r.Run.Epochs = float64(number())
	r.Optimizer.LR = float64(number())
	return r, []mark{{"${seed}", strconv.FormatInt(r.Run.Seed, 10)}, {"${batch}", strconv.Itoa(r.Run.Batch)},
		{"${epochs}", strconv.Itoa(int(r.Run.Epochs))}, {"${lr}", strconv.Itoa(int(r.Optimizer.LR))}}
}
