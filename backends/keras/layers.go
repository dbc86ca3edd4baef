package keras

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir/diag"
)

// step is a call of a layer that is converted.
type step struct {
	*builder
	l       *Layer
	path    string  // of the layer
	out     string  // the name of the output
	in      []value // at least one
	numbers []float64
}

// convert has a function for each class of layers that is read.
var convert map[string]func(*step) (value, error)

func init() {
	convert = map[string]func(*step) (value, error){
		"Activation": func(s *step) (value, error) { return s.activate(s.in[0], s.l.function("activation"), s.out) },
		"Add":        merge("Add"), "Subtract": merge("Sub"), "Multiply": merge("Mul"), "Maximum": merge("Max"), "Minimum": merge("Min"), "Average": merge("Mean"),
		"AveragePooling2D": pool("AveragePool"), "MaxPooling2D": pool("MaxPool"),
		"BatchNormalization": batchNorm, "LayerNormalization": layerNorm, "Normalization": normalization,
		"Concatenate": concatenate, "Conv2D": conv, "DepthwiseConv2D": depthwise, "SeparableConv2D": separable, "Conv2DTranspose": convTranspose,
		"Cropping2D": cropping, "ZeroPadding2D": zeroPadding, "UpSampling2D": upSampling,
		"CustomScaleLayer": customScale, "LayerScale": layerScale, "Rescaling": rescaling,
		"Dense": dense, "Flatten": flatten, "Reshape": reshape,
		"GlobalAveragePooling2D": globalPool("GlobalAveragePool"), "GlobalMaxPooling2D": globalPool("GlobalMaxPool"),
		"ReLU": relu, "LeakyReLU": leaky, "ELU": elu, "PReLU": prelu, "Softmax": softmaxLayer,
	}
	// What does nothing in inference.
	for _, class := range []string{"Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization", "StochasticDepth",
		"RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness", "RandomCrop", "Identity"} {
		convert[class] = func(s *step) (value, error) { return s.in[0], nil }
	}
	delete(convert, "RandomCrop") // which cuts out the middle in inference
}

// add adds a node with the output of the layer, or with an output inside of it if a suffix is
// given.
func (s *step) add(op, suffix string, rank int, in []string, attrs ...*onnxpb.AttributeProto) value {
	return s.node(op, s.out+suffix, rank, in, attrs...)
}

// x returns the first input, which must have the given rank.
func (s *step) x(rank int) (value, error) {
	if v := s.in[0]; v.rank != rank {
		return v, fmt.Errorf("its input has %d axes (want %d)", v.rank, rank)
	}
	if s.l.text("data_format", "channels_last") != "channels_last" {
		return value{}, errors.New("data_format channels_first is not read")
	}
	return s.in[0], nil
}

// weight returns the elements and the shape of a weight.
func (s *step) weight(role string) (data []float32, shape []int, err error) {
	name := s.path + "/" + role
	t, ok := s.tensors.Info(name)
	if !ok {
		return nil, nil, fmt.Errorf("the file has no weight %s", diag.Quote(name))
	}
	data, err = s.tensors.Float32s(name)
	return data, t.Shape, err
}

// vector adds a weight of one axis, as an initializer.
func (s *step) vector(role string) (name string, n int, err error) {
	data, shape, err := s.weight(role)
	if err != nil {
		return "", 0, err
	}
	if len(shape) != 1 {
		return "", 0, fmt.Errorf("%s has the shape %v (want one axis)", role, shape)
	}
	return s.floats(s.path+"/"+role, shape, data), len(data), nil
}

// kernel adds a weight with its axes in another order, as an initializer.
func (s *step) kernel(role string, rank int, order ...int) (name string, shape []int, err error) {
	data, from, err := s.weight(role)
	if err != nil {
		return "", nil, err
	}
	if len(from) != rank {
		return "", nil, fmt.Errorf("%s has the shape %v (want %d axes)", role, from, rank)
	}
	data, shape = reordered(data, from, order)
	return s.floats(s.path+"/"+role, shape, data), shape, nil
}

