package onnx

import (
	"errors"
	"fmt"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir/diag"
)

// This file says which operators of a model are not supported.

// ErrUnsupported is wrapped by errors of Import about valid models that the IR cannot
// express.
var ErrUnsupported = errors.New("not supported by incc")

// unsupported is an error for which errors.Is(err, ErrUnsupported) holds, with its own
// text.
type unsupported struct{ error }

func (unsupported) Is(target error) bool { return target == ErrUnsupported }
func (u unsupported) Unwrap() error      { return u.error }

// unsupported returns an error that lists the operators that are not supported, with the
// number of nodes of each and the names of the first.
func (im *importer) unsupported(nodes []*onnxpb.NodeProto) error {
	var order []string
	where := map[string][]string{}
	for i, n := range nodes {
		foreign := n.Domain != "" && n.Domain != "ai.onnx"
		if !foreign && Importable(n.OpType) || im.folded(n) || im.within[n] || im.inTail(n) && len(unknownSteps(n)) == 0 {
			continue
		}
		op := diag.Name(n.OpType)
		if foreign {
			op = diag.Name(n.Domain + "." + n.OpType)
		}
		if where[op] == nil {
			order = append(order, op)
		}
		name := im.m.nameOf(n, i)
		if list := unknownSteps(n); n.OpType == "If" && !foreign && len(list) > 0 {
			name += fmt.Sprintf(", whose graphs have %s", strings.Join(list, ", "))
		}
		where[op] = append(where[op], name)
	}
	var errs []error
	for _, op := range order {
		list := where[op]
		why := refusals[op]
		if why == "" {
			why = "the IR has no such op"
		}
		text := fmt.Sprintf("%s: %s", list[0], why)
		if len(list) > 1 {
			text = fmt.Sprintf("%s, in %d nodes: %s: %s", op, len(list), why, strings.Join(list[:min(3, len(list))], ", "))
		}
		if len(list) > 3 {
			text += ", …"
		}
		if len(errs) == 20 {
			errs = append(errs, fmt.Errorf("and %d more operators", len(order)-20))
			break
		}
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

// refusals says why some operators are not supported, where there is more to say than that they
// are not.
var refusals = map[string]string{
	"Unique": "the number of its results is known only at run time, and shapes are fixed here",
	"Loop":   fmt.Sprintf("a loop is supported only if its number of turns and its condition are constants, and its turns have at most %d nodes in all", maxUnrolled),
	"Scan":   "loops are not supported",
	"If":     "the condition is known only at run time, and not all operators of its graphs are supported",
}
