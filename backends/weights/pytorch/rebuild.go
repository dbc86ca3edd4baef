package pytorch

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/backends/weights/arrays"
	"github.com/incc-lang/incc/ir/diag"
)

// storage is a run of elements in a file.
type storage struct {
	key   string
	dtype safetensors.DType
	n     int64 // elements
	first int64 // element of the run named key at which this one begins
}

// tensor is a view of a storage.
type tensor struct {
	store  *storage
	offset int64 // of the first element, in elements
	shape  []int
	stride []int64 // in elements
}

// elementTypes are the classes of storages, with the types of their elements.
var elementTypes = map[string]safetensors.DType{
	"torch.FloatStorage": safetensors.F32, "torch.DoubleStorage": safetensors.F64, "torch.HalfStorage": safetensors.F16,
	"torch.BFloat16Storage": safetensors.BF16, "torch.LongStorage": safetensors.I64, "torch.IntStorage": safetensors.I32,
	"torch.ShortStorage": safetensors.I16, "torch.CharStorage": safetensors.I8, "torch.ByteStorage": safetensors.U8,
	"torch.BoolStorage": safetensors.Bool,
}

// functions are what a file of tensors may call. What they return in Python and does not
// matter for weights is other.
var functions map[string]func(args tuple) (any, error)

func init() {
	nothing := func(tuple) (any, error) { return other{}, nil }
	functions = map[string]func(args tuple) (any, error){
		"collections.OrderedDict":                    orderedDict,
		"torch._utils._rebuild_tensor":               rebuildTensor,
		"torch._utils._rebuild_tensor_v2":            rebuildTensor,
		"torch._utils._rebuild_parameter":            firstArgument,
		"torch._utils._rebuild_parameter_with_state": firstArgument,
		"torch._tensor._rebuild_from_type_v2":        rebuildFromType,
		"torch.nn.parameter.Parameter":               firstArgument,
		"torch.Tensor":                               nothing,
		"torch.Size":                                 firstArgument,
		"torch.device":                               nothing,
		"torch.serialization._get_layout":            nothing,
		"torch.torch_version.TorchVersion":           nothing,
		"_codecs.encode":                             nothing,
		"collections.Counter":                        nothing,
		"numpy.dtype":                                nothing,
		"numpy.core.multiarray.scalar":               nothing,
		"numpy._core.multiarray.scalar":              nothing,
	}
}

// dtypeNames are the names of element types and layouts in the module torch.
var dtypeNames = map[string]bool{"float32": true, "float64": true, "float16": true, "bfloat16": true, "int64": true, "int32": true, "int16": true,
	"int8": true, "uint8": true, "bool": true, "strided": true, "contiguous_format": true, "channels_last": true, "preserve_format": true}

const saveWeights = `save the weights alone, in Python: torch.save(model.state_dict(), "weights.pth")`

// known returns a class or function that files of tensors use. Any other is an error.
func known(module, name string) (any, error) {
	full := module + "." + name
	if functions[full] != nil || elementTypes[full] != "" {
		return global(full), nil
	}
	if module == "torch" && dtypeNames[name] {
		return other{}, nil
	}
	for _, p := range []string{"torch.nn.modules.", "torchvision.", "timm.", "__main__."} {
		if strings.HasPrefix(full, p) {
			return nil, fmt.Errorf("the file holds Python objects, such as one of class %s, which only code can make; incc never runs code from a file: %s", diag.Printable(full), saveWeights)
		}
	}
	return nil, fmt.Errorf("the pickle uses %s, which could run any code; incc never runs code from a file: %s", diag.Printable(full), saveWeights)
}

func apply(name global, args tuple) (any, error) {
	f := functions[string(name)]
	if f == nil {
		return nil, fmt.Errorf("the pickle calls %s", name)
	}
	return f(args)
}