// reordered returns an array with its axes in another order.
func reordered(data []float32, from, order []int) (out []float32, shape []int) {
	stride := make([]int, len(from))
	step := 1
	for i, d := range slices.Backward(from) {
		stride[i] = step
		step *= d
	}
	at := make([]int, len(order))
	for _, i := range order {
		shape = append(shape, from[i])
	}
	out = make([]float32, 0, len(data))
	for range data {
		k := 0
		for i, o := range order {
			k += at[i] * stride[o]
		}
		out = append(out, data[k])
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < shape[i] {
				break
			}
			at[i] = 0
		}
	}
	return out, shape
}

// sizes returns a setting of two whole numbers from 1.
func (s *step) sizes(key string) ([]int64, error) {
	list := s.l.numbers(key)
	switch len(list) {
	case 0:
		return []int64{1, 1}, nil
	case 1:
		list = append(list, list[0])
	}
	var out []int64
	for _, x := range list {
		if x != math.Trunc(x) || x < 1 || x > 1<<20 {
			return nil, fmt.Errorf("%s has %g", key, x)
		}
		out = append(out, int64(x))
	}
	if len(out) != 2 {
		return nil, fmt.Errorf("%s has %d numbers (want 2)", key, len(out))
	}
	return out, nil
}

// agrees returns an error if a setting is there and is not the extents that the weights have. One
// number stands for all of them.
func (s *step) agrees(key string, want ...int) error {
	if !s.l.has(key) {
		return nil
	}
	list := s.l.numbers(key)
	if len(list) == 1 {
		list = slices.Repeat(list, len(want))
	}
	if !slices.EqualFunc(list, want, func(x float64, n int) bool { return x == float64(n) }) {
		return fmt.Errorf("%s is %s, and the weights have %s: the file is damaged, save the model again", key, diag.Quote(string(s.l.raw[key])), strings.Trim(fmt.Sprint(want), "[]"))
	}
	return nil
}

// epsilon returns the setting epsilon, which keeps the root of a variance from 0.
func (s *step) epsilon() (float64, error) {
	e := s.l.number("epsilon", 1e-3)
	if s.l.has("epsilon") && len(s.l.numbers("epsilon")) != 1 || e < 0 || math.IsInf(float64(float32(e)), 0) {
		return 0, fmt.Errorf("epsilon is %s (want a number from 0)", diag.Quote(string(s.l.raw["epsilon"])))
	}
	return e, nil
}

// padding returns the attribute for padding same or valid.
func (s *step) padding() (*onnxpb.AttributeProto, error) {
	switch p := s.l.text("padding", "valid"); p {
	case "same":
		return text("auto_pad", "SAME_UPPER"), nil
	case "valid":
		return text("auto_pad", "VALID"), nil
	default:
		return nil, fmt.Errorf("padding %s is not read (want same or valid)", diag.Quote(p))
	}
}

// window returns the attributes of a convolution or pool: padding, strides and dilations.
func (s *step) window() ([]*onnxpb.AttributeProto, error) {
	pad, err := s.padding()
	if err != nil {
		return nil, err
	}
	strides, err := s.sizes("strides")
	if err != nil {
		return nil, err
	}
	dilations, err := s.sizes("dilation_rate")
	return []*onnxpb.AttributeProto{pad, ints("strides", strides...), ints("dilations", dilations...)}, err
}

// convolve adds a convolution with a kernel that was added, the bias if there is one, and the
// activation.
func (s *step) convolve(x value, kernel string, groups int64, attrs []*onnxpb.AttributeProto) (value, error) {
	in := []string{x.name, kernel}
	if s.l.flag("use_bias", true) {
		bias, _, err := s.vector("bias")
		if err != nil {
			return value{}, err
		}
		in = append(in, bias)
	}
	suffix, f := s.activation()
	y := s.add("Conv", suffix, 4, in, append(attrs, integer("group", groups))...)
	return s.activate(y, f, s.out)
}

