package keras

import (
	"errors"
	"fmt"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir/diag"
)

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

// withBias returns the inputs of a convolution: x, the kernel, and the bias if the layer has one.
func (s *step) withBias(x, kernel string) ([]string, error) {
	in := []string{x, kernel}
	if !s.l.flag("use_bias", true) {
		return in, nil
	}
	bias, _, err := s.vector("bias")
	return append(in, bias), err
}

// convolve adds a convolution with a kernel that was added, the bias if there is one, and the
// activation.
func (s *step) convolve(x value, kernel string, groups int64, attrs []*onnxpb.AttributeProto) (value, error) {
	in, err := s.withBias(x.name, kernel)
	if err != nil {
		return value{}, err
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

// depthwiseKernel adds the kernel of a depthwise convolution, which has multiplier
// filters for each channel.
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
	in, err := s.withBias(x.name, k)
	if err != nil {
		return x, err
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
