package onnx

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
)

// metadata returns the metadata of a model: the keys incc.*, and the keys of ONNX
// docs/MetadataProps.md that apply. InputKeys and LabelsOf read it.
func metadata(r *recipe.Recipe, version string) []*onnxpb.StringStringEntryProto {
	var m []*onnxpb.StringStringEntryProto
	add := func(key, value string) {
		if value != "" {
			m = append(m, &onnxpb.StringStringEntryProto{Key: key, Value: value})
		}
	}
	add("incc.version", version)
	if r == nil {
		return m
	}
	add("incc.spec_sha256", r.SpecHash)
	if in := r.Input; in != nil {
		list := func(v []float64) string {
			s := make([]string, len(v))
			for i, x := range v {
				s[i] = ir.FormatFloat(x)
			}
			return strings.Join(s, ",")
		}
		add("incc.input.range", ir.FormatFloat(in.Lo)+".."+ir.FormatFloat(in.Hi))
		add("incc.input.mean", list(in.Mean))
		add("incc.input.std", list(in.Std))
		add("incc.input.order", in.Order)
		if in.Resize > 0 {
			add("incc.input.resize", strconv.Itoa(in.Resize))
		}
		add("incc.input.crop", in.Crop)
		add("Image.BitmapPixelFormat", map[string]string{"rgb": "Rgb8", "bgr": "Bgr8", "grey": "Gray8"}[in.Order])
		if len(in.Mean) == 0 && len(in.Std) == 0 {
			add("Image.NominalPixelRange", map[[2]float64]string{{0, 255}: "NominalRange_0_255", {0, 1}: "Normalized_0_1", {-1, 1}: "Normalized_1_1"}[[2]float64{in.Lo, in.Hi}])
		}
	}
	if l := r.Labels; l != nil {
		add("incc.labels", l.Set)
		if len(l.Names) > 0 {
			b, err := json.Marshal(l.Names)
			if err == nil { // strings always encode
				add("incc.classes", string(b))
			}
		}
	}
	return m
}

// props returns the metadata of a model as a map. Of a key that occurs twice, the first
// value counts.
func props(m *Model) map[string]string {
	p := map[string]string{}
	for _, e := range m.Proto.GetMetadataProps() {
		if _, twice := p[e.Key]; !twice {
			p[e.Key] = e.Value
		}
	}
	return p
}

// InputKeys returns the keys of the input statement of a spec, such as
// "range=0..1 mean=0.485,0.456,0.406", that a model's metadata holds. It returns "" if the
// model does not say how a picture becomes its input. Emit writes the metadata.
func InputKeys(m *Model) string {
	p := props(m)
	var keys []string
	for _, k := range []string{"range", "mean", "std", "order", "resize", "crop"} {
		if v := p["incc.input."+k]; v != "" {
			keys = append(keys, k+"="+v)
		}
	}
	if len(keys) > 0 {
		return strings.Join(keys, " ")
	}
	add := func(key, value string) {
		if value != "" {
			keys = append(keys, key+"="+value)
		}
	}
	add("range", map[string]string{"NominalRange_0_255": "0..255", "Normalized_0_1": "0..1", "Normalized_1_1": "-1..1"}[p["Image.NominalPixelRange"]])
	add("order", map[string]string{"Rgb8": "rgb", "Bgr8": "bgr", "Gray8": "grey"}[p["Image.BitmapPixelFormat"]])
	return strings.Join(keys, " ")
}

// LabelsOf returns the names of the classes that a model's metadata holds, nil if it holds
// none. It returns an error if there is another number of names than classes.
func LabelsOf(m *Model, classes int) (*recipe.Labels, error) {
	p := props(m)
	text := p["incc.classes"]
	if text == "" {
		return nil, nil
	}
	l := &recipe.Labels{Set: p["incc.labels"]}
	if err := json.Unmarshal([]byte(text), &l.Names); err != nil {
		return nil, fmt.Errorf("the metadata incc.classes is not a list of names in JSON: %w", err)
	}
	if len(l.Names) != classes {
		return nil, fmt.Errorf("the metadata incc.classes names %d classes, but the model has %d outputs", len(l.Names), classes)
	}
	return l, nil
}
