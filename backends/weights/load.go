package weights

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/tensor"
)

// MisfitError lists the differences between the weights of a network and the tensors of a
// file.
type MisfitError struct {
	Net  string
	List []string // sentences, sorted
}

// Error lists at most 50 misfits.
func (e *MisfitError) Error() string {
	const most = 10
	more := ""
	list := e.List
	if len(list) > most {
		more = fmt.Sprintf("\n   and %d more", len(list)-most)
		list = list[:most]
	}
	return fmt.Sprintf("the weights do not fit %s:\n   %s%s", e.Net, strings.Join(list, "\n   "), more)
}

// Load gives a network the weights and statistics in a file, by the names that Fit finds;
// how says how it found them. The file must have all of them, with the shapes of the
// network, and no other tensors; only weights of auxiliary classifiers may be missing.
// Otherwise Load returns a *MisfitError.
func Load(g *ir.Graph, f *File) (how string, err error) {
	fit, err := Fit(g, f, nil)
	if err != nil {
		return "", err
	}
	if own, err := f.Tensors(); err == nil {
		if err := own.Verify(); err != nil {
			return "", err
		}
	}
	return fit.How, Read(g, fit.Tensors, nil)
}

// Read is Load for tensors that have the names of the network. Tensors whose names are in
// passOver are ignored.
func Read(g *ir.Graph, t *safetensors.Tensors, passOver map[string]bool) error {
	bad := Misfits(g, t, passOver)
	for _, v := range g.Params {
		info, ok := t.Info(v.Name)
		if v.Param.Kind == ir.Constant || !ok || !slices.Equal(info.Shape, v.Type.Shape) {
			continue
		}
		data, err := t.Float32s(v.Name)
		if err != nil {
			bad = append(bad, fmt.Sprintf("%s: %v", v.Name, err))
			continue
		}
		g.Data[v.Name] = tensor.Of(data, v.Type.Shape...)
	}
	if len(bad) == 0 {
		return nil
	}
	sort.Strings(bad)
	return &MisfitError{Net: g.Name, List: bad}
}

// Misfits lists the differences between the names and shapes of tensors and those of the
// network, as sentences. See Load for what is allowed.
func Misfits(g *ir.Graph, t *safetensors.Tensors, passOver map[string]bool) (bad []string) {
	heads := HeadParams(g)
	params := map[string]*ir.Value{}
	var names []string
	for _, v := range g.Params {
		if v.Param.Kind != ir.Constant {
			params[v.Name] = v
			names = append(names, v.Name)
		}
	}
	have := map[string]bool{}
	var there []string
	for _, t := range t.All() {
		name := t.Name
		there = append(there, name)
		v := params[name]
		if v == nil {
			if !passOver[name] {
				near := ""
				if s, ok := diag.Nearest(name, names); ok {
					near = fmt.Sprintf(", did you mean %s?", s)
				}
				bad = append(bad, fmt.Sprintf("%s is not a weight of %s%s", diag.Quote(name), g.Name, near))
			}
			continue
		}
		have[name] = true
		switch t.DType {
		case safetensors.F32, safetensors.F64, safetensors.F16, safetensors.BF16:
		default:
			bad = append(bad, fmt.Sprintf("%s holds %s, not floating-point numbers", name, t.DType))
		}
		if !slices.Equal(t.Shape, v.Type.Shape) {
			bad = append(bad, fmt.Sprintf("%s is %v in the file, %v in %s", name, ir.Shape(t.Shape), v.Type.Shape, g.Name))
		}
	}
	for _, name := range names {
		if !have[name] && !heads[params[name]] {
			near := ""
			if s, ok := diag.Nearest(name, there); ok && params[s] == nil {
				near = fmt.Sprintf(" (the file has %s)", diag.Quote(s))
			}
			bad = append(bad, fmt.Sprintf("%s is not in the file%s", name, near))
		}
	}
	return bad
}

// HeadParams returns the params that only auxiliary classifiers use.
func HeadParams(g *ir.Graph) map[*ir.Value]bool {
	main := g.Clone()
	main.Heads = nil
	ir.Rewrite(main, "").Sweep()
	kept := map[string]bool{}
	for _, v := range main.Params {
		kept[v.Name] = true
	}
	only := map[*ir.Value]bool{}
	for _, v := range g.Params {
		if !kept[v.Name] {
			only[v] = true
		}
	}
	return only
}
