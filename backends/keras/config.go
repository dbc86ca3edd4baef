package keras

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// Config describes a model: a Functional or Sequential one.
type Config struct {
	Class, Name     string
	Layers          []*Layer
	Inputs, Outputs []Ref // empty for a Sequential model
}

// Layer is a layer of a model, or a function of keras.ops that a model calls.
type Layer struct {
	Class, Name string
	Op          bool    // a function, not a layer
	Model       *Config // of a model that is a layer
	Calls       []Call  // empty in a Sequential model

	raw   map[string]json.RawMessage
	wrong error // a setting that was asked for is of another type
}

// Call is a use of a layer.
type Call struct {
	Args []Arg
}

// Arg is an argument of a call: an output of another call, or a number.
type Arg struct {
	Ref    *Ref
	Number float64
}

// Ref names an output of a call of a layer.
type Ref struct {
	Layer        string
	Call, Output int
}

// maxLayers is the largest number of layers of a model, with those of models inside.
const maxLayers = 20_000

// object is a JSON object of Keras' serialization.
type object struct {
	Class   string          `json:"class_name"`
	Config  json.RawMessage `json:"config"`
	Name    string          `json:"name"`
	Module  string          `json:"module"`
	Inbound json.RawMessage `json:"inbound_nodes"`
}

// parseConfig reads the description of a model.
func parseConfig(text []byte) (*Config, error) {
	var top object
	if err := json.Unmarshal(text, &top); err != nil {
		return nil, fmt.Errorf("the description of the model is not valid JSON: %w", err)
	}
	n := 0
	return top.model(&n, 0)
}

func isModelClass(class string) bool {
	return class == "Functional" || class == "Sequential" || class == "Model"
}

// model reads a model. n counts layers.
func (o object) model(n *int, depth int) (*Config, error) {
	if depth > 8 {
		return nil, errors.New("models are nested deeper than 8")
	}
	if !isModelClass(o.Class) {
		return nil, fmt.Errorf("the model is of class %s; only Functional and Sequential models say what they compute", diag.Quote(o.Class))
	}
	var c struct {
		Name   string          `json:"name"`
		Layers []object        `json:"layers"`
		In     json.RawMessage `json:"input_layers"`
		Out    json.RawMessage `json:"output_layers"`
	}
	if err := json.Unmarshal(o.Config, &c); err != nil {
		return nil, fmt.Errorf("model %s: %w", diag.Quote(o.Name), err)
	}
	m := &Config{Class: o.Class, Name: c.Name}
	seen := map[string]bool{}
	for _, l := range c.Layers {
		if *n++; *n > maxLayers {
			return nil, fmt.Errorf("the model has more than %d layers", maxLayers)
		}
		layer, err := l.layer(n, depth)
		if err != nil {
			return nil, err
		}
		if seen[layer.Name] {
			return nil, fmt.Errorf("two layers are called %s", diag.Quote(layer.Name))
		}
		seen[layer.Name] = true
		m.Layers = append(m.Layers, layer)
	}
	var err error
	if m.Inputs, err = refs(c.In); err != nil {
		return nil, fmt.Errorf("the inputs: %w", err)
	}
	if m.Outputs, err = refs(c.Out); err != nil {
		return nil, fmt.Errorf("the outputs: %w", err)
	}
	return m, nil
}

func (o object) layer(n *int, depth int) (*Layer, error) {
	l := &Layer{Class: o.Class, Name: o.Name, Op: strings.Contains(o.Module, ".ops")}
	if err := json.Unmarshal(o.Config, &l.raw); err != nil {
		return nil, fmt.Errorf("layer %s: %w", diag.Quote(o.Name), err)
	}
	if s := l.text("name", ""); s != "" {
		l.Name = s
	}
	if l.Name == "" {
		return nil, fmt.Errorf("a layer of class %s has no name", diag.Quote(o.Class))
	}
	var err error
	if isModelClass(o.Class) {
		if l.Model, err = o.model(n, depth+1); err != nil {
			return nil, err
		}
	}
	if l.Calls, err = calls(o.Inbound); err != nil {
		return nil, fmt.Errorf("layer %s: %w", diag.Quote(l.Name), err)
	}
	return l, nil
}

// refs reads a list of outputs: ["name", 0, 0], or a list or dictionary of these.
func refs(raw json.RawMessage) ([]Ref, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, err
	}
	list, ok := value.([]any)
	if !ok {
		return nil, errors.New("they are a dictionary, which is not read: call the model with a list")
	}
	if r, ok := ref(list); ok {
		return []Ref{r}, nil
	}
	var out []Ref
	for _, x := range list {
		r, ok := ref(x)
		if !ok {
			return nil, errors.New("one is not a layer with two numbers")
		}
		out = append(out, r)
	}
	return out, nil
}

// ref reads ["name", call, output].
func ref(x any) (Ref, bool) {
	list, ok := x.([]any)
	if !ok || len(list) < 3 {
		return Ref{}, false
	}
	name, ok := list[0].(string)
	call, ok1 := list[1].(float64)
	output, ok2 := list[2].(float64)
	return Ref{Layer: name, Call: int(call), Output: int(output)}, ok && ok1 && ok2
}

