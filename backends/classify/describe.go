package classify

import (
	"fmt"
	"strings"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
)

// maxLabels is the largest size of a file of labels in bytes.
const maxLabels = 1 << 20

// SplitImage splits a text such as "3x224x224 range=0..1" into the size of a picture
// (channels, height, width; nil if the text does not begin with one) and the keys behind it.
func SplitImage(text string) (size []int, keys string, err error) {
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, "\n\r") {
		return nil, "", fmt.Errorf("must be one line")
	}
	first, rest, _ := strings.Cut(text, " ")
	if first == "" || strings.Contains(first, "=") {
		return nil, text, nil
	}
	var c, h, w int
	if n, err := fmt.Sscanf(first, "%dx%dx%d", &c, &h, &w); n != 3 || err != nil || fmt.Sprintf("%dx%dx%d", c, h, w) != first {
		return nil, "", fmt.Errorf("begins with %s (want channels x height x width, such as 3x224x224)", diag.Quote(first))
	}
	return []int{c, h, w}, rest, nil
}

// OnePicture reports whether a network has one input of the form of a picture and one
// output, so that Describe can describe it.
func OnePicture(g *ir.Graph) bool {
	return len(g.Inputs) == 1 && len(g.Outputs) == 1 && len(g.Inputs[0].Type.Shape) == 4 && len(g.Outputs[0].Type.Shape) >= 2
}

// PictureShape returns the channels, height and width of an input that takes one picture or a
// batch of them. ok is false for all other inputs. A model without a batch takes one picture
// with three axes.
func PictureShape(in *ir.Value) (shape ir.Shape, ok bool) {
	s := in.Type.Shape
	switch {
	case in.Type.DType != ir.F32:
	case len(s) == 4 && (s[0] == ir.Batch || s[0] == 1):
		return s[1:], true
	case len(s) == 3 && (s[0] == 1 || s[0] == 3):
		return s, true
	}
	return nil, false
}

// TakesPicture reports whether a network has one input of the form of a picture, and any
// outputs.
func TakesPicture(g *ir.Graph) bool {
	if len(g.Inputs) != 1 {
		return false
	}
	_, ok := PictureShape(g.Inputs[0])
	return ok
}

// DescribePicture sets g.Recipe.Input of a network that takes a picture (TakesPicture). keys
// are those of an input statement; without them those in the metadata of the model m count. If
// there are none either, it sets nothing. Errors about keys are *Described.
func DescribePicture(g *ir.Graph, m *onnx.Model, keys string) error {
	if keys == "" {
		keys = onnx.InputKeys(m)
	}
	if keys == "" {
		return nil
	}
	shape, _ := PictureShape(g.Inputs[0])
	in, err := Input(shape, keys)
	if err != nil {
		return &Described{"image", err}
	}
	g.Recipe.Input = in
	return nil
}

// Described says what of a description a text is wrong for: image or labels.
type Described struct {
	What string
	Err  error
}

func (e *Described) Error() string { return e.What + ": " + e.Err.Error() }
func (e *Described) Unwrap() error { return e.Err }

// Describe sets the parts of g.Recipe that say how a picture becomes the input and what the
// classes are called. g is the graph of the model m. keys are those of an input statement;
// if there are none, those in the metadata of the model count. labels is a set of labels or
// a file; without one, the names in the metadata count. guessed is true if neither keys nor
// the metadata say how a picture becomes the input. Errors about keys and labels are
// *Described.
func Describe(g *ir.Graph, m *onnx.Model, keys, labels string) (guessed bool, err error) {
	in, classes := channelsFirst(g.Inputs[0].Type.Shape).WithoutBatch(), g.Outputs[0].Type.Shape.WithoutBatch().Size()
	if keys == "" {
		keys = onnx.InputKeys(m)
	}
	if g.Recipe.Input, err = Input(in, keys); err != nil {
		return false, &Described{"image", err}
	}
	var r *recipe.Recipe
	switch {
	case labels == "":
		g.Recipe.Labels, err = onnx.LabelsOf(m, classes)
		return keys == "", err
	case dsl.IsLabelSet(labels):
		r, err = statements(fmt.Sprintf("input x 1x1x1\nlabels %s", labels), classes, nil)
	default:
		r, err = statements("input x 1x1x1\nlabels \"names.txt\"", classes, func(string) ([]byte, error) { return files.Read(labels, maxLabels) })
	}
	if err != nil {
		return false, &Described{"labels", err}
	}
	g.Recipe.Labels = r.Labels
	return keys == "", nil
}

// Input returns what the keys of an input statement, such as "range=-1..1 resize=256", say
// for pictures of a shape: channels, height, width.
func Input(shape ir.Shape, keys string) (*recipe.Input, error) {
	r, err := statements(fmt.Sprintf("input image %s %s", shape, keys), 1, nil)
	if err != nil {
		return nil, err
	}
	return r.Input, nil
}

// statements parses statements of a spec and returns what they say about pictures and
// classes. The network of the spec has the number of classes given.
func statements(text string, classes int, open func(string) ([]byte, error)) (*recipe.Recipe, error) {
	g, problems := dsl.Load("model", fmt.Appendf(nil, "net model\n%s\ngap -> fc %d\n", text, classes), dsl.Options{ReadFile: open})
	if problems.HasErrors() {
		return nil, problems.Err()
	}
	return g.Recipe, nil
}
