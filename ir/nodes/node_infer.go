package nodes

// InferNode returns the types of the results of an operator, where operands and results may have
// no elements. It is for bounds of sizes that are known only at run time.
func InferNode(op string, attrs NodeAttrs, in []NodeType) ([]NodeType, error) {
	p, err := planNode(op, attrs, in, true, true)
	if err != nil {
		return nil, err
	}
	return p.Out, nil
}

// HasNodeStep reports whether a program may have an operator.
func HasNodeStep(op string) bool {
	return op == "If" || nodeDynamic[op] != nil || HasNode(op) && op != "Program" && op != "Slope" && op != "Scale"
}
