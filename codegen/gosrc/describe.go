package gosrc

import (
	"fmt"
	"go/token"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/codegen/gosrc/snippet"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
)

// description holds everything that the templates print.
type description struct {
	Options
	Network       string   // name of the network
	Doc           []string // lines of the package's comment
	InferDoc      string
	C, H, W       int // channels, height and width of an image, 0 if the input is not an image
	Input, Output int // number of float32s of the input and the output, for one image
	InputShape    string
	OutputShape   string
	Classes       bool   // the output is one number for each class
	Score         string // what these numbers are, for documentation
	Labels        []string
	LabelSet      string
	Picture       *picture
	Ports         *ports // nil for one input and one output that takes and gives any number of images
	Plan          *plan.Plan
	Infer         *program
	Trainer       *trainer // nil for a package that only infers
	ArenaText     string
	PackedText    string
	weights       *weights
}

type picture struct {
	recipe.Input
	Means, Stds string // Go expressions
	Says        string // description for people
	Doc         string // comment of the function Preprocess
}

// OutLen returns the Go name of the constant for the length of a result.
func (d *description) OutLen() string {
	if d.Classes {
		return "Classes"
	}
	return "OutputLen"
}

// SessionBytes returns the size of a session's memory in bytes.
func (d *description) SessionBytes() int { return 4 * d.Plan.Arena }

// checkMain returns an error if no command is made for the network.
func (d *description) checkMain() error {
	if d.Picture == nil || !d.Classes {
		return refuse("--main needs a network that classifies pictures")
	}
	return nil
}

// WholeFunc returns the source text of snippet.Whole.
func (d *description) WholeFunc() string { return snippet.WholeFunc() }

// NoiseFunc returns the source text of snippet.Noise.
func (d *description) NoiseFunc() string { return snippet.NoiseFunc() }

// Header returns the first line of the generated files.
func (d *description) Header() string { return Header(d.Version, d.Command) }

func refuse(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrUnsupported)...)
}

func describe(g *ir.Graph, p *plan.Plan, opt Options) (*description, error) {
	d := &description{Options: opt, Network: g.Name, Plan: p}
	switch {
	case p.Train:
		return nil, refuse("the plan is one for a training step (want one for inference)")
	case len(p.Kept) > 0:
		return nil, refuse("values that are kept after a run")
	case needsPorts(p) && opt.Train != nil:
		return nil, refuse("--train needs a network with one input and one output, for any number of images")
	case !token.IsIdentifier(opt.Package) || opt.Package == "_" || comment(opt.Package) != opt.Package:
		return nil, fmt.Errorf("%s is not a valid package name", quote(opt.Package))
	}
	if err := d.sizes(g, p); err != nil {
		return nil, err
	}
	if d.Classes && g.Recipe != nil && g.Recipe.Labels != nil {
		d.LabelSet = comment(g.Recipe.Labels.Set)
		if n := g.Recipe.Labels.Names; len(n) == d.Output {
			d.Labels = n
		}
	}
	if err := d.picture(g); err != nil {
		return nil, err
	}
	d.ArenaText, d.PackedText = bytesText(p.Arena), bytesText(p.Packed)
	var err error
	if d.Infer, err = newProgram(g, p); err != nil {
		return nil, err
	}
	if d.weights, err = newWeights(g, p); err != nil {
		return nil, err
	}
	if opt.Train != nil {
		if d.Trainer, err = newTrainer(d, g, opt.Train); err != nil {
			return nil, err
		}
	}
	d.doc(g)
	return d, nil
}

// sizes sets what the description says of inputs and outputs.
func (d *description) sizes(g *ir.Graph, p *plan.Plan) (err error) {
	if needsPorts(p) {
		if d.Ports, err = newPorts(g, p); err != nil {
			return err
		}
		d.Input, d.Output = d.Ports.InputLen(), d.Ports.OutputLen()
	} else {
		d.Input, d.Output = p.Inputs[0].Size, p.Outputs[0].Size
		d.InputShape, d.OutputShape = shape(p.Inputs[0].Shape), shape(p.Outputs[0].Shape)
		out := p.Outputs[0].Shape
		d.Classes = len(out) > 1 && ir.Shape(out[2:]).Size() == 1
		d.score(g)
	}
	switch s := p.Inputs[0].Shape; {
	case len(p.Inputs) > 1 || g.Inputs[0].Type.DType != ir.F32:
	case len(s) == 4 && (s[0] == 1 || s[0] == ir.Batch):
		d.C, d.H, d.W = s[1], s[2], s[3]
	case len(s) == 3 && p.Inputs[0].Fixed && (s[0] == 1 || s[0] == 3):
		d.C, d.H, d.W = s[0], s[1], s[2]
	}
	return nil
}

