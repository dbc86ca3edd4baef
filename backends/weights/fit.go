package weights

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/backends/weights/arrays"
	"github.com/incc-lang/incc/backends/weights/names"
	"github.com/incc-lang/incc/ir"
)

// Fitted are the weights of a file under the names that a network has for them.
type Fitted struct {
	// Tensors has the names and shapes of the network, where a tensor was matched, and its
	// own name otherwise.
	Tensors *safetensors.Tensors
	// How says how the names were matched: "" if the file has the names of the network.
	How string
	// Names maps the name of each weight of the network that was matched to the name of its
	// tensor in the file.
	Names map[string]string
	// Table is the table by which names were matched, or nil.
	Table *names.Table

	g    *ir.Graph
	fill map[string]float32 // the values of gammas and betas that the file lacks, by weight
}

// Fit gives the tensors of a file the names of the weights of a network. A tensor is
// matched, by the first of these that applies,
//
//   - by the map, from names of weights in the network to names in the file, which may be
//     nil;
//   - by its name, if the file has names of the network;
//   - by a table of package names, if one has all names of the file and the network has
//     their weights;
//   - by order and shape: layer by layer, if the layers of the file have the shapes of those
//     of the network in the same order.
//
// Counters of normalization (num_batches_tracked) are left out, as is the prefix "module."
// or "_orig_mod." that wrappers of a model put before every name. A weight of a dense layer
// may be a convolution of size 1 in the file, and the other way round. Keras' kernels are
// transposed; a gamma that the file lacks (scale=False) is 1, a beta (center=False) 0.
//
// Fit is no check: what could not be matched keeps its name, and shapes may differ. It
// returns an error only for a map that names what does not exist, for a file that no table
// can hold, and for weights of a class that computes something else than the network.
func Fit(g *ir.Graph, f *File, rename map[string]string) (*Fitted, error) {
	list := strip(f.Arrays)
	r := &Fitted{Names: map[string]string{}, g: g, fill: map[string]float32{}}
	params := map[string]*ir.Value{}
	for _, v := range g.Params {
		if v.Param.Kind != ir.Constant {
			params[v.Name] = v
		}
	}
	free := map[string]arrays.Array{} // by name
	for _, a := range list {
		free[a.Name] = a
	}
	if err := r.byMap(rename, params, free); err != nil {
		return nil, err
	}
	if exact := r.exact(params, free); !exact {
		if err := r.byTable(f, params, list, free); err != nil {
			return nil, err
		}
		if len(r.Names) == len(rename) {
			r.byOrder(g, list)
		}
	} else if len(rename) == 0 && len(list) == len(f.Arrays) && f.tensors != nil {
		r.Tensors = f.tensors
		return r, nil
	}
	var err error
	r.Tensors, err = r.table(f, params, list)
	return r, err
}

// strip leaves out the counters of normalization, and the prefixes of wrappers.
func strip(list []arrays.Array) []arrays.Array {
	list = slices.DeleteFunc(slices.Clone(list), func(a arrays.Array) bool {
		return strings.HasSuffix(a.Name, "num_batches_tracked") && len(a.Shape) == 0
	})
	for _, prefix := range []string{"_orig_mod.", "module."} {
		if slices.ContainsFunc(list, func(a arrays.Array) bool { return !strings.HasPrefix(a.Name, prefix) }) {
			continue
		}
		for i := range list {
			list[i].Name = strings.TrimPrefix(list[i].Name, prefix)
		}
	}
	return list
}

func (r *Fitted) byMap(rename map[string]string, params map[string]*ir.Value, free map[string]arrays.Array) error {
	for param, name := range rename {
		if params[param] == nil {
			return fmt.Errorf("the map names %q, which is no weight of the network", param)
		}
		if _, ok := free[name]; !ok {
			return fmt.Errorf("the map gives %q the tensor %q, which is not in the file or is given twice", param, name)
		}
		r.Names[param] = name
		delete(free, name)
		r.How = "by the map"
	}
	return nil
}

