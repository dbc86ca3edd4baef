package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/data"
	readweights "github.com/incc-lang/incc/backends/weights"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
)

// classMap says which output of a network each class of a data set belongs to.
type classMap struct {
	outputs []int32  // of each class of the data
	names   []string // of all outputs; empty where neither the spec nor the data names them
	moved   bool     // the outputs are in another order than the classes
}

// matchClasses compares the classes of a data set with the outputs of a network: by
// name, where both have names. Unless some is set, each output needs a class.
func matchClasses(d *dataset, g *ir.Graph, outputs int, some bool) (classMap, error) {
	names, n := d.classes()
	var m classMap
	var labels []string
	if l := g.Recipe.Labels; l != nil {
		labels = l.Names
	}
	switch {
	case len(names) > 0 && len(labels) > 0:
		if err := sameClasses(d, g.Name, labels, some); err != nil {
			return m, err
		}
		m.names = labels
	case len(names) > 0 && n != outputs || n > outputs:
		return m, fmt.Errorf("%s has %d classes, %s has %s: give the last layer %d outputs", diag.Printable(d.name), n, diag.Name(g.Name), diag.Count(outputs, "output"), n)
	default:
		m.names = slices.Concat(labels, names) // one of them is empty
	}
	for k := range n {
		to := k
		if len(names) > 0 && len(labels) > 0 {
			to = slices.Index(labels, names[k])
		}
		m.moved = m.moved || k > 0 && int32(to) < m.outputs[k-1]
		m.outputs = append(m.outputs, int32(to))
	}
	return m, nil
}

// sameClasses returns an error that lists the names in which the labels of a network
// and the classes of a data set differ.
func sameClasses(d *dataset, net string, labels []string, some bool) error {
	names, _ := d.classes()
	without := func(a, b []string) (rest []string) {
		for _, s := range a {
			if !slices.Contains(b, s) {
				rest = append(rest, s)
			}
		}
		return rest
	}
	strange, missing := without(names, labels), without(labels, names)
	if len(strange) == 0 && (len(missing) == 0 || some) {
		return nil
	}
	const most = 20
	var b strings.Builder
	fmt.Fprintf(&b, "the labels of %s and the classes of %s differ:", diag.Name(net), diag.Printable(d.name))
	list := func(names []string, text func(name string) string) {
		for _, s := range names[:min(len(names), most)] {
			b.WriteString("\n   " + text(s))
		}
		if len(names) > most {
			fmt.Fprintf(&b, "\n   and %d more", len(names)-most)
		}
	}
	list(strange, func(s string) string {
		text := fmt.Sprintf("the labels have no %s", diag.Quote(s))
		if near, ok := diag.Nearest(s, missing); ok {
			text += fmt.Sprintf("; did you mean %s?", diag.Quote(near))
		}
		return text
	})
	if !some {
		list(missing, func(s string) string {
			if d.isEmpty(s) {
				return fmt.Sprintf("there is no picture of %s: its folder is empty", diag.Quote(s))
			}
			return fmt.Sprintf("there is no picture of %s", diag.Quote(s))
		})
	}
	switch {
	case len(names) == len(labels):
		b.WriteString("\nwrite the names of the folders into the labels statement, in any order, or rename the folders")
	case some:
		b.WriteString("\nrename the folders to the names that the network gives its classes")
	case len(names) > len(labels):
		fmt.Fprintf(&b, "\nadd the missing names to the labels statement and give the last layer %d outputs, or delete the folder", len(names))
	default:
		fmt.Fprintf(&b, "\nadd pictures, or delete the names from the labels statement and give the last layer %d outputs", len(names))
	}
	return fmt.Errorf("%s", b.String())
}

// apply gives the images of a set the numbers of their outputs.
func (m classMap) apply(s *data.Set) {
	if s == nil {
		return
	}
	if m.moved || len(m.names) > len(m.outputs) {
		for i, l := range s.Labels {
			s.Labels[i] = m.outputs[l]
		}
		s.Classes = len(m.names)
	}
	s.Names = m.names
}

// nameClasses gives a network without labels the names of the classes that a file of
// weights was trained on, if the file has them. A file that cannot be read is the
// business of the code that reads the weights.
func nameClasses(g *ir.Graph, weights string) {
	if g.Recipe.Labels != nil || weights == "" || len(g.Outputs) != 1 {
		return
	}
	if isModel(weights) {
		return
	}
	f, err := readweights.Open(weights)
	if err != nil {
		return
	}
	defer f.Close()
	var names []string
	if json.Unmarshal([]byte(f.Meta["classes"]), &names) == nil && len(names) > 0 && len(names) == g.Outputs[0].Type.Shape.Size() {
		g.Recipe.Labels = &recipe.Labels{Names: names}
	}
}

// setClasses sets the let classes of a spec to the number of classes of the data, if
// the network has another number of outputs, the user has not set it, and the spec
// does not name its classes one by one. It says so, and reports whether the network
// has to be built again.
func setClasses(c *cli.Context, spec *source, outputs, classes int) (bool, error) {
	if outputs == classes {
		return false, nil
	}
	defs, err := defines(c)
	if err != nil {
		return false, err
	}
	f, problems := dsl.Parse(spec.file, spec.text)
	if problems.HasErrors() {
		return false, problems.Err()
	}
	own, other := false, ""
	dsl.Each(f, func(l *dsl.Labels) { own = own || l.Set == nil })
	_, given := defs["classes"]
	found := false
	dsl.Each(f, func(l *dsl.Let) {
		switch {
		case l.Name.Name == "classes":
			found = true
		case l.Value.Raw == strconv.Itoa(outputs):
			other = l.Name.Name
		}
	})
	switch {
	case own:
		return false, nil
	case given:
		return false, fmt.Errorf("-D classes=%s, but %s has %s: leave it out, or write -D classes=%d", defs["classes"], diag.Printable(c.String("data")), classCount(classes), classes)
	case found && classes == 1:
		return false, fmt.Errorf("%s has pictures of one class only, but a network tells two or more apart: name the folder that has a folder for each class", diag.Name(c.String("data")))
	case found:
		say(c.App.ErrWriter, fmt.Sprintf("classes=%d: the data has %[1]d classes, the spec says %d (-D classes=N sets another number)", classes, outputs))
		return true, c.Set("define", fmt.Sprintf("classes=%d", classes))
	case other != "":
		return false, fmt.Errorf("%s has %s, the network has %s: if this let is the number of classes, write -D %s=%d", diag.Printable(c.String("data")), classCount(classes), diag.Count(outputs, "output"), other, classes)
	}
	return false, nil
}

func classCount(n int) string {
	if n == 1 {
		return "1 class"
	}
	return fmt.Sprintf("%d classes", n)
}
