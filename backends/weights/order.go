package weights

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends/weights/arrays"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// role is what a weight is for in its layer.
type role string

const (
	kernel   role = "weight"
	bias     role = "bias"
	gamma    role = "gamma"
	beta     role = "beta"
	mean     role = "mean"
	variance role = "variance"
)

// roles maps the last part of a name in a file to a role. PyTorch calls gamma and beta of a
// normalization weight and bias, as it calls those of a convolution.
var roles = map[string]role{"weight": kernel, "kernel": kernel, "depthwise_kernel": kernel, "weights": kernel, "depthwise_weights": kernel, "w": kernel, "biases": bias, "bias": bias, "b": bias,
	"gamma": gamma, "scale": gamma, "beta": beta, "offset": beta,
	"running_mean": mean, "moving_mean": mean, "mean": mean,
	"running_var": variance, "moving_variance": variance, "var": variance, "variance": variance}

// neutral are the values of weights that a normalization may go without.
var neutral = map[role]float32{gamma: 1, beta: 0}

// filled says that the file lacks gammas or betas.
func (r *Fitted) filled() string {
	if len(r.fill) == 0 {
		return ""
	}
	return fmt.Sprintf("; the file lacks %s (then 1) or beta (then 0) of normalizations", diag.Count(len(r.fill), "gamma"))
}

// group is a layer: a convolution or dense layer (conv), or a normalization.
type group struct {
	conv  bool
	aux   bool            // part of an auxiliary classifier
	shape []int           // of the kernel, or of gamma or the mean
	other []int           // another shape that the kernel may have, or nil
	names map[role]string // of its weights
}

// byOrder matches layers by their order and their shapes. It does nothing unless the layers
// of the file, all or all but auxiliary classifiers, have the shapes of those of the
// network, in the same order. Convolutions and normalizations are matched apart: in PyTorch
// they are modules of their own.
func (r *Fitted) byOrder(g *ir.Graph, list []arrays.Array) {
	if len(r.Names) > 0 {
		return // by a map: what is left has no order
	}
	of, ok := fileGroups(list)
	if !ok {
		return
	}
	into := graphGroups(g)
	for _, pick := range []func([]group) []group{withAux, auxLast, withoutAux} {
		found, fill := map[string]string{}, map[string]float32{}
		if pairs(pick(into), pick(of), true, found, fill) && pairs(pick(into), pick(of), false, found, fill) {
			r.Names, r.fill = found, fill
			r.How = "by the order and the shapes of layers, which names do not confirm" + r.filled()
			return
		}
	}
}

func withAux(l []group) []group { return l }

func withoutAux(l []group) []group {
	return slices.DeleteFunc(slices.Clone(l), func(g group) bool { return g.aux })
}

// auxLast moves auxiliary classifiers to the end: PyTorch lists modules as they were made.
func auxLast(l []group) []group {
	return append(withoutAux(l), slices.DeleteFunc(slices.Clone(l), func(g group) bool { return !g.aux })...)
}

// pairs matches convolutions, or normalizations, and reports whether all of the network
// were matched. fill receives the values of gammas and betas that the file lacks.
func pairs(into, of []group, conv bool, found map[string]string, fill map[string]float32) bool {
	kind := func(l []group) []group {
		return slices.DeleteFunc(slices.Clone(l), func(g group) bool { return g.conv != conv })
	}
	into, of = kind(into), kind(of)
	if len(into) != len(of) {
		return false
	}
	for i, a := range into {
		b := of[i]
		if !sameButOnes(a.shape, b.shape) && !(b.other != nil && sameButOnes(a.shape, b.other)) {
			return false
		}
		matched := 0
		for ro, param := range a.names {
			if name, ok := b.names[ro]; ok {
				found[param] = name
				matched++
			} else if x, ok := neutral[ro]; ok {
				fill[param] = x
			} else {
				return false
			}
		}
		if matched != len(b.names) {
			return false
		}
	}
	return true
}

// graphGroups lists the layers of a network.
func graphGroups(g *ir.Graph) []group {
	heads := HeadParams(g)
	var list []group
	at := map[string]int{} // of a layer and kind, the index in list plus 1
	for _, v := range g.Params {
		if v.Param.Kind == ir.Constant {
			continue
		}
		i := strings.LastIndex(v.Name, "/")
		ro := role(v.Name[i+1:])
		if ro == "w" {
			ro = kernel
		}
		conv := ro == kernel || ro == bias
		key := v.Name[:max(i, 0)] + map[bool]string{true: " conv", false: " norm"}[conv]
		if at[key] == 0 {
			list = append(list, group{conv: conv, aux: heads[v], names: map[role]string{}})
			at[key] = len(list)
		}
		x := &list[at[key]-1]
		x.names[ro] = v.Name
		if ro == kernel || !conv {
			x.shape = v.Type.Shape
		}
	}
	return list
}

// fileGroups lists the layers of a file. It reports false if a name does not say what the
// tensor is for.
func fileGroups(list []arrays.Array) ([]group, bool) {
	var groups []group
	at := map[string]int{}
	for _, a := range list {
		last := lastName(a.Name)
		i := strings.LastIndexAny(a.Name, "./")
		ro := roles[last]
		if ro == "" {
			return nil, false
		}
		shapes := kerasShapes(a)
		layer := a.Name[:max(i, 0)]
		if at[layer] == 0 {
			groups = append(groups, group{names: map[role]string{}, aux: strings.HasPrefix(strings.ToLower(layer), "aux")})
			at[layer] = len(groups)
		}
		x := &groups[at[layer]-1]
		if x.names[ro] != "" {
			return nil, false
		}
		x.names[ro] = a.Name
		if ro == kernel && len(a.Shape) > 1 {
			x.conv = true
		}
		if ro == kernel || x.shape == nil {
			x.shape = shapes[0]
		}
		if len(shapes) > 1 {
			x.other = shapes[1]
		}
	}
	for i := range groups {
		x := &groups[i]
		if x.conv {
			continue
		}
		for from, to := range map[role]role{kernel: gamma, bias: beta} { // of PyTorch's normalizations
			if n := x.names[from]; n != "" {
				x.names[to] = n
				delete(x.names, from)
			}
		}
	}
	return creationOrder(groups), true
}

// kerasLayer is the name of a layer that Keras made up: conv2d, conv2d_1, and so on.
var kerasLayer = regexp.MustCompile(`^(?:.*/)?(conv2d|batch_normalization|dense)(?:_(\d+))?$`)

// creationOrder puts layers whose names Keras made up into the order of their numbers. In a
// file, layers of parallel branches are mixed.
func creationOrder(groups []group) []group {
	number := func(g group) int {
		for _, name := range g.names {
			m := kerasLayer.FindStringSubmatch(name[:max(0, strings.LastIndexAny(name, "./"))])
			if m == nil {
				return -1
			}
			n, err := strconv.Atoi("0" + m[2])
			if err != nil {
				return -1
			}
			return n
		}
		return -1
	}
	for _, g := range groups {
		if number(g) < 0 && len(g.shape) != 2 { // the last dense layer often has a name
			return groups
		}
	}
	class := func(g group) int {
		switch {
		case !g.conv:
			return 1
		case len(g.shape) == 2:
			return 2
		}
		return 0
	}
	slices.SortStableFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(class(a), class(b)), cmp.Compare(number(a), number(b)))
	})
	return groups
}