// exact matches equal names. It reports whether there are any.
func (r *Fitted) exact(params map[string]*ir.Value, free map[string]arrays.Array) bool {
	found := false
	for name := range params {
		if _, ok := free[name]; ok && r.Names[name] == "" {
			r.Names[name] = name
			delete(free, name)
			found = true
		}
	}
	return found
}

// byTable matches by a table that has every name of the file, and of whose weights the
// network has some. It returns an error if the file has weights of a class that computes
// something else.
func (r *Fitted) byTable(f *File, params map[string]*ir.Value, list []arrays.Array, free map[string]arrays.Array) error {
	g := r.g
	var all []string
	for _, a := range list {
		all = append(all, a.Name)
	}
	canonical := names.Canonical(all)
	for _, t := range names.For(g.Name) {
		if t.Differs != "" {
			if _, ok := free[t.Has]; ok && t.Spec == g.Name {
				return variantError(g, t, t.Differs, f.whole)
			}
			continue
		}
		if slices.ContainsFunc(all, func(name string) bool { return !t.Ignores(name) && paramOf(t, canonical, name) == "" }) || !r.match(t, canonical, params, free) {
			continue
		}
		r.How = join(r.How, fmt.Sprintf("by the names of %s%s", t.Of(), r.filled()))
		return computes(g, t, f.whole)
	}
	return nil
}

// paramOf returns the weight that a table has for a tensor, "" for none.
func paramOf(t *names.Table, canonical map[string]string, name string) string {
	if t.Library == "keras" {
		name = canonical[name]
	}
	return t.Param(name)
}

// match matches by a table. It does nothing and returns false if the network has less than
// half of the weights: then it is of another kind, whose layers have some of the names.
func (r *Fitted) match(t *names.Table, canonical map[string]string, params map[string]*ir.Value, free map[string]arrays.Array) bool {
	found := map[string]string{}
	for name := range free {
		param := paramOf(t, canonical, name)
		if params[param] != nil && r.Names[param] == "" {
			found[param] = name
		}
	}
	if len(found)*2 < len(free) {
		return false
	}
	for param, name := range found {
		r.Names[param] = name
	}
	r.Table = t
	r.fillNorms(params)
	return true
}

// fillNorms gives values to gammas and betas that the file lacks, of normalizations whose mean
// it has.
func (r *Fitted) fillNorms(params map[string]*ir.Value) {
	for _, l := range r.Table.Layers {
		if r.Names[l.Path+"/mean"] == "" {
			continue
		}
		for ro, x := range neutral {
			if param := l.Path + "/" + string(ro); params[param] != nil && r.Names[param] == "" {
				r.fill[param] = x
			}
		}
	}
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + " and " + b
}

// sameButOnes reports whether two shapes are equal after trailing axes of 1 are dropped.
func sameButOnes(a, b []int) bool {
	cut := func(s []int) []int {
		for len(s) > 1 && s[len(s)-1] == 1 {
			s = s[:len(s)-1]
		}
		return s
	}
	return slices.Equal(cut(a), cut(b))
}

// table makes the table of tensors: those that were matched under their new names.
func (r *Fitted) table(f *File, params map[string]*ir.Value, list []arrays.Array) (*safetensors.Tensors, error) {
	param := map[string]string{} // by the name in the file
	for p, name := range r.Names {
		param[name] = p
	}
	var out []arrays.Array
	maps := mapsBefore(r.g)
	for _, a := range list {
		p := param[a.Name]
		if p == "" && r.Table != nil && r.Table.Ignores(a.Name) {
			continue
		}
		if p != "" {
			a = shaped(a, params[p].Type.Shape, maps[p])
			a.Name = p
		}
		out = append(out, a)
	}
	for _, v := range r.g.Params {
		if x, ok := r.fill[v.Name]; ok {
			out = append(out, constant(v.Name, v.Type.Shape, x))
		}
	}
	return arrays.Tensors(nil, out)
}
