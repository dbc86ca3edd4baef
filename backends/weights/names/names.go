// Package names pairs the names that weights have in a spec with those that they have in
// the class of another library that the spec describes: torchvision's GoogLeNet, for
// example. A test compares the tables with the classes themselves.
package names

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
)

// files are the tables, a folder for each library and a file for each spec. A line is a
// layer of the spec, the module that has the weights of its convolution or dense layer, or
// - for none, and the module of its normalization, if it has one.
//
//go:embed torchvision/*.txt
var files embed.FS

// Table pairs the weights of a spec with those of a class.
type Table struct {
	Spec    string // its name, without .incc
	Library string // torchvision
	Class   string // its constructor: googlenet
	Input   string // how pictures become the input of the pretrained weights, in the keys of the input statement of a spec
	Layers  []Layer

	tensor, param map[string]string
}

// Layer is a layer of a spec and its modules in the class.
type Layer struct {
	Path         string // of the layer in the spec
	Module, Norm string // "" for none
}

// Tables returns all tables.
var Tables = sync.OnceValue(func() []*Table {
	var list []*Table
	paths, err := fs.Glob(files, "*/*.txt")
	for _, p := range paths {
		var b []byte
		if b, err = files.ReadFile(p); err != nil {
			break
		}
		t := &Table{Spec: strings.TrimSuffix(path.Base(p), ".txt"), Library: path.Dir(p)}
		if err = t.parse(string(b)); err != nil {
			break
		}
		list = append(list, t)
	}
	if err != nil {
		panic("names: the tables of this package: " + err.Error())
	}
	return list
})

func (t *Table) parse(text string) error {
	t.tensor, t.param = map[string]string{}, map[string]string{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
			continue
		case f[0] == "class" && len(f) == 2 && t.Class == "":
			t.Class = f[1]
			continue
		case f[0] == "input" && t.Input == "":
			t.Input = strings.Join(f[1:], " ")
			continue
		case len(f) < 2 || len(f) > 3:
			return fmt.Errorf("%s: %q is not a layer and one or two modules", t.Spec, line)
		}
		l := Layer{Path: f[0]}
		if f[1] != "-" {
			l.Module = f[1]
			t.pair(l.Path+"/weight", l.Module+".weight")
			t.pair(l.Path+"/bias", l.Module+".bias")
		}
		if len(f) == 3 {
			l.Norm = f[2]
			t.pair(l.Path+"/gamma", l.Norm+".weight")
			t.pair(l.Path+"/beta", l.Norm+".bias")
			t.pair(l.Path+"/mean", l.Norm+".running_mean")
			t.pair(l.Path+"/variance", l.Norm+".running_var")
		}
		t.Layers = append(t.Layers, l)
	}
	return nil
}

func (t *Table) pair(param, tensor string) {
	t.tensor[param], t.param[tensor] = tensor, param
}

// For returns all tables, that of the spec with the given name first: classes of one family,
// such as ResNets, share names.
func For(spec string) []*Table {
	var first, rest []*Table
	for _, t := range Tables() {
		if t.Spec == spec {
			first = append(first, t)
		} else {
			rest = append(rest, t)
		}
	}
	return append(first, rest...)
}

// Tensor returns the name that a weight of the spec has in the class, "" if the table does
// not have the weight.
func (t *Table) Tensor(param string) string { return t.tensor[param] }

// Param returns the name that a tensor of the class has in the spec, "" if the table does
// not have the tensor.
func (t *Table) Param(tensor string) string { return t.param[tensor] }