// ImageLen returns the name of the constant for the length of an image.
func (d *description) ImageLen() string {
	if d.Ports != nil {
		return d.Ports.In[0].Len
	}
	return "ImageLen"
}

// stored returns the values that the file of weights must hold.
func (d *description) stored() []*ir.Value {
	l := d.weights.stored
	if d.Trainer == nil {
		return l
	}
	have := map[string]bool{}
	for _, v := range l {
		have[v.Name] = true
	}
	for _, v := range d.Trainer.stored {
		if !have[v.Name] {
			l = append(l, v)
		}
	}
	return l
}

// score sets Score from the last op of the network.
func (d *description) score(g *ir.Graph) {
	d.Score = "score"
	if v := g.Outputs[0]; v.Def != nil {
		switch ir.Name(v.Def.Op) {
		case "softmax":
			d.Score = "probability"
		case "log_softmax":
			d.Score = "logarithm of the probability"
		}
	}
}

func (d *description) picture(g *ir.Graph) error {
	said := g.Recipe != nil && g.Recipe.Input != nil // how a picture becomes the input
	if !d.Classes && !said || d.C != 1 && d.C != 3 {
		return nil
	}
	x := &picture{Input: recipe.Input{Hi: 1}}
	if said {
		x.Input = *g.Recipe.Input
	}
	in := x.Input
	if in.Lo == in.Hi {
		in.Lo, in.Hi = 0, 255
	}
	x.Input = in
	list := func(v []float64) (string, error) {
		if len(v) == 0 {
			return "nil", nil
		}
		if len(v) != d.C {
			return "", fmt.Errorf("%d means or standard deviations for %d channels", len(v), d.C)
		}
		var l []string
		for _, f := range v {
			s, err := number(f, 64)
			if f == 0 {
				s, err = "0", nil
			}
			if err != nil {
				return "", err
			}
			l = append(l, s)
		}
		return "[]float64{" + strings.Join(l, ", ") + "}", nil
	}
	var err error
	if x.Means, err = list(in.Mean); err != nil {
		return err
	}
	if x.Stds, err = list(in.Std); err != nil {
		return err
	}
	colours := "grey"
	if d.C == 3 {
		colours = "planes in the order red, green, blue"
		if in.Order == "bgr" {
			colours = "planes in the order blue, green, red"
		}
	}
	x.Says = fmt.Sprintf("pixels scaled to %g..%g", in.Lo, in.Hi)
	if len(in.Mean) > 0 {
		x.Says += fmt.Sprintf(", less the mean %s", plain(in.Mean))
	}
	if len(in.Std) > 0 {
		x.Says += fmt.Sprintf(", divided by the standard deviation %s", plain(in.Std))
	}
	x.Says += ", " + colours
	how := fmt.Sprintf("scaled to %d x %d", d.H, d.W)
	if in.Resize > 0 {
		how = fmt.Sprintf("its shorter side scaled to %d pixels, the middle %d x %d cut out", in.Resize, d.H, d.W)
	}
	x.Doc = "Preprocess writes a picture of any size into dst, as Infer takes it: " + how + ", " + x.Says + "."
	d.Picture = x
	return nil
}

func plain(v []float64) string {
	var l []string
	for _, x := range v {
		l = append(l, strconv.FormatFloat(x, 'g', -1, 64))
	}
	return strings.Join(l, ", ")
}

// shape returns the axes after the batch as text, such as 3x224x224.
func shape(s ir.Shape) string {
	if len(s) == 1 {
		return ""
	}
	return s[1:].String()
}