// activation returns the activation of a layer, and a suffix for what comes before it.
func (s *step) activation() (suffix, function string) {
	if f := s.l.function("activation"); f != "linear" {
		return "/" + s.l.Class, f
	}
	return "", "linear"
}

func conv(s *step) (value, error) {
	x, err := s.x(4)
	if err != nil {
		return x, err
	}
	k, shape, err := s.kernel("kernel", 4, 3, 2, 0, 1)
	if err != nil {
		return x, err
	}
	if err := errors.Join(s.agrees("filters", shape[0]), s.agrees("kernel_size", shape[2:]...)); err != nil {
		return x, err
	}
	attrs, err := s.window()
	if err != nil {
		return x, err
	}
	groups := s.l.number("groups", 1)
	if groups < 1 || groups > 1<<20 {
		return x, fmt.Errorf("it has %g groups", groups)
	}
	return s.convolve(x, k, int64(groups), attrs)
}

// depthwiseKernel adds the kernel of a depthwise convolution: channels x multiplier of them.
func (s *step) depthwiseKernel() (name string, channels int64, err error) {
	data, from, err := s.weight("depthwise_kernel")
	if err != nil {
		return "", 0, err
	}
	if len(from) != 4 {
		return "", 0, fmt.Errorf("depthwise_kernel has the shape %v (want 4 axes)", from)
	}
	if err := errors.Join(s.agrees("depth_multiplier", from[3]), s.agrees("kernel_size", from[:2]...)); err != nil {
		return "", 0, err
	}
	data, shape := reordered(data, from, []int{2, 3, 0, 1})
	return s.floats(s.path+"/depthwise_kernel", []int{shape[0] * shape[1], 1, shape[2], shape[3]}, data), int64(from[2]), nil
}

func depthwise(s *step) (value, error) {
	x, err := s.x(4)
	if err != nil {
		return x, err
	}
	k, channels, err := s.depthwiseKernel()
	if err != nil {
		return x, err
	}
	attrs, err := s.window()
	if err != nil {
		return x, err
	}
	return s.convolve(x, k, channels, attrs)
}

func separable(s *step) (value, error) {
	x, err := s.x(4)
	if err != nil {
		return x, err
	}
	k, channels, err := s.depthwiseKernel()
	if err != nil {
		return x, err
	}
	attrs, err := s.window()
	if err != nil {
		return x, err
	}
	x = s.add("Conv", "/depthwise", 4, []string{x.name, k}, append(attrs, integer("group", channels))...)
	k, shape, err := s.kernel("pointwise_kernel", 4, 3, 2, 0, 1)
	if err == nil {
		err = s.agrees("filters", shape[0])
	}
	if err != nil {
		return x, err
	}
	return s.convolve(x, k, 1, nil)
}

// convTranspose converts a transposed convolution. With padding same the output is stride
// times the input, and what is cut off is half at each side, the larger half at the end.
func convTranspose(s *step) (value, error) {
	x, err := s.x(4)
	if err != nil {
		return x, err
	}
	if s.l.has("output_padding") {
		return x, errors.New("output_padding is not read")
	}
	if d, err := s.sizes("dilation_rate"); err != nil || d[0] != 1 || d[1] != 1 {
		return x, errors.New("dilation_rate is not read")
	}
	k, shape, err := s.kernel("kernel", 4, 3, 2, 0, 1)
	if err != nil {
		return x, err
	}
	if err := errors.Join(s.agrees("filters", shape[1]), s.agrees("kernel_size", shape[2:]...)); err != nil {
		return x, err
	}
	strides, err := s.sizes("strides")
	if err != nil {
		return x, err
	}
	if _, err := s.padding(); err != nil {
		return x, err
	}
	pads, more := make([]int64, 4), make([]int64, 2)
	for i, stride := range strides {
		cut := int64(shape[2+i]) - stride
		more[i] = max(-cut, 0)
		if cut = max(cut, 0); s.l.text("padding", "valid") == "same" {
			pads[i], pads[2+i] = cut/2, cut-cut/2
		}
	}
	in := []string{x.name, k}
	if s.l.flag("use_bias", true) {
		bias, _, err := s.vector("bias")
		if err != nil {
			return x, err
		}
		in = append(in, bias)
	}
	suffix, f := s.activation()
	y := s.add("ConvTranspose", suffix, 4, in, ints("strides", strides...), ints("pads", pads...), ints("output_padding", more...))
	return s.activate(y, f, s.out)
}

