// Package triton writes model repositories for Triton Inference Server: a folder with the
// configuration of a model, the names of its classes, and the model as an ONNX file, which
// Triton runs with ONNX Runtime.
//
// The configuration is a ModelConfig of
// https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto in
// the text format of protocol buffers.
package triton

import (
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/incc-lang/incc/backends"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// Names of the files in the folder of a model.
const (
	ConfigFile = "config.pbtxt"
	LabelsFile = "labels.txt"
	ModelFile  = "model.onnx" // in the folder of a version, whose name is a number
)

// Backend writes a network as a model repository. It implements backends.Backend.
type Backend struct {
	Model    string        // name of the model and of its folder; "" is made from the name of the network
	Version  int           // of the model, from 1 on; 0 means 1
	MaxBatch int           // images that Triton may join to a batch, at least 1
	Wait     time.Duration // how long a request waits at most for others, to be computed together with them
	Network  string        // the network, for the configuration; "" if its name means nothing
	Header   string        // first line of the configuration, without the # of a comment
	ONNX     onnx.Backend  // how the model is written; its Path, Batch and External have no effect
}

// Name returns triton.
func (Backend) Name() string { return "triton" }

// Supports returns what the backend for ONNX returns.
func (b Backend) Supports(op ir.Op) error { return b.ONNX.Supports(op) }

// modelName has no {0,99}: that would take 0.2 ms to compile, at every start of incc.
var modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// CheckName returns an error if a name cannot be that of a model: it is also that of a folder
// and a part of URLs.
func CheckName(name string) error {
	if len(name) > 100 || !modelName.MatchString(name) {
		return fmt.Errorf("%q cannot be the name of a model (want a letter or digit, then letters, digits, _, . and -, 100 at most)", name)
	}
	return nil
}

// NameOf makes the name of a model from that of a network.
func NameOf(network string) string {
	name := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '.') {
			return r
		}
		return '_'
	}, network)
	name = strings.TrimLeft(name, "_.-")
	if name = name[:min(len(name), 100)]; name == "" {
		return "network"
	}
	return name
}

// Emit returns the files of a repository: the configuration, the names of the classes if there
// are any, and the model. Their paths begin with the name of the model.
func (b Backend) Emit(g *ir.Graph) ([]backends.File, error) {
	if b.MaxBatch < 1 {
		return nil, fmt.Errorf("a batch of up to %d images (want at least 1)", b.MaxBatch)
	}
	name := b.Model
	if name == "" {
		name = NameOf(g.Name)
	}
	if err := CheckName(name); err != nil {
		return nil, err
	}
	o := b.ONNX
	o.Batch, o.External = 0, false
	m, err := o.Model(g)
	if err != nil {
		return nil, err
	}
	if _, err := m.Size(); err != nil {
		return nil, err
	}
	var labels []string
	if g.Recipe != nil && g.Recipe.Labels != nil {
		if l := g.Recipe.Labels.Names; len(g.Outputs) > 0 && g.Outputs[0].Type.Shape.WithoutBatch().Size() == len(l) {
			labels = l
		}
	}
	config, err := b.config(name, m, len(labels) > 0)
	if err != nil {
		return nil, err
	}
	files := []backends.File{{Path: path.Join(name, ConfigFile), WriterTo: text(config)}}
	if len(labels) > 0 {
		var lines strings.Builder
		for _, l := range labels { // one in a line
			lines.WriteString(line(l) + "\n")
		}
		files = append(files, backends.File{Path: path.Join(name, LabelsFile), WriterTo: text(lines.String())})
	}
	return append(files, backends.File{Path: path.Join(name, strconv.Itoa(max(1, b.Version)), ModelFile), WriterTo: m}), nil
}

// networkComment is before the name of the network in a configuration.
const networkComment = "# The network: "

// NetworkOf returns Backend.Network of the backend that wrote a configuration, "" if it had none.
func NetworkOf(config []byte) string {
	for l := range strings.Lines(string(config)) {
		if name, ok := strings.CutPrefix(l, networkComment); ok {
			return strings.TrimSuffix(name, "\n")
		}
		if !strings.HasPrefix(l, "#") {
			break
		}
	}
	return ""
}