// calls reads the calls of a layer. In Keras 3 a call is a dictionary with args and kwargs, in
// Keras 2 a list of ["name", call, output, kwargs].
func calls(raw json.RawMessage) (list []Call, err error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var value []any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, err
	}
	for _, x := range value {
		var c Call
		switch x := x.(type) {
		case map[string]any:
			err = c.add(x["args"])
			for _, v := range mapOf(x["kwargs"]) {
				if holdsTensor(v) {
					err = errors.New("a call has tensors as named arguments, which are not read")
				}
			}
		case []any:
			if r, ok := ref(x); ok {
				x = []any{[]any{r.Layer, float64(r.Call), float64(r.Output)}}
			}
			for _, y := range x {
				r, ok := ref(y)
				if !ok {
					return nil, errors.New("a call has arguments that are not read")
				}
				c.Args = append(c.Args, Arg{Ref: &r})
			}
		}
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// add adds the arguments of a call of Keras 3, in their order.
func (c *Call) add(x any) error {
	switch x := x.(type) {
	case nil:
	case []any:
		for _, y := range x {
			if err := c.add(y); err != nil {
				return err
			}
		}
	case float64:
		c.Args = append(c.Args, Arg{Number: x})
	case map[string]any:
		if x["class_name"] != "__keras_tensor__" {
			return fmt.Errorf("an argument of class %s is not read", diag.Quote(fmt.Sprint(x["class_name"])))
		}
		r, ok := ref(mapOf(x["config"])["keras_history"])
		if !ok {
			return errors.New("an argument does not say where it comes from")
		}
		c.Args = append(c.Args, Arg{Ref: &r})
	default:
		return fmt.Errorf("an argument %s is not read", diag.Quote(fmt.Sprint(x)))
	}
	return nil
}

func mapOf(x any) map[string]any {
	m, _ := x.(map[string]any)
	return m
}

func holdsTensor(x any) bool {
	switch x := x.(type) {
	case map[string]any:
		return x["class_name"] == "__keras_tensor__"
	case []any:
		for _, y := range x {
			if holdsTensor(y) {
				return true
			}
		}
	}
	return false
}

// The settings of a layer. A missing one, and null, is the default. One of another type is the
// default, too, and is remembered in wrong, with which the conversion of the layer ends.

func (l *Layer) value(key string, into any) bool {
	raw, ok := l.raw[key]
	return ok && string(raw) != "null" && json.Unmarshal(raw, into) == nil
}

// setting returns a setting that is of the type of its default. want says what that is.
func setting[T any](l *Layer, key string, otherwise T, want string) T {
	x := otherwise
	if l.value(key, &x) {
		return x
	}
	l.misfit(key, want)
	return otherwise
}

// misfit remembers that a setting which is there has another type.
func (l *Layer) misfit(key, want string) {
	if raw, ok := l.raw[key]; ok && string(raw) != "null" && l.wrong == nil {
		l.wrong = fmt.Errorf("%s is %s (want %s)", key, diag.Printable(diag.Shorten(string(raw), 60)), want)
	}
}

func (l *Layer) text(key, otherwise string) string { return setting(l, key, otherwise, "a text") }

func (l *Layer) flag(key string, otherwise bool) bool {
	return setting(l, key, otherwise, "true or false")
}

func (l *Layer) number(key string, otherwise float64) float64 {
	return setting(l, key, otherwise, "a number")
}

// numbers returns a list of numbers, or a number as a list.
func (l *Layer) numbers(key string) []float64 {
	var list []float64
	if l.value(key, &list) {
		return list
	}
	var x float64
	if l.value(key, &x) {
		return []float64{x}
	}
	l.misfit(key, "a number or a list of numbers")
	return nil
}

// has reports whether a setting is there and is neither null nor false.
func (l *Layer) has(key string) bool {
	raw, ok := l.raw[key]
	return ok && string(raw) != "null" && string(raw) != "false"
}

// function returns the name of a function: "relu", or that of a serialized one.
func (l *Layer) function(key string) string {
	var s string
	if l.value(key, &s) && s != "" {
		return s
	}
	var o struct {
		Class  string          `json:"class_name"`
		Config json.RawMessage `json:"config"`
	}
	if !l.value(key, &o) {
		l.misfit(key, "the name of a function")
		return "linear"
	}
	if json.Unmarshal(o.Config, &s) == nil && s != "" {
		return s
	}
	return snake(o.Class)
}

var (
	wordBegins  = regexp.MustCompile(`(.)([A-Z][a-z]+)`)
	wordBegins2 = regexp.MustCompile(`([a-z])([A-Z])`)
	noWord      = regexp.MustCompile(`\W+`)
)

// snake returns the name that Keras makes of the name of a class: conv2d of Conv2D, re_lu of
// ReLU.
func snake(class string) string {
	class = noWord.ReplaceAllString(class, "")
	class = wordBegins.ReplaceAllString(class, "${1}_${2}")
	return strings.ToLower(wordBegins2.ReplaceAllString(class, "${1}_${2}"))
}