func pool(op string) func(*step) (value, error) {
	return func(s *step) (value, error) {
		x, err := s.x(4)
		if err != nil {
			return x, err
		}
		size, err := s.sizes("pool_size")
		if err != nil {
			return x, err
		}
		strides := size
		if s.l.has("strides") {
			if strides, err = s.sizes("strides"); err != nil {
				return x, err
			}
		}
		pad, err := s.padding()
		return s.add(op, "", 4, []string{x.name}, ints("kernel_shape", size...), ints("strides", strides...), pad), err
	}
}

func globalPool(op string) func(*step) (value, error) {
	return func(s *step) (value, error) {
		x, err := s.x(4)
		if err != nil {
			return x, err
		}
		if s.l.flag("keepdims", false) {
			return s.add(op, "", 4, []string{x.name}), nil
		}
		x = s.add(op, "/pool", 4, []string{x.name})
		return s.add("Flatten", "", 2, []string{x.name}), nil
	}
}

// lastAxis returns an error unless a normalization is over the channels.
func (s *step) lastAxis() error {
	for _, a := range s.l.numbers("axis") {
		if rank := s.in[0].rank; a != -1 && int(a) != rank-1 || len(s.l.numbers("axis")) != 1 {
			return fmt.Errorf("axis %v is not read (want the channels, -1)", s.l.numbers("axis"))
		}
	}
	return nil
}

// orConstant adds a vector, or one of n equal elements if the layer goes without it.
func (s *step) orConstant(has bool, role string, x float32, n int) (string, error) {
	if has {
		name, m, err := s.vector(role)
		if err == nil && m != n {
			err = fmt.Errorf("%s has %d elements, want %d", role, m, n)
		}
		return name, err
	}
	return s.floats(s.path+"/"+role, []int{n}, slices.Repeat([]float32{x}, n)), nil
}

func batchNorm(s *step) (value, error) {
	x := s.in[0]
	if err := s.lastAxis(); err != nil {
		return x, err
	}
	mean, n, err := s.vector("moving_mean")
	if err != nil {
		return x, err
	}
	variance, err := s.orConstant(true, "moving_variance", 1, n)
	if err != nil {
		return x, err
	}
	gamma, err := s.orConstant(s.l.flag("scale", true), "gamma", 1, n)
	if err != nil {
		return x, err
	}
	beta, err := s.orConstant(s.l.flag("center", true), "beta", 0, n)
	if err != nil {
		return x, err
	}
	e, err := s.epsilon()
	return s.add("BatchNormalization", "", x.rank, []string{x.name, gamma, beta, mean, variance}, float("epsilon", e)), err
}

