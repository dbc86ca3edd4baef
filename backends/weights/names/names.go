// Package names pairs the names that weights have in a spec with those that they have in
// the class of another library that the spec describes: torchvision's GoogLeNet, for
// example. Tests compare the tables with the classes themselves.
package names

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// files are the tables, a folder for each library and a file for each spec. A line is a
// layer of the spec, the module that has the weights of its convolution or dense layer, or
// - for none, and the module of its normalization, if it has one. Other lines are settings:
// the fields of Table.
//
//go:embed torchvision/*.txt timm/*.txt keras/*.txt slim/*.txt
var files embed.FS

// Table pairs the weights of a spec with those of a class.
type Table struct {
	Spec    string // its name, without .incc
	Library string // torchvision, timm, keras or slim
	Class   string // its constructor: googlenet
	Input   string // how pictures become the input of the pretrained weights, in the keys of the input statement of a spec
	Layers  []Layer

	// What the class computes, for specs that were written after another one of the same
	// layers.
	Eps        float64 // of batch normalization, 0 if any
	NoPadCount bool    // averages do not count padding (include_pad=0)
	EndPad     bool    // where the stride is 2, padding is below and right of maps of even size

	// Differs says why no weights of the class fit the spec, "" if they do. Then Has is the
	// name of a tensor that tells the class from others.
	Differs, Has string

	// Ignore is what the names of tensors begin with that are left out, "" for none: a head for
	// training that the spec goes without.
	Ignore string

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
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" || t.setting(f) {
			continue
		}
		if len(f) < 2 || len(f) > 3 {
			return fmt.Errorf("%s: %q is not a layer and one or two modules", t.Spec, line)
		}
		l := Layer{Path: f[0]}
		if f[1] != "-" {
			l.Module = f[1]
		}
		if len(f) == 3 {
			l.Norm = f[2]
		}
		t.pair(l)
		t.Layers = append(t.Layers, l)
	}
	return nil
}

// setting reads a line that is no layer. It reports whether it is one.
func (t *Table) setting(f []string) bool {
	rest := strings.Join(f[1:], " ")
	switch f[0] {
	case "class":
		t.Class = rest
	case "input":
		t.Input = rest
	case "differs":
		t.Differs = rest
	case "has":
		t.Has = rest
	case "ignore":
		t.Ignore = rest
	case "eps":
		t.Eps, _ = strconv.ParseFloat(rest, 64) // 0 fails the test of the tables
	case "include_pad=0":
		t.NoPadCount = true
	case "end_pad":
		t.EndPad = true
	default:
		return false
	}
	return true
}

// pair adds the names of the weights of a layer.
func (t *Table) pair(l Layer) {
	add := func(role, module, name string) {
		if module == "" {
			return
		}
		param, tensor := l.Path+"/"+role, module+name
		if t.tensor[param] == "" {
			t.tensor[param] = tensor
		}
		t.param[tensor] = param
	}
	if t.Library == "keras" {
		add("weight", l.Module, "/kernel")
		add("weight", l.Module, "/depthwise_kernel")
		add("bias", l.Module, "/bias")
		add("gamma", l.Norm, "/gamma")
		add("beta", l.Norm, "/beta")
		add("mean", l.Norm, "/moving_mean")
		add("variance", l.Norm, "/moving_variance")
		return
	}
	if t.Library == "slim" {
		add("weight", l.Module, "/weights")
		add("bias", l.Module, "/biases")
		add("gamma", l.Norm, "/gamma")
		add("beta", l.Norm, "/beta")
		add("mean", l.Norm, "/moving_mean")
		add("variance", l.Norm, "/moving_variance")
		return
	}
	add("weight", l.Module, ".weight")
	add("bias", l.Module, ".bias")
	add("gamma", l.Norm, ".weight")
	add("beta", l.Norm, ".bias")
	add("mean", l.Norm, ".running_mean")
	add("variance", l.Norm, ".running_var")
}

// numbered is the layer of a tensor whose name Keras made: conv2d, conv2d_1, and so on.
var numbered = regexp.MustCompile(`^(conv2d|batch_normalization)(?:_(\d+))?/`)

// Canonical returns the names under which a table of Keras has tensors of a file: where Keras
// numbers layers, from wherever the program had come to, conv2d#0 is the first.
func Canonical(list []string) map[string]string {
	number := func(name string) (class string, n int, layer string) {
		m := numbered.FindStringSubmatch(name)
		if m == nil {
			return "", 0, ""
		}
		n, err := strconv.Atoi("0" + m[2])
		if err != nil {
			return "", 0, ""
		}
		return m[1], n, m[0]
	}
	layers := map[string]map[int]bool{} // the numbers of each class
	for _, name := range list {
		if class, n, _ := number(name); class != "" {
			if layers[class] == nil {
				layers[class] = map[int]bool{}
			}
			layers[class][n] = true
		}
	}
	rank := map[string]map[int]int{}
	for class, numbers := range layers {
		rank[class] = map[int]int{}
		for i, n := range slices.Sorted(maps.Keys(numbers)) {
			rank[class][n] = i
		}
	}
	out := map[string]string{}
	for _, name := range list {
		out[name] = name
		if class, n, layer := number(name); class != "" {
			out[name] = fmt.Sprintf("%s#%d/%s", class, rank[class][n], name[len(layer):])
		}
	}
	return out
}

// KerasClass returns the table of the class of Keras that has the given tensors, nil if none is
// known. A class without its head is the class; a network with less than three quarters of its
// layers is not.
func KerasClass(tensors []string) *Table {
	canonical := Canonical(tensors)
	for _, t := range Tables() {
		switch {
		case t.Library != "keras":
		case t.Differs != "" && slices.Contains(tensors, t.Has),
			t.Differs == "" && 4*layersOf(tensors) >= 3*t.modules() && !slices.ContainsFunc(tensors, func(name string) bool { return t.Param(canonical[name]) == "" }):
			return t
		}
	}
	return nil
}

// layersOf returns the number of layers that some tensors of Keras belong to.
func layersOf(tensors []string) int {
	layers := map[string]bool{}
	for _, name := range tensors {
		layers[path.Dir(name)] = true
	}
	return len(layers)
}

// modules returns the number of modules of a class that have weights.
func (t *Table) modules() (n int) {
	for _, l := range t.Layers {
		for _, m := range []string{l.Module, l.Norm} {
			if m != "" {
				n++
			}
		}
	}
	return n
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

// Of returns how messages name the class: "torchvision's resnet50", "Keras'
// keras.applications.ResNet50".
func (t *Table) Of() string {
	switch t.Library {
	case "keras":
		return "Keras' keras.applications." + t.Class
	case "slim":
		return "TF-slim's " + t.Class
	}
	return t.Library + "'s " + t.Class
}

// Ignores reports whether a tensor of a file is left out: the counter of steps of TensorFlow, too.
func (t *Table) Ignores(tensor string) bool {
	return t.Ignore != "" && strings.HasPrefix(tensor, t.Ignore) || t.Library == "slim" && tensor == "global_step"
}

// ChannelsLast reports whether the kernels of the class are height x width x in x out.
func (t *Table) ChannelsLast() bool { return t.Library == "keras" || t.Library == "slim" }

// Tensor returns the name that a weight of the spec has in the class, "" if the table does
// not have the weight.
func (t *Table) Tensor(param string) string { return t.tensor[param] }

// Param returns the name that a tensor of the class has in the spec, "" if the table does
// not have the tensor.
func (t *Table) Param(tensor string) string { return t.param[tensor] }
