package keras

import (
	"errors"
	"fmt"
	"math"
	"sync"
)

// converters returns a function for each class of layers that is read.
var converters = sync.OnceValue(func() map[string]func(*step) (value, error) {
	convert := map[string]func(*step) (value, error){
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
	// What does nothing in inference. RandomCrop is not among them: it cuts out the middle.
	for _, class := range []string{"Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization", "StochasticDepth",
		"RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness", "Identity"} {
		convert[class] = func(s *step) (value, error) { return s.in[0], nil }
	}
	return convert
})

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
	rank := s.in[0].rank
	var names []string
	for _, v := range s.in {
		if v.rank != rank {
			return v, fmt.Errorf("its inputs have %d and %d axes", rank, v.rank)
		}
		names = append(names, v.name)
	}
	axis := fromFront(int(s.l.number("axis", -1)), rank)
	at, ok := axisOf(axis, rank)
	if !ok {
		return s.in[0], fmt.Errorf("axis %d is not read", axis)
	}
	return s.add("Concat", "", rank, names, integer("axis", at)), nil
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
	if err := s.dataFormat(); err != nil {
		return value{}, err
	}
	x := s.channelsLast(s.in[0], s.out+"/channels_last")
	return s.add("Flatten", "", 2, []string{x.name}), nil
}

func reshape(s *step) (value, error) {
	x := s.channelsLast(s.in[0], s.out+"/channels_last")
	shape := []int64{0} // the batch
	for _, d := range s.l.numbers("target_shape") {
		if d == 0 || !isWhole(d, -1, 1<<30) {
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