// config returns the configuration of a model.
func (b Backend) config(name string, m *onnx.Model, labels bool) (string, error) {
	var t strings.Builder
	fmt.Fprintf(&t, "# %s\n", line(b.Header))
	if b.Network != "" {
		t.WriteString(networkComment + line(b.Network) + "\n")
	}
	if keys := onnx.InputKeys(m); keys != "" {
		fmt.Fprintf(&t, "#\n# Clients send pictures that they have prepared: %s.\n# incc explain input tells what that means.\n", line(keys))
	}
	fmt.Fprintf(&t, "\nname: %s\nbackend: \"onnxruntime\"\ndefault_model_filename: \"model.onnx\"\nmax_batch_size: %d\n", quote(name), b.MaxBatch)
	g := m.Proto.GetGraph()
	if len(g.GetInput()) == 0 {
		return "", errors.New("the network has no input, so there is nothing to send to a server")
	}
	for _, v := range g.GetInput() {
		if err := tensor(&t, "input", v, ""); err != nil {
			return "", err
		}
	}
	for i, v := range g.GetOutput() {
		file := ""
		if i == 0 && labels {
			file = LabelsFile
		}
		if err := tensor(&t, "output", v, file); err != nil {
			return "", err
		}
	}
	fmt.Fprintf(&t, "\n# Requests wait up to this time for others, to be computed together with them.\ndynamic_batching {\n  max_queue_delay_microseconds: %d\n}\n", b.Wait.Microseconds())
	return t.String(), nil
}

// dataTypes are the types of elements in model_config.proto.
var dataTypes = map[onnxpb.TensorProto_DataType]string{
	onnxpb.TensorProto_FLOAT: "TYPE_FP32", onnxpb.TensorProto_INT64: "TYPE_INT64", onnxpb.TensorProto_INT32: "TYPE_INT32",
	onnxpb.TensorProto_BOOL: "TYPE_BOOL", onnxpb.TensorProto_UINT8: "TYPE_UINT8", onnxpb.TensorProto_INT8: "TYPE_INT8",
	onnxpb.TensorProto_INT16: "TYPE_INT16", onnxpb.TensorProto_UINT16: "TYPE_UINT16", onnxpb.TensorProto_UINT32: "TYPE_UINT32",
	onnxpb.TensorProto_UINT64: "TYPE_UINT64",
}

// tensor prints an input or output. labels is the file with the names of its classes, or "".
func tensor(t *strings.Builder, kind string, v *onnxpb.ValueInfoProto, labels string) error {
	x := v.GetType().GetTensorType()
	elem := onnxpb.TensorProto_DataType(x.GetElemType())
	name, ok := dataTypes[elem]
	if !ok {
		return fmt.Errorf("%s %q has elements of type %v, which Triton does not have", kind, v.GetName(), elem)
	}
	shape := x.GetShape().GetDim()
	if len(shape) == 0 || shape[0].GetDimParam() == "" {
		return fmt.Errorf("%s %q has no axis for the images of a batch, so requests cannot be joined", kind, v.GetName())
	}
	var dims []string
	for _, d := range shape[1:] {
		if d.GetDimParam() != "" {
			return fmt.Errorf("%s %q has the batch among its inner axes, so requests cannot be joined", kind, v.GetName())
		}
		dims = append(dims, strconv.FormatInt(d.GetDimValue(), 10))
	}
	fmt.Fprintf(t, "\n%s {\n  name: %s\n  data_type: %s\n", kind, quote(v.GetName()), name)
	if len(dims) == 0 { // a configuration has at least one axis besides the batch
		t.WriteString("  dims: [ 1 ]\n  reshape { shape: [ ] }\n")
	} else {
		fmt.Fprintf(t, "  dims: [ %s ]\n", strings.Join(dims, ", "))
	}
	if labels != "" {
		fmt.Fprintf(t, "  label_filename: %s\n", quote(labels))
	}
	t.WriteString("}\n")
	return nil
}

// quote returns a string literal of the text format. Go's escapes mean the same there.
func quote(s string) string { return strconv.QuoteToASCII(strings.ToValidUTF8(s, "\uFFFD")) }

// line returns a text without characters that end a line or are not printable.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if !diag.Visible(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// text is the contents of a file.
type text string

func (t text) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, string(t))
	return int64(n), err
}