func layerNorm(s *step) (value, error) {
	x := s.in[0]
	if err := s.lastAxis(); err != nil {
		return x, err
	}
	if s.l.flag("rms_scaling", false) {
		return x, errors.New("rms_scaling is not read")
	}
	n := 0
	for _, role := range []string{"gamma", "beta"} {
		if t, ok := s.tensors.Info(s.path + "/" + role); ok {
			n = int(t.Elements())
		}
	}
	if n == 0 {
		return x, errors.New("it has neither gamma nor beta, which is not read")
	}
	gamma, err := s.orConstant(s.l.flag("scale", true), "gamma", 1, n)
	if err != nil {
		return x, err
	}
	beta, err := s.orConstant(s.l.flag("center", true), "beta", 0, n)
	if err != nil {
		return x, err
	}
	e, err := s.epsilon()
	if err != nil {
		return x, err
	}
	attrs := []*onnxpb.AttributeProto{integer("axis", -1), float("epsilon", e)}
	if x.rank != 4 {
		return s.add("LayerNormalization", "", x.rank, []string{x.name, gamma, beta}, attrs...), nil
	}
	x = s.channelsLast(x, s.out+"/channels_last")
	x = s.add("LayerNormalization", "/normalize", x.rank, []string{x.name, gamma, beta}, attrs...)
	return s.channelsFirst(x, s.out), nil
}

// channels adds numbers for each channel, or one for all, in the shape that broadcasts over a
// value.
func (s *step) channels(name string, data []float32, rank int) string {
	shape := []int{len(data)}
	if rank == 4 && len(data) > 1 {
		shape = []int{1, len(data), 1, 1}
	}
	return s.floats(s.path+"/"+name, shape, data)
}

// settings returns a list of numbers as float32, or one number.
func (s *step) settings(key string, otherwise float32) []float32 {
	var out []float32
	for _, x := range s.l.numbers(key) {
		out = append(out, float32(x))
	}
	if out == nil {
		return []float32{otherwise}
	}
	return out
}

func rescaling(s *step) (value, error) {
	x := s.in[0]
	x = s.add("Mul", "/scaled", x.rank, []string{x.name, s.channels("scale", s.settings("scale", 1), x.rank)})
	return s.add("Add", "", x.rank, []string{x.name, s.channels("offset", s.settings("offset", 0), x.rank)}), nil
}

// normalization converts (x - mean) / max(sqrt(variance), 1e-7).
func normalization(s *step) (value, error) {
	x := s.in[0]
	if err := s.lastAxis(); err != nil {
		return x, err
	}
	if s.l.flag("invert", false) {
		return x, errors.New("invert is not read")
	}
	mean, variance := s.settings("mean", 0), s.settings("variance", 1)
	if !s.l.has("mean") {
		var err error
		if mean, _, err = s.weight("mean"); err != nil {
			return x, err
		}
		if variance, _, err = s.weight("variance"); err != nil {
			return x, err
		}
	}
	deviation := make([]float32, len(variance))
	for i, v := range variance {
		deviation[i] = max(float32(math.Sqrt(float64(v))), 1e-7)
	}
	x = s.add("Sub", "/centred", x.rank, []string{x.name, s.channels("mean", mean, x.rank)})
	return s.add("Div", "", x.rank, []string{x.name, s.channels("deviation", deviation, x.rank)}), nil
}

func layerScale(s *step) (value, error) {
	x := s.in[0]
	gamma, _, err := s.weight("gamma")
	if err != nil {
		return x, err
	}
	return s.add("Mul", "", x.rank, []string{x.name, s.channels("gamma", gamma, x.rank)}), nil
}

// customScale is a layer of Inception-ResNet: x + scale * y.
func customScale(s *step) (value, error) {
	if len(s.in) != 2 {
		return s.in[0], fmt.Errorf("it has %d inputs (want 2)", len(s.in))
	}
	y := s.add("Mul", "/scaled", s.in[1].rank, []string{s.in[1].name, s.channels("scale", s.settings("scale", 1), 1)})
	return s.add("Add", "", s.in[0].rank, []string{s.in[0].name, y.name}), nil
}

