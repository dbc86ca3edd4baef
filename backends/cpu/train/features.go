package train

import (
	"context"
	"fmt"
	"maps"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/autodiff"
)

// Features are what the frozen trunk of a network (autodiff.Cut) computes of the images of
// sets, computed once and held in memory. They are the inputs of the top of the network.
// Images are not augmented.
type Features struct {
	size int // floats of an image
	of   map[*data.Set][]float32
}

// NewFeatures returns the features of a trunk that computes size floats of an image. It
// holds none before Compute.
func NewFeatures(size int) *Features { return &Features{size, map[*data.Set][]float32{}} }

// Compute computes the features of a set. The logits of trunk are the features. each, if
// not nil, is called after each batch with the number of images that are done. An
// interruption by ctx is ErrInterrupted.
func (f *Features) Compute(ctx context.Context, trunk Inferrer, t data.Inputs, s *data.Set, each func(done int)) error {
	if trunk.Classes() != f.size {
		return fmt.Errorf("the trunk computes %d numbers of an image, want %d", trunk.Classes(), f.size)
	}
	rows := make([]float32, s.Len()*f.size)
	b := data.NewEvaluation(t, s, trunk.Batch())
	defer b.Close()
	done := 0
	for {
		x, err := b.Next()
		if err != nil {
			return err
		}
		if x == nil {
			f.of[s] = rows
			return nil
		}
		n := len(x.Labels)
		if err := trunk.Logits(rows[done*f.size:(done+n)*f.size], x.Images, n); err != nil {
			return err
		}
		b.Done(x)
		if done += n; each != nil {
			each(done)
		}
		if ctx.Err() != nil {
			return ErrInterrupted
		}
	}
}

// Size implements data.Inputs.
func (f *Features) Size() int { return f.size }

// Train implements data.Inputs. Nothing is random.
func (f *Features) Train(dst []float32, s *data.Set, i int, _ *data.Draws) error {
	return f.Eval(dst, s, i)
}

// Eval implements data.Inputs. It returns an error for a set without features.
func (f *Features) Eval(dst []float32, s *data.Set, i int) error {
	rows, ok := f.of[s]
	if !ok {
		return fmt.Errorf("the features of a set of %d images were not computed", s.Len())
	}
	copy(dst, rows[i*f.size:(i+1)*f.size])
	return nil
}

// NewTop makes the engine of the top of a network g whose trunk is frozen: the images of
// its steps are the features that the trunk computes. It holds the params of all of g, so
// that checkpoints and weight files are those of g.
func NewTop(g, top *ir.Graph, opt autodiff.Options, batch int, seed int64, o cpu.Options) (*CPU, error) {
	g, top = g.Clone(), top.Clone()
	ir.Materialize(g, seed)
	for _, p := range top.Params {
		top.Data[p.Name] = g.Data[p.Name]
	}
	e, err := NewCPU(top, opt, batch, seed, o)
	if err != nil {
		return nil, err
	}
	values, more := idleParams(g, e.params)
	maps.Copy(e.idle, values)
	e.params = append(e.params, more...)
	return e, nil
}

// TakeWeights gives a graph the params of an engine by their names.
func TakeWeights(g *ir.Graph, e Engine) error {
	for _, p := range g.Params {
		if p.Param.Kind == ir.Constant {
			continue
		}
		x := make([]float32, p.Type.Shape.Size())
		if err := e.Get(p.Name, x); err != nil {
			return err
		}
		g.Data[p.Name] = tensor.Of(x, p.Type.Shape...)
	}
	return nil
}
