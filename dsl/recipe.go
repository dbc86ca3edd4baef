package dsl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
)

// inputKeys are the keys of input, which say how a picture becomes the input of the
// network.
var inputKeys = []slot{
	{"range", kRange, "0..1", "range to which pixels of 0..255 are scaled"},
	{"mean", kList, "", "subtracted from each channel, after scaling"},
	{"std", kList, "", "each channel is divided by it, after mean"},
	{"order", word("rgb", "bgr", "grey"), "", "order of the channels; default rgb for 3 channels, grey for 1"},
	{"resize", kCount, "", "shorter side after resizing, in pixels; without it the picture is scaled to the input"},
	{"crop", word("center", "none"), "center", "part that is cut out after resizing; none goes without resize"},
}

// keyed parses the keys of a statement. what is the name of the statement.
func (b *builder) keyed(what string, slots []slot, args []*Arg, cx context) *bound {
	f := &form{name: what, keys: slots}
	a := &bound{vals: map[string]any{}, at: map[string]diag.Span{}, given: map[string]bool{}, ok: true}
	for _, arg := range args {
		s := f.key(arg.Key.Name)
		if s == nil {
			d := b.err(cx, "E0404", arg.Key.Span, "%s has no key %s", what, diag.Quote(arg.Key.Name))
			if !hintKey(d, arg.Key, f.keyNames()) {
				d.WithHelp("its keys are %s", strings.Join(f.keyNames(), ", "))
			}
			a.ok = false
			continue
		}
		b.take(a, f, *s, arg, cx, true)
	}
	return a
}

// inputOf adds the input of a net and its preprocessing. It reports an error and returns
// nil if the shape is wrong.
func (b *builder) inputOf(s *Input, cx context) *ir.Value {
	dims, _ := s.Shape.Shape()
	shape := append(ir.Shape{ir.Batch}, dims...)
	if err := shape.Check(); err != nil {
		b.err(cx, "E0601", s.Shape.Span, "%v", err)
		return nil
	}
	switch len(dims) {
	case 1, 3:
	case 2:
		fixed := "1x" + s.Shape.Raw
		b.err(cx, "E0601", s.Shape.Span, "an input is channels x height x width, but %s has two sides", s.Shape.Raw).
			WithHelp("a grey picture has one channel: %s", fixed).Suggest(s.Shape.Span, fixed)
		return nil
	default:
		b.err(cx, "E0601", s.Shape.Span, "an input is channels x height x width, but %s has %d sides", s.Shape.Raw, len(dims)).
			WithHelp("the batch is not part of the shape: every net runs for any number of images")
		return nil
	}
	b.g.Graph().Recipe.Input = b.preprocessing(s, dims, cx)
	b.g.Pos = s.Name.Span.Pos
	v := b.g.Input(b.root.fresh(s.Name.Name), ir.Float(shape...))
	b.origin[v] = s.Name.Span.To(s.Shape.Span)
	return v
}

// preprocessing parses the keys of input. dims is the shape of the input without the
// batch.
func (b *builder) preprocessing(s *Input, dims []int, cx context) *recipe.Input {
	a := b.keyed("input", inputKeys, s.Args, cx)
	if len(dims) == 4 && dims[0] == 1 { // a graph for one picture, with the axis of its batch
		dims = dims[1:]
	}
	channels := 0
	if len(dims) == 3 {
		channels = dims[0]
	}
	r := &recipe.Input{Lo: 0, Hi: 1, Resize: arg[int](a, "resize"), Order: arg[string](a, "order"), Crop: arg[string](a, "crop")}
	if v, ok := a.vals["range"].([2]float64); ok {
		r.Lo, r.Hi = v[0], v[1]
	}
	list := func(key string) []float64 {
		v := arg[[]float64](a, key)
		switch {
		case len(v) == 0 || len(v) == max(channels, 1):
		case len(v) == 1:
			v = slices.Repeat(v, channels)
		default:
			b.err(cx, "E0604", a.at[key], "%s has %d numbers for %s", key, len(v), diag.Count(max(channels, 1), "channel")).
				WithHelp("give one for each channel, or one for all")
			return nil
		}
		return v
	}
	r.Mean, r.Std = list("mean"), list("std")
	for _, x := range r.Std {
		if x <= 0 {
			b.err(cx, "E0405", a.at["std"], "std of input must be above 0: it divides the channel")
			break
		}
	}
	want := map[string]int{"rgb": 3, "bgr": 3, "grey": 1}
	if n := want[r.Order]; n != 0 && channels != 0 && n != channels {
		b.err(cx, "E0604", a.at["order"], "order=%s has %s, but the input has %d", r.Order, diag.Count(n, "channel"), channels)
	}
	if r.Order == "" {
		r.Order = map[int]string{1: "grey", 3: "rgb"}[channels]
	}
	if len(dims) == 3 && r.Resize > 0 && r.Crop == "none" {
		b.err(cx, "E0604", a.at["crop"], "crop=none scales the whole picture to the input of %dx%d, so resize=%d has no use", dims[1], dims[2], r.Resize).
			WithHelp("leave out crop=none, which keeps the ratio of the sides, or leave out resize")
	} else if len(dims) == 3 && r.Resize > 0 && r.Resize < max(dims[1], dims[2]) {
		b.err(cx, "E0604", a.at["resize"], "the picture is resized to %d, less than the crop of %dx%d", r.Resize, dims[1], dims[2])
	}
	return r
}