func bytesText(float32s int) string {
	n := 4 * float64(float32s)
	if n >= 1<<20 {
		return fmt.Sprintf("%.1f MiB", n/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", n/(1<<10))
}

func (d *description) doc(g *ir.Graph) {
	if d.Ports != nil {
		d.portsDoc()
	} else {
		d.oneDoc()
	}
	d.docRest(g)
}

// oneDoc sets InferDoc, and begins Doc, for a package with one input and one output.
func (d *description) oneDoc() {
	d.InferDoc = "Infer computes the result of one image: " + d.OutputShape + " numbers"
	if d.Classes {
		d.InferDoc = "Infer computes the " + d.Score + " of each class for one image"
	}
	d.InferDoc += ". The image is " + d.InputShape + " float32s"
	if d.Picture != nil {
		d.InferDoc += ": " + d.Picture.Says
	}
	d.InferDoc += "."
	line := "Package " + d.Package + " "
	if d.Classes {
		line += "classifies "
	} else {
		line += "computes " + d.OutputShape + " numbers of "
	}
	if d.C > 0 {
		line += d.imagesText()
	} else {
		line += "inputs of " + d.InputShape + " numbers"
	}
	if d.Classes {
		line += " into " + count(d.Output) + " classes"
		if d.LabelSet != "" {
			line += " (" + d.LabelSet + ")"
		}
	}
	d.Doc = append(d.Doc, line, "with the network "+comment(d.Network)+" of "+comment(d.Source)+".")
}

// portsDoc sets InferDoc, and begins Doc, for a package with Inputs and Outputs.
func (d *description) portsDoc() {
	r := d.Ports
	d.InferDoc = "Infer computes the outputs for the inputs"
	switch {
	case r.Split():
		d.InferDoc = "Infer computes the outputs of any number of images. Up to Batch of them are computed at once"
	case r.Images():
		d.InferDoc = "Infer computes the outputs of up to Batch images"
	}
	d.InferDoc += "."
	what := "the inputs " + namesText(r.In)
	if d.C > 0 {
		what = d.imagesText()
	} else if len(r.In) == 1 {
		what = "the input " + namesText(r.In)
	}
	if d.Picture != nil {
		d.InferDoc += " An image is " + d.Picture.Says + "."
	}
	d.Doc = append(d.Doc, "Package "+d.Package+" computes "+namesText(r.Out)+" of "+what, "with the network "+comment(d.Network)+" of "+comment(d.Source)+".")
}

// imagesText says what images the network takes.
func (d *description) imagesText() string {
	if d.C == 1 {
		return fmt.Sprintf("grey images of %d x %d pixels", d.H, d.W)
	}
	return fmt.Sprintf("images of %d x %d pixels in %d channels", d.H, d.W, d.C)
}

// docRest ends Doc with the comment of the spec and what the network costs.
func (d *description) docRest(g *ir.Graph) {
	if doc := strings.TrimSpace(g.Doc); doc != "" {
		d.Doc = append(d.Doc, "")
		for _, l := range strings.Split(doc, "\n") {
			if l = strings.TrimSpace(l); l != "" {
				d.Doc = append(d.Doc, comment(l))
			}
		}
	}
	macs := ir.Summarize(g).MACs
	params := 0
	for _, v := range d.weights.stored {
		params += v.Type.Shape.Size()
	}
	d.Doc = append(d.Doc, "",
		fmt.Sprintf("%s weights and statistics; %s multiply-accumulates per image. A model takes", count(params), count(macs)),
		fmt.Sprintf("%s of memory, a session %s.", d.PackedText, d.ArenaText))
	if d.Drawn {
		d.Doc = append(d.Doc, "", "The weights that come with it are drawn at random: the network is not trained.")
	}
}

// declared lists the declarations, imports and directives that a generated file must have.
func (d *description) declared(file string) []string {
	l := &declList{"package " + d.Package}
	switch file {
	case "ports":
		d.declaredPorts(l)
	case "model":
		d.declaredModel(l)
	case "plan":
		l.imports(d.Runtime)
		l.add("var", "steps")
		l.add("func", "Session.bind", "Session.infer", "Session.run")
		for _, s := range d.Infer.Sections {
			l.add("func", "Session."+s.Func)
		}
	case "weights":
		l.imports("fmt", "slices", "strings", "sync", d.Runtime)
		l.add("type", "weights", "packing")
		l.add("var", "tensors", "packings")
		l.add("func", "Model.pack", "weights.check", "weights.get", "weights.fail")
		if d.weights.Reads {
			l.add("func", "weights.fold")
		}
		for _, f := range d.weights.Folds {
			l.add("func", f.Func)
		}
	case "train":
		d.declaredTrainer(l)
	case "golden":
		l.imports("math", "os", "testing", d.Runtime)
		l.add("func", "TestGolden", "TestLengths", "TestAllocations", "TestSessions", "BenchmarkInfer", "Noise", "golden", "testModel")
		if d.Trainer != nil {
			l.imports("bytes", "errors", "path/filepath")
			l.add("func", "TestTrain", "TestTrainErrors", "TestTrainAllocations", "TestOrder", "BenchmarkStep", "testTrainer", "testStep")
		}
	case "goldenports":
		l.imports("math", "os", "testing", d.Runtime)
		l.add("func", "TestGolden", "TestLengths", "TestSessions", "BenchmarkInfer", "Noise", "golden", "testModel", "testInputs", "testNumbers")
		if d.Ports.Sizes == 0 {
			l.add("func", "TestAllocations")
		}
		if d.Ports.Whole() {
			l.add("func", "Whole")
		}
	case "main":
		*l = declList{"package main"}
		l.imports("errors", "flag", "fmt", "io", "os", "strings", "time", d.ImportPath)
		if d.Plan.Solo {
			l.imports("runtime")
		}
		if !d.Embed {
			l.imports("path/filepath")
		}
		l.add("func", "main", "run", "parse", "classify", "checkUse", "forServer")
	}
	return *l
}

// declList lists what a file declares.
type declList []string

func (l *declList) add(what string, names ...string) {
	for _, n := range names {
		*l = append(*l, strings.TrimSpace(what+" "+n))
	}
}

func (l *declList) imports(paths ...string) {
	for _, p := range paths {
		l.add("import", strconv.Quote(p))
	}
}

// declaredCommon adds what the file of the model declares in every package.
func (d *description) declaredCommon(l *declList) {
	l.imports("errors", "fmt", "os", "runtime", d.Runtime)
	l.add("const", "Batch")
	if d.C > 0 {
		l.add("const", "Channels", "Height", "Width")
	}
	l.add("var", "ErrLength", "ErrWeights")
	l.add("type", "Model", "Session")
	l.add("func", "Load", "newModel", "Model.ISA", "Model.NewSession", "Model.Infer", "Session.Infer", "Model.session", "Model.done")
	if d.Embed {
		l.imports("embed")
		l.add("var", "embedded")
		l.add("", "//go:embed "+d.Weights)
		l.add("func", "New")
	}
	if d.Picture != nil {
		l.imports("image")
		l.add("var", "ErrPicture", "input")
		l.add("func", "Preprocess")
	}
}

// declaredPorts adds what the file of a model with Inputs and Outputs declares.
func (d *description) declaredPorts(l *declList) {
	d.declaredCommon(l)
	l.imports("slices")
	for _, p := range append(slices.Clone(d.Ports.In), d.Ports.Out...) {
		l.add("const", p.Len)
	}
	l.add("type", "Inputs", "Outputs", "Output")
	l.add("func", "Inputs.images", "Outputs.resize", "Outputs.List")
}

// declaredModel adds what the file of a model with one input and one output declares.
func (d *description) declaredModel(l *declList) {
	d.declaredCommon(l)
	l.add("const", "ImageLen")
	l.add("func", "Model.InferBatch", "Session.InferBatch")
	if !d.Classes {
		l.add("const", "OutputLen")
		return
	}
	l.add("const", "Classes")
	l.add("type", "Prediction")
	l.add("func", "Labels", "Top", "Session.Classify", "Model.Classify")
	if d.Labels != nil {
		l.add("var", "labels")
	}
	if d.Picture != nil {
		l.add("func", "Session.ClassifyImage", "Model.ClassifyImage")
	}
}

// declaredTrainer adds what the file of a trainer declares.
func (d *description) declaredTrainer(l *declList) {
	l.imports("bytes", "errors", "fmt", "maps", "math", "os", "strconv", d.Runtime)
	l.add("const", "TrainBatch", "Epochs", "Seed", "weight", "slot", "constant")
	l.add("var", "ErrLabel", "ErrDiverged", "schedule", "origin", "orders", "params", "trainSteps")
	l.add("type", "Trainer", "param", "paramKind")
	l.add("func", "LoadTrainer", "newTrainer", "withTensors", "param.info", "param.by")
	for _, m := range []string{"Step", "finite", "Correct", "Norm", "Steps", "Rate", "Done", "Next", "Save", "Model", "Checkpoint", "Resume", "put", "get", "weights", "read", "run", "bind"} {
		l.add("func", "Trainer."+m)
	}
	if d.Embed {
		l.add("func", "NewTrainer")
	}
	if d.Picture != nil {
		l.add("func", "FromPixels")
	}
	if d.Trainer.Plateau {
		l.add("func", "Trainer.Drop")
	}
	if d.Trainer.Packings != nil {
		l.add("var", "trainConstants")
	}
	for i := range d.Trainer.Chunks() {
		l.add("func", "Trainer.bind"+strconv.Itoa(i))
	}
	for _, s := range d.Trainer.Sections {
		l.add("func", "Trainer."+s.Func)
	}
}

// CanFail reports whether a step may meet numbers for which it has no result.
func (d *description) CanFail() bool {
	return slices.ContainsFunc(d.Plan.Steps, func(s plan.Step) bool {
		f, ok := s.Do.(plan.Failer)
		return ok && f.CanFail()
	})
}