func merge(op string) func(*step) (value, error) {
	return func(s *step) (value, error) {
		var names []string
		for _, v := range s.in {
			if v.rank != s.in[0].rank {
				return v, fmt.Errorf("its inputs have %d and %d axes, which is not read", s.in[0].rank, v.rank)
			}
			names = append(names, v.name)
		}
		if len(names) < 2 {
			return s.in[0], fmt.Errorf("it has %d inputs", len(names))
		}
		if op == "Max" || op == "Min" || op == "Mean" {
			return s.add(op, "", s.in[0].rank, names), nil
		}
		x := s.in[0]
		for i, name := range names[1:] {
			suffix := ""
			if i+2 < len(names) {
				suffix = fmt.Sprintf("/%d", i)
			}
			x = s.add(op, suffix, x.rank, []string{x.name, name})
		}
		return x, nil
	}
}

func concatenate(s *step) (value, error) {
	axis := int(s.l.number("axis", -1))
	rank := s.in[0].rank
	var names []string
	for _, v := range s.in {
		if v.rank != rank {
			return v, fmt.Errorf("its inputs have %d and %d axes", rank, v.rank)
		}
		names = append(names, v.name)
	}
	if axis < 0 {
		axis += rank
	}
	if axis < 1 || axis >= rank {
		return s.in[0], fmt.Errorf("axis %d is not read", axis)
	}
	if rank == 4 {
		axis = []int{0, 2, 3, 1}[axis]
	}
	return s.add("Concat", "", rank, names, integer("axis", int64(axis))), nil
}

// dense works on the channels.
func dense(s *step) (value, error) {
	x := s.in[0]
	if s.l.has("lora_rank") {
		return x, errors.New("lora_rank is not read")
	}
	if t, ok := s.tensors.Info(s.path + "/kernel"); ok && len(t.Shape) == 2 {
		if err := s.agrees("units", t.Shape[1]); err != nil {
			return x, err
		}
	}
	if x.rank == 4 { // a convolution of 1x1
		data, from, err := s.weight("kernel")
		if err != nil {
			return x, err
		}
		if len(from) != 2 {
			return x, fmt.Errorf("kernel has the shape %v (want 2 axes)", from)
		}
		data, shape := reordered(data, from, []int{1, 0})
		return s.convolve(x, s.floats(s.path+"/kernel", append(shape, 1, 1), data), 1, nil)
	}
	k, _, err := s.kernel("kernel", 2, 0, 1)
	if err != nil {
		return x, err
	}
	suffix, f := s.activation()
	in, bias := []string{x.name, k}, ""
	if s.l.flag("use_bias", true) {
		if bias, _, err = s.vector("bias"); err != nil {
			return x, err
		}
	}
	switch {
	case x.rank == 2 && bias != "":
		x = s.add("Gemm", suffix, 2, append(in, bias))
	case bias != "":
		x = s.add("MatMul", "/matmul", x.rank, in)
		x = s.add("Add", suffix, x.rank, []string{x.name, bias})
	default:
		x = s.add("MatMul", suffix, x.rank, in)
	}
	return s.activate(x, f, s.out)
}

func flatten(s *step) (value, error) {
	if s.l.text("data_format", "channels_last") != "channels_last" {
		return value{}, errors.New("data_format channels_first is not read")
	}
	x := s.channelsLast(s.in[0], s.out+"/channels_last")
	return s.add("Flatten", "", 2, []string{x.name}), nil
}

func reshape(s *step) (value, error) {
	x := s.channelsLast(s.in[0], s.out+"/channels_last")
	shape := []int64{0} // the batch
	for _, d := range s.l.numbers("target_shape") {
		if d != math.Trunc(d) || d == 0 || d < -1 || d > 1<<30 {
			return x, fmt.Errorf("target_shape has %g", d)
		}
		shape = append(shape, int64(d))
	}
	if len(shape) < 2 || len(shape) > 4 {
		return x, fmt.Errorf("target_shape has %d axes (want 1 to 3)", len(shape)-1)
	}
	to := s.int64s(s.path+"/shape", shape...)
	if len(shape) < 4 {
		return s.add("Reshape", "", len(shape), []string{x.name, to}), nil
	}
	x = s.add("Reshape", "/reshape", 4, []string{x.name, to})
	return s.channelsFirst(x, s.out), nil
}