// labelSets maps the name of a built-in set of labels to the names of its classes.
var labelSets = map[string][]string{
	"mnist":      {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
	"cifar10":    {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"},
	"imagenet1k": imagenet1k(),
}

// IsLabelSet reports whether a labels statement can name the classes by this word.
func IsLabelSet(name string) bool { return labelSets[name] != nil }

func labelSetNames() []string { return []string{"imagenet1k", "mnist", "cifar10"} }

// labels reads the class names and compares their number with the number of outputs. x is
// the output of the network, nil if it is not known.
func (b *builder) labels(s *Labels, x *ir.Value, cx context) {
	r := &recipe.Labels{}
	var at diag.Span
	switch {
	case s.Set != nil:
		at = s.Set.Span
		names, ok := labelSets[s.Set.Name]
		if !ok {
			d := b.err(cx, "E0602", at, "no set of labels is called %s", diag.Quote(s.Set.Name))
			if near, ok := diag.Nearest(s.Set.Name, labelSetNames()); ok {
				d.WithHelp("did you mean %s?", near).Suggest(at, near)
			} else {
				d.WithHelp(`the known sets are %s; the name of a file is in quotes: labels "names.txt"`, strings.Join(labelSetNames(), ", "))
			}
			return
		}
		r.Set, r.Names = s.Set.Name, slices.Clone(names)
	case s.File != nil:
		at = s.File.Span
		r.Set = s.File.Text
		if b.opt.ReadFile == nil {
			b.err(cx, "E0603", at, "labels from a file cannot be read here")
			return
		}
		text, err := b.opt.ReadFile(s.File.Text)
		if err == nil {
			r.Names, err = labelLines(text)
		}
		if err != nil {
			b.err(cx, "E0603", at, "the labels cannot be read: %s", diag.Printable(err.Error())).
				WithHelp("the path is relative to the spec's folder; the file has one class on each line")
			return
		}
	case s.Names != nil:
		at = s.Kw
		for _, l := range s.Names.List {
			r.Names = append(r.Names, l.Text)
		}
	default:
		return
	}
	b.g.Graph().Recipe.Labels = r
	if x == nil || len(x.Type.Shape) < 2 {
		return
	}
	if classes := x.Type.Shape.Size(); classes != len(r.Names) {
		if len(b.opt.Defines) > 0 {
			// The purpose of -D classes=10 is to change the number of classes. The names
			// of the classes then belong to another network.
			b.g.Graph().Recipe.Labels = nil
			d := b.tell(&b.diags, diag.Warning, cx, "W0201", at, fmt.Sprintf("the labels name %d classes, but the network with these definitions has %d: they are left out", len(r.Names), classes))
			b.from(d, x, cx, "the output, %s, comes from here", image(x))
			return
		}
		d := b.err(cx, "E0605", at, "the labels name %d classes, but the network has %d", len(r.Names), classes)
		b.from(d, x, cx, "the output, %s, comes from here", image(x))
		d.WithHelp("let the last layer have %d outputs, or name %d classes", len(r.Names), classes)
	}
}

// labelLines returns the lines of a file of labels. It returns an error for an empty line
// or a character that cannot be printed.
func labelLines(text []byte) ([]string, error) {
	const most = 1 << 20
	if len(text) > most {
		return nil, fmt.Errorf("the file has more than %d bytes", most)
	}
	s := strings.TrimRight(strings.ReplaceAll(strings.TrimPrefix(string(text), bom), "\r\n", "\n"), "\n")
	var names []string
	for i, l := range strings.Split(s, "\n") {
		l = strings.TrimSpace(l)
		if l == "" {
			return nil, fmt.Errorf("line %d is empty", i+1)
		}
		if l != diag.Printable(l) {
			return nil, fmt.Errorf("line %d holds a character that cannot be printed", i+1)
		}
		names = append(names, l)
	}
	return names, nil
}
