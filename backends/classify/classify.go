package classify

import (
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

// Options of Load. The zero value takes everything from the model.
type Options struct {
	// Image says how a picture becomes the input, as the input statement of a spec does,
	// such as "3x224x224 range=0..1 mean=0.485,0.456,0.406 std=0.229,0.224,0.225 resize=256
	// crop=center". The size is needed only if the model leaves it open. Without keys those
	// in the metadata of the model count, and without these, range=0..1.
	Image string
	// Labels names the classes: imagenet1k, mnist, cifar10, or a file with one name on each
	// line. Without it, the names in the metadata of the model count, if there are any.
	Labels string
	// Root is a folder above the model; see onnx.LoadOptions.
	Root string
	// CPU are the options of the executor.
	CPU cpu.Options
}

// Prediction is a class and its score.
type Prediction struct {
	Class int     // its number, from 0
	Label string  // its name, "" if the classes have none
	Score float32 // its probability, from a softmax or a sigmoid
}

// Classifier classifies pictures. It is safe for concurrent use.
type Classifier struct {
	program *cpu.Program
	graph   *ir.Graph // what was compiled, for its recipe
	shape   ir.Shape  // of a picture: channels, height, width
}

// Load reads a classifier of pictures from an ONNX model.
func Load(path string, o Options) (*Classifier, error) {
	m, err := onnx.ReadFile(path, onnx.LoadOptions{Root: o.Root})
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Classifier, error) { return nil, fmt.Errorf("%s: %w", path, err) }
	size, keys, err := SplitImage(o.Image)
	if err != nil {
		return fail(fmt.Errorf("Options.Image %w", err))
	}
	if size != nil {
		if m, err = onnx.FixImage(m, size[0], size[1], size[2]); err != nil {
			return fail(fmt.Errorf("Options.Image: %w", err))
		}
	}
	g, err := onnx.Import(m)
	if err != nil {
		if onnx.ImageOpen(m) {
			err = fmt.Errorf("%w\nthe model leaves the size of its picture open: Options.Image fixes it, with 3x224x224, for example", err)
		}
		return fail(err)
	}
	if g.Name == "" {
		g.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	if _, err := Classes(g); err != nil {
		return fail(err)
	}
	if _, err := Describe(g, m, keys, o.Labels); err != nil {
		return fail(err)
	}
	c, err := New(g, o.CPU)
	if err != nil {
		return fail(err)
	}
	return c, nil
}

// New returns a classifier of a network with weights: one that onnx.Load or dsl.Load made.
// g.Recipe says how pictures become its input and what the classes are called. If the
// network does not end with a softmax or sigmoid, New adds a softmax. g is not changed.
func New(g *ir.Graph, o cpu.Options) (*Classifier, error) {
	g = g.Clone()
	g.Heads = nil
	if _, err := Classes(g); err != nil {
		return nil, err
	}
	TakePictures(g)
	Probabilities(g)
	if _, err := passes.Run(g, passes.Level(2), passes.Options{}); err != nil {
		return nil, err
	}
	p, err := cpu.Compile(g, o)
	if err != nil {
		return nil, err
	}
	shape := g.Inputs[0].Type.Shape.WithoutBatch()
	return &Classifier{p, g, shape}, data.CheckChannels(shape[0])
}

// Program is what the classifier runs.
func (c *Classifier) Program() *cpu.Program { return c.program }

// Labels returns the names of the classes, in the order of their numbers; nil if they have
// none.
func (c *Classifier) Labels() []string {
	if l := c.graph.Recipe.Labels; l != nil {
		return append([]string(nil), l.Names...)
	}
	return nil
}

// Prepare makes the input of a picture: it resizes, crops and normalizes it as the network
// wants. The shape of the result is 1 x channels x height x width.
func (c *Classifier) Prepare(img image.Image) (*tensor.F32, error) {
	x, err := data.Prepare(img, c.graph.Recipe.Input, c.shape[0], c.shape[1], c.shape[2])
	if err != nil {
		return nil, err
	}
	return tensor.Of(x, append([]int{1}, c.shape...)...), nil
}

// ErrNotFinite says that the scores of a picture are not finite numbers: weights are NaN or
// too large.
var ErrNotFinite = errors.New("the scores of the network are not finite numbers for this picture: its weights are NaN or too large")

// ClassifyImage returns the k most likely classes of a picture, the most likely first.
// Classes with equal scores are in the order of their numbers.
func (c *Classifier) ClassifyImage(img image.Image, k int) ([]Prediction, error) {
	x, err := c.Prepare(img)
	if err != nil {
		return nil, err
	}
	y, err := c.program.Infer(x)
	if err != nil {
		return nil, err
	}
	return c.top(y[0].Data, k)
}

// ClassifyFile is ClassifyImage for a file in one of the formats that data.Formats names.
func (c *Classifier) ClassifyFile(path string, k int) ([]Prediction, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	img, err := data.DecodePicture(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c.ClassifyImage(img, k)
}

// top returns the k largest scores.
func (c *Classifier) top(scores []float32, k int) ([]Prediction, error) {
	for _, v := range scores {
		if v-v != 0 {
			return nil, ErrNotFinite
		}
	}
	index := make([]int, max(0, min(k, len(scores))))
	top := make([]Prediction, kernel.TopK(index, scores))
	labels := c.Labels()
	for i := range top {
		top[i] = Prediction{Class: index[i], Score: scores[index[i]]}
		if index[i] < len(labels) {
			top[i].Label = labels[index[i]]
		}
	}
	return top, nil
}