// sides returns a setting of margins: top, left, bottom, right.
func (s *step) sides(key string) ([4]int64, error) {
	var out [4]int64
	var pairs [][]float64
	if !s.l.value(key, &pairs) {
		list := s.l.numbers(key)
		if len(list) == 1 {
			list = append(list, list[0])
		}
		for _, x := range list {
			pairs = append(pairs, []float64{x, x})
		}
	}
	if len(pairs) != 2 || len(pairs[0]) != 2 || len(pairs[1]) != 2 {
		return out, fmt.Errorf("%s is not two pairs of numbers", key)
	}
	for i, x := range []float64{pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1]} {
		if x != math.Trunc(x) || x < 0 || x > 1<<20 {
			return out, fmt.Errorf("%s has %g", key, x)
		}
		out[i] = int64(x)
	}
	return out, nil
}

func zeroPadding(s *step) (value, error) {
	x, err := s.x(4)
	if err != nil {
		return x, err
	}
	p, err := s.sides("padding")
	return s.add("Pad", "", 4, []string{x.name, s.int64s(s.path+"/pads", 0, 0, p[0], p[1], 0, 0, p[2], p[3])}), err
}

func cropping(s *step) (value, error) {
	x, err := s.x(4)
	if err != nil {
		return x, err
	}
	p, err := s.sides("cropping")
	end := func(n int64) int64 {
		if n == 0 {
			return math.MaxInt64
		}
		return -n
	}
	return s.add("Slice", "", 4, []string{x.name, s.int64s(s.path+"/begin", p[0], p[1]), s.int64s(s.path+"/end", end(p[2]), end(p[3])), s.int64s(s.path+"/axes", 2, 3)}), err
}

func upSampling(s *step) (value, error) {
	x, err := s.x(4)
	if err != nil {
		return x, err
	}
	n, err := s.sizes("size")
	if err != nil {
		return x, err
	}
	scales := s.floats(s.path+"/scales", []int{4}, []float32{1, 1, float32(n[0]), float32(n[1])})
	in := []string{x.name, "", scales}
	switch mode := s.l.text("interpolation", "nearest"); mode {
	case "nearest":
		return s.add("Resize", "", 4, in, text("mode", "nearest"), text("coordinate_transformation_mode", "asymmetric"), text("nearest_mode", "floor")), nil
	case "bilinear":
		return s.add("Resize", "", 4, in, text("mode", "linear"), text("coordinate_transformation_mode", "half_pixel")), nil
	default:
		return x, fmt.Errorf("interpolation %s is not read (want nearest or bilinear)", diag.Quote(mode))
	}
}

// opFunctions maps functions of keras.ops with two arguments to ops of ONNX.
var opFunctions = map[string]string{"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "TrueDivide": "Div", "Divide": "Div"}

// opFunction converts a function of two values, or of a value and a number.
func opFunction(s *step) (value, error) {
	if len(s.numbers) != 2 {
		return s.in[0], fmt.Errorf("it has %d arguments (want 2)", len(s.numbers))
	}
	var names []string
	left := s.in
	for i, x := range s.numbers {
		if math.IsNaN(x) {
			names = append(names, left[0].name)
			left = left[1:]
			continue
		}
		names = append(names, s.floats(fmt.Sprintf("%s/%d", s.out, i), []int{}, []float32{float32(x)}))
	}
	if len(s.in) == 2 && s.in[0].rank != s.in[1].rank {
		return s.in[0], errors.New("its arguments have different numbers of axes, which is not read")
	}
	return s.add(opFunctions[s.l.Class], "", s.in[0].rank, names), nil
}

// isKeras3 reports whether Keras 3 wrote the file.
func (f *File) isKeras3() bool {
	return !strings.HasPrefix(f.version, "1.") && !strings.HasPrefix(f.version, "2.")
}
