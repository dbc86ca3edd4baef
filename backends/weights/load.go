package weights

import (
	"fmt"
	"slices"
	"sort"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// MisfitError lists the differences between the weights of a network and the tensors of a
// file.
type MisfitError = ir.MisfitError

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
	weights := map[string]bool{}
	for _, v := range g.Params {
		weights[v.Name] = v.Param.Kind != ir.Constant
	}
	var have []ir.NamedShape
	for _, x := range t.All() {
		have = append(have, ir.NamedShape{Name: x.Name, Shape: x.Shape})
		if !weights[x.Name] {
			continue
		}
		switch x.DType {
		case safetensors.F32, safetensors.F64, safetensors.F16, safetensors.BF16:
		default:
			bad = append(bad, fmt.Sprintf("%s holds %s, not floating-point numbers", x.Name, x.DType))
		}
	}
	return append(bad, g.Misfits(have, "the file", passOver)...)
}

// HeadParams returns the params that only auxiliary classifiers use.
func HeadParams(g *ir.Graph) map[*ir.Value]bool { return g.HeadParams() }
