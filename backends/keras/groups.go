package keras

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends/weights/hdf5"
	"github.com/incc-lang/incc/ir/diag"
)

// current reads the form of Keras 3: the groups layers/CLASS, layers/CLASS_1 and so on, with
// vars/0, vars/1 and so on. In a model inside, they are below the group of the model.
func (f *File) current(root *hdf5.Object) error {
	top, err := root.Find("layers")
	if err != nil || top == nil {
		return err
	}
	if f.Config != nil {
		return f.described(top, f.Config, "")
	}
	return f.undescribed(top, "", 0)
}

// described reads the arrays of the layers of a model.
func (f *File) described(top *hdf5.Object, c *Config, prefix string) error {
	groups, err := children(top)
	if err != nil {
		return err
	}
	used := map[string]int{} // Keras numbers the layers of each class
	for _, l := range c.Layers {
		if l.Op {
			continue
		}
		name := snake(l.Class)
		if n := used[name]; n > 0 {
			name += "_" + strconv.Itoa(n)
		}
		used[snake(l.Class)]++
		link, ok := groups[name]
		if !ok {
			continue // a layer without weights may have no group
		}
		o, err := top.Open(link)
		if err != nil {
			return err
		}
		if l.Model != nil {
			inside, err := o.Find("layers")
			if err == nil && inside != nil {
				err = f.described(inside, l.Model, prefix+l.Name+"/")
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := f.vars(o, prefix+l.Name, l.roles()); err != nil {
			return err
		}
	}
	return nil
}

// vars adds the arrays of a layer. It names them by roles, or by numbers if there are more.
func (f *File) vars(o *hdf5.Object, layer string, roles []string) error {
	vars, err := o.Find("vars")
	if err != nil || vars == nil {
		return err
	}
	list, err := vars.Links()
	if err != nil {
		return err
	}
	for i := range list {
		at := slices.IndexFunc(list, func(l hdf5.Link) bool { return l.Name == strconv.Itoa(i) })
		if at < 0 {
			return fmt.Errorf("layer %s has %d arrays, but none is called %d", diag.Quote(layer), len(list), i)
		}
		x, err := vars.Open(list[at])
		if err != nil {
			return err
		}
		a, err := x.Array()
		if err != nil {
			return fmt.Errorf("layer %s: %w", diag.Quote(layer), err)
		}
		a.Name = layer + "/" + strconv.Itoa(i)
		if i < len(roles) {
			a.Name = layer + "/" + roles[i]
		}
		f.Arrays = append(f.Arrays, a)
	}
	return nil
}

// roles names the arrays of a layer in their order.
func (l *Layer) roles() []string {
	var list []string
	add := func(on bool, names ...string) {
		if on {
			list = append(list, names...)
		}
	}
	switch l.Class {
	case "Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Dense":
		list = []string{"kernel"}
		add(l.flag("use_bias", true), "bias")
	case "DepthwiseConv2D":
		list = []string{"depthwise_kernel"}
		add(l.flag("use_bias", true), "bias")
	case "SeparableConv2D":
		list = []string{"depthwise_kernel", "pointwise_kernel"}
		add(l.flag("use_bias", true), "bias")
	case "BatchNormalization", "LayerNormalization", "GroupNormalization":
		add(l.flag("scale", true), "gamma")
		add(l.flag("center", true), "beta")
		add(l.Class == "BatchNormalization", "moving_mean", "moving_variance")
	case "Normalization":
		list = []string{"mean", "variance", "count"}
	case "PReLU":
		list = []string{"alpha"}
	case "LayerScale":
		list = []string{"gamma"}
	}
	return list
}

// numbered is a name with a number that Keras made. It matches every text, whatever its characters.
var numbered = regexp.MustCompile(`(?s)^(.*?)(?:_(\d+))?$`)

// undescribed reads the arrays of a file without a description: what they are for is known by
// the class in the names of their groups, and by their number.
func (f *File) undescribed(top *hdf5.Object, prefix string, depth int) error {
	if depth > 8 {
		return errors.New("models are nested deeper than 8")
	}
	list, err := top.Links()
	if err != nil {
		return err
	}
	number := func(l hdf5.Link) (class string, n int) {
		m := numbered.FindStringSubmatch(l.Name)
		n, _ = strconv.Atoi("0" + m[2])
		return m[1], n
	}
	slices.SortStableFunc(list, func(a, b hdf5.Link) int {
		ca, na := number(a)
		cb, nb := number(b)
		return cmp.Or(strings.Compare(ca, cb), cmp.Compare(na, nb))
	})
	for _, l := range list {
		o, err := top.Open(l)
		if err != nil {
			return err
		}
		own, count, err := nameAndCount(o)
		if err != nil {
			return err
		}
		name := cmp.Or(own, l.Name)
		class, _ := number(l)
		if err := f.vars(o, prefix+name, f.guess(class, count)); err != nil {
			return err
		}
		inside, err := o.Find("layers")
		if err == nil && inside != nil {
			err = f.undescribed(inside, prefix+name+"/", depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nameAndCount returns the name of a layer, "" if its group does not say it, and the number of
// its arrays.
func nameAndCount(layer *hdf5.Object) (name string, count int, err error) {
	vars, err := layer.Find("vars")
	if err != nil || vars == nil {
		return "", 0, err
	}
	list, err := vars.Links()
	if err != nil {
		return "", 0, err
	}
	if own, _, err := vars.Strings("name"); err == nil && len(own) == 1 {
		name = own[0]
	}
	return name, len(list), nil
}

// guess returns the roles of n arrays of a layer, by its class.
func (f *File) guess(class string, n int) []string {
	switch class {
	case "conv1d", "conv2d", "conv3d", "conv2d_transpose", "dense":
		return []string{"kernel", "bias"}
	case "depthwise_conv2d":
		return []string{"depthwise_kernel", "bias"}
	case "separable_conv2d":
		return []string{"depthwise_kernel", "pointwise_kernel", "bias"}
	case "batch_normalization":
		switch n {
		case 4:
			return []string{"gamma", "beta", "moving_mean", "moving_variance"}
		case 3:
			const note = "its batch normalizations of 3 arrays are taken as ones without gamma (scale=False); a .keras file says it for sure"
			if !slices.Contains(f.Notes, note) {
				f.Notes = append(f.Notes, note)
			}
			return []string{"beta", "moving_mean", "moving_variance"}
		case 2:
			return []string{"moving_mean", "moving_variance"}
		}
	case "normalization":
		return []string{"mean", "variance", "count"}
	}
	return nil
}