// orderedDict makes a dictionary, empty or of a list of pairs.
func orderedDict(args tuple) (any, error) {
	d := newDict()
	if len(args) == 0 {
		return d, nil
	}
	l, ok := args[0].(*list)
	if !ok {
		return nil, errors.New("the pickle makes a dictionary of something that is no list of pairs")
	}
	for _, p := range l.items {
		switch p := p.(type) {
		case tuple:
			if len(p) == 2 {
				d.set(p[0], p[1])
			}
		case *list:
			if len(p.items) == 2 {
				d.set(p.items[0], p.items[1])
			}
		}
	}
	return d, nil
}

func firstArgument(args tuple) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("the pickle rebuilds a value without arguments")
	}
	return args[0], nil
}

// rebuildFromType rebuilds a tensor of a subclass: (function, class, arguments, state).
func rebuildFromType(args tuple) (any, error) {
	if len(args) < 3 {
		return nil, errors.New("the pickle rebuilds a tensor with too few arguments")
	}
	f, ok1 := args[0].(global)
	rest, ok2 := args[2].(tuple)
	if !ok1 || !ok2 || f == "torch._tensor._rebuild_from_type_v2" {
		return nil, errors.New("the pickle rebuilds a tensor in an unknown way")
	}
	return apply(f, rest)
}

// rebuildTensor makes a view: (storage, offset, shape, stride, ...).
func rebuildTensor(args tuple) (any, error) {
	if len(args) < 4 {
		return nil, errors.New("the pickle rebuilds a tensor with too few arguments")
	}
	s, ok := args[0].(*storage)
	if !ok {
		return nil, errors.New("the pickle rebuilds a tensor without a storage")
	}
	offset, ok := args[1].(int64)
	shape, ok2 := ints(args[2])
	stride, ok3 := ints(args[3])
	if !ok || !ok2 || !ok3 || len(shape) != len(stride) {
		return nil, errors.New("the pickle rebuilds a tensor whose offset, shape or strides are no whole numbers")
	}
	t := &tensor{store: s, offset: offset, stride: stride}
	for i, d := range shape {
		if d < 0 || d > math.MaxInt32 || stride[i] < 0 {
			return nil, fmt.Errorf("the pickle has a tensor of shape %v with strides %v", shape, stride)
		}
		t.shape = append(t.shape, int(d))
	}
	return t, t.check()
}

func ints(v any) ([]int64, bool) {
	items, ok := v.(tuple)
	if l, isList := v.(*list); isList {
		items, ok = l.items, true
	}
	var r []int64
	for _, x := range items {
		n, isInt := x.(int64)
		if !isInt {
			return nil, false
		}
		r = append(r, n)
	}
	return r, ok
}

// check returns an error if a tensor reads elements that its storage does not have, or
// more elements than the storage has.
func (t *tensor) check() error {
	n, err := arrays.Elements(t.shape)
	if err != nil {
		return err
	}
	if t.offset < 0 || t.offset > t.store.n {
		return fmt.Errorf("a tensor begins at element %d of a storage of %d", t.offset, t.store.n)
	}
	if n == 0 {
		return nil
	}
	if n > t.store.n {
		return fmt.Errorf("a tensor of shape %v is a view of only %d elements: save a copy of it (x.clone())", t.shape, t.store.n)
	}
	last := t.offset
	for i, d := range t.shape {
		if d > 1 && t.stride[i] > (math.MaxInt64-last)/int64(d-1) {
			return fmt.Errorf("a tensor has the stride %d", t.stride[i])
		}
		last += int64(d-1) * t.stride[i]
	}
	if last >= t.store.n {
		return fmt.Errorf("a tensor of shape %v reads element %d of a storage of %d", t.shape, last, t.store.n)
	}
	return nil
}

// contiguous reports whether the elements of a tensor lie in row-major order without gaps.
func (t *tensor) contiguous() bool {
	n := int64(1)
	for i := len(t.shape) - 1; i >= 0; i-- {
		if t.shape[i] != 1 && t.stride[i] != n {
			return false
		}
		n *= int64(t.shape[i])
	}
	return true
}
