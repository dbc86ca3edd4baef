package dsl

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/tensor"
)

// Print returns a graph in the flat form and in the standard layout. Load makes an equal
// graph of the text, except for positions in a spec, the hash of the spec and the elements
// of weights. For a weight that is drawn, the text has the initialization; for a weight
// that folding made, it has the shape and a hash.
func Print(g *ir.Graph) []byte {
	p := &flatPrinter{g: g}
	p.graph()
	f, diags := Parse(g.Name, []byte(p.String()))
	if diags.HasErrors() {
		// The graph has a recipe or name that the language cannot express.
		return []byte(p.String())
	}
	return f.Format()
}

type flatPrinter struct {
	strings.Builder
	g *ir.Graph
}

func (p *flatPrinter) line(words ...string) { p.WriteString(strings.Join(words, " ") + "\n") }

func (p *flatPrinter) graph() {
	g := p.g
	if g.Doc != "" {
		for l := range strings.SplitSeq(g.Doc, "\n") {
			p.line(strings.TrimRight("# "+diag.Printable(l), " "))
		}
	}
	p.line("graph", plain(g.Name))
	if r := g.Recipe; r != nil {
		p.recipe(r)
	}
	for _, v := range g.Inputs {
		words := []string{GraphName(v.Name), "=", "input", inputShape(v.Type.Shape)}
		if !v.Type.Shape.Symbolic() {
			words = append(words, "batch=off")
		}
		p.line(append(words, typeKey(v.Type)...)...)
	}
	at := make(map[*ir.Value]int, len(g.Params))
	for i, v := range g.Params {
		at[v] = i
	}
	// Params are printed in their order in the graph, each before the first node that
	// reads it.
	next := 0
	upTo := func(i int) {
		for ; next <= i; next++ {
			p.param(g.Params[next])
		}
	}
	parts := map[string]bool{}
	for _, q := range g.Parts {
		parts[q.Name] = true
	}
	for _, n := range g.Nodes {
		for _, v := range n.In {
			if i, ok := at[v]; ok {
				upTo(i)
			}
		}
		p.node(n, parts)
	}
	upTo(len(g.Params) - 1)
	if len(g.Outputs) > 0 {
		words := []string{"output"}
		for _, v := range g.Outputs {
			words = append(words, GraphName(v.Name))
		}
		p.line(words...)
	}
	for _, h := range g.Heads {
		p.line("head", GraphName(h.Value.Name), "weight="+floatText(h.Weight))
	}
	for _, u := range g.Updates {
		p.line("update", GraphName(u.Param.Name), "=", GraphName(u.Value.Name))
	}
	for _, q := range g.Parts {
		p.line("part", GraphName(q.Name), "=", GraphName(q.Out.Name))
	}
}

// plain converts any name to one that the language allows.
func plain(name string) string {
	if IsName(name) {
		return name
	}
	s := strings.Map(func(r rune) rune {
		if r < 128 && (isLetter(byte(r)) || isDigit(byte(r))) {
			return r
		}
		return '_'
	}, name)
	if len(s) > MaxName-1 {
		s = s[:MaxName-1]
	}
	if IsName(s) {
		return s
	}
	return "g" + s
}

// inputShape returns the text of a shape without its batch axis, if that is the first axis
// and the only symbolic one.
func inputShape(s ir.Shape) string {
	if len(s) > 1 && s[0] == ir.Batch && !s[1:].Symbolic() {
		return s[1:].String()
	}
	return s.String()
}

func typeKey(t ir.Type) []string {
	if t.DType == ir.F32 {
		return nil
	}
	return []string{"type=" + t.DType.String()}
}

// floatText returns the text of a number in a graph, which may be inf, -inf or nan.
func floatText(x float64) string {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 1):
		return "inf"
	case math.IsInf(x, -1):
		return "-inf"
	}
	return ir.FormatFloat(x)
}

// mostByValue is the largest number of elements of a constant that Print prints instead of
// a hash.
const mostByValue = 16

// standardFactors returns the default factors on the learning rate and weight decay of a
// param: 1 and 1 for weights of conv and fc, 1 and 0 for other weights, 0 and 0 for params
// that are not trained.
func standardFactors(kind ir.Kind, shape ir.Shape) (lr, decay float64) {
	if kind != ir.Weight {
		return 0, 0
	}
	if len(shape) > 1 {
		return 1, 1
	}
	return 1, 0
}

func (p *flatPrinter) param(v *ir.Value) {
	q := *v.Param
	words := []string{GraphName(v.Name), "=", "param", v.Type.Shape.String()}
	if q.Kind == ir.Constant {
		words[2] = "const"
	}
	words = append(words, typeKey(v.Type)...)
	data := p.g.Data[v.Name]
	if q.Kind == ir.Constant && data != nil && !filled(data, q.Init) {
		q.Init = ir.Init{} // print the data; the initialization no longer describes it
	}
	switch {
	case q.Init.Kind == ir.InitConstant && q.Kind == ir.Constant:
		words = append(words, "fill="+floatText(q.Init.A))
	case q.Init.Kind == ir.InitConstant:
		words = append(words, "init=constant,"+floatText(q.Init.A))
	case strings.HasPrefix(string(q.Init.Kind), string(hollowKind)):
		words = append(words, "hash="+strconv.Quote(strings.TrimPrefix(string(q.Init.Kind), string(hollowKind))))
	case q.Init.Kind != "":
		words = append(words, "init="+q.Init.String())
	case data != nil && len(data.Data) <= mostByValue:
		w := make([]string, len(data.Data))
		for i, x := range data.Data {
			w[i] = strconv.FormatFloat(float64(x), 'g', -1, 32)
			if x != x || math.IsInf(float64(x), 0) {
				w[i] = floatText(float64(x))
			}
		}
		words = append(words, strings.Join(w, ","))
	case data != nil:
		words = append(words, "hash="+strconv.Quote(dataHash(data)))
	}
	if q.Kind == ir.State {
		words = append(words, "state=on")
	}
	lr, decay := standardFactors(q.Kind, v.Type.Shape)
	if q.LR != lr {
		words = append(words, "lr="+floatText(q.LR))
	}
	if q.Decay != decay {
		words = append(words, "decay="+floatText(q.Decay))
	}
	if q.MaxNorm != 0 {
		words = append(words, "max_norm="+floatText(q.MaxNorm))
	}
	p.line(words...)
}

// filled reports whether init is constant and all elements have its value.
func filled(t *tensor.F32, init ir.Init) bool {
	if init.Kind != ir.InitConstant {
		return false
	}
	for _, x := range t.Data {
		if math.Float32bits(x) != math.Float32bits(float32(init.A)) {
			return false
		}
	}
	return true
}

// dataHash returns the first 128 bits of the SHA-256 of the elements, in hexadecimal. The
// elements are hashed as little-endian float32.
func dataHash(t *tensor.F32) string {
	h := sha256.New()
	var buf [4096]byte
	for data := t.Data; len(data) > 0; {
		n := min(len(data), len(buf)/4)
		for i, x := range data[:n] {
			binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(x))
		}
		h.Write(buf[:4*n])
		data = data[n:]
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (p *flatPrinter) node(n *ir.Node, parts map[string]bool) {
	var outs []string
	for _, v := range n.Out {
		outs = append(outs, GraphName(v.Name))
	}
	words := []string{strings.Join(outs, ", "), "=", ir.Name(n.Op)}
	for _, v := range n.In {
		words = append(words, GraphName(v.Name))
	}
	for _, a := range ir.AttrsOf(n.Op) {
		if !a.IsDefault {
			words = append(words, a.Name+"="+attrWord(a.Text))
		}
	}
	if n.By != "" {
		words = append(words, "from.pass="+attrWord(n.By))
	}
	if n.Part != partOf(n.Out[0].Name, parts) {
		words = append(words, "from.part="+attrWord(n.Part))
	}
	p.line(words...)
}

// partOf returns the default part of a node: the first element of the path of its name, if
// that is a part, else "".
func partOf(name string, parts map[string]bool) string {
	if first, _, ok := strings.Cut(name, "/"); ok && parts[first] {
		return first
	}
	return ""
}

// attrWord returns the value of an attribute as it is written in a graph: in quotes, unless
// it consists of literals separated by commas.
func attrWord(s string) string {
	switch s {
	case "+Inf", "-Inf", "NaN":
		return strings.ToLower(strings.TrimPrefix(s, "+"))
	}
	for w := range strings.SplitSeq(s, ",") {
		if w == "" || strings.Trim(w, nameBytes+"-") != "" || strings.HasPrefix(w, "-") && !isNumber(w) && w != "-inf" || !strings.HasPrefix(w, "-") && strings.Contains(w, "-") && !isNumber(w) {
			return strconv.QuoteToASCII(s)
		}
		if _, f := readLit(w, Graph); f != nil {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

// recipe prints the statements input, labels and train.
func (p *flatPrinter) recipe(r *recipe.Recipe) {
	if r.Input != nil && len(p.g.Inputs) > 0 {
		p.line(inputWords(r.Input, p.g.Inputs[0])...)
	}
	if l := r.Labels; l != nil {
		switch {
		case labelSets[l.Set] != nil:
			p.line("labels", l.Set)
		case l.Set != "":
			p.line("labels", strconv.QuoteToASCII(l.Set))
		default:
			words := []string{"labels", "{"}
			for _, n := range l.Names {
				words = append(words, strconv.QuoteToASCII(n))
			}
			p.line(append(words, "}")...)
		}
	}
	if r.Train != nil {
		p.WriteString(TrainBlock(r.Train))
	}
}

// TrainBlock returns the train block of a recipe, with a line end behind it.
func TrainBlock(t *recipe.Train) string {
	var b strings.Builder
	b.WriteString("train {\n")
	for _, s := range trainWords(t) {
		b.WriteString(strings.Join(s.words(), " ") + "\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// inputWords are the words of an input statement.
func inputWords(r *recipe.Input, v *ir.Value) []string {
	return append([]string{"input", plain(v.Name), inputShape(v.Type.Shape)}, InputKeys(r)...)
}

// InputKeys returns the keys of an input statement, such as range=0..1, that make a recipe.
func InputKeys(r *recipe.Input) []string {
	words := []string{"range=" + floatText(r.Lo) + ".." + floatText(r.Hi)}
	list := func(key string, xs []float64) {
		if len(xs) > 0 {
			words = append(words, key+"="+floats(xs))
		}
	}
	list("mean", r.Mean)
	list("std", r.Std)
	if r.Order != "" {
		words = append(words, "order="+r.Order)
	}
	if r.Resize != 0 {
		words = append(words, "resize="+strconv.Itoa(r.Resize))
	}
	if r.Crop != "" {
		words = append(words, "crop="+r.Crop)
	}
	return words
}

func floats(xs []float64) string {
	w := make([]string, len(xs))
	for i, x := range xs {
		w[i] = floatText(x)
	}
	return strings.Join(w, ",")
}

// trainLine is a statement of a train block as it is printed.
type trainLine struct {
	stmt *trainStmt
	args []string // words and parts of the network
	keys []string // key=value
}

func (l trainLine) words() []string { return slices.Concat([]string{l.stmt.name}, l.args, l.keys) }

// trainWords returns the statements that make a train block of a recipe, in the order of
// trainTable.
func trainWords(t *recipe.Train) []trainLine {
	var list []trainLine
	for i := range trainTable {
		s := &trainTable[i]
		switch {
		case s.about != nil:
			for _, one := range s.about.each(t) {
				args, keys := s.aboutText(one)
				list = append(list, trainLine{s, args, keys})
			}
		case s.many:
			for i := range t.Augment {
				list = append(list, trainLine{stmt: s, keys: keyTexts(s, t, &t.Augment[i])})
			}
		case s.group == "optimizer":
			if t.Optimizer.Kind == s.name {
				list = append(list, trainLine{stmt: s, keys: keyTexts(s, t, nil)})
			}
		case s.word != nil:
			if w := *s.word(t); w != "" {
				list = append(list, trainLine{s, []string{w}, keyTexts(s, t, nil)})
			}
		default:
			if keys := keyTexts(s, t, nil); len(keys) > 0 {
				list = append(list, trainLine{stmt: s, keys: keys})
			}
		}
	}
	return list
}

// keyTexts returns key=value for each key of a statement whose field is not zero.
func keyTexts(s *trainStmt, t *recipe.Train, a *recipe.Augment) []string {
	var words []string
	for _, k := range s.keys {
		if s.name == "run" && k.name == "average" {
			continue // the statement average has this setting
		}
		if text := fieldText(k.field(t, a)); text != "" {
			words = append(words, k.name+"="+text)
		}
	}
	return words
}

// fieldText returns the value of a key as it is written in a spec, or "" if the field is
// zero.
func fieldText(field any) string {
	if reflect.ValueOf(field).Elem().IsZero() {
		return ""
	}
	switch f := field.(type) {
	case *int:
		return strconv.Itoa(*f)
	case *int64:
		return strconv.FormatInt(*f, 10)
	case *float64:
		return floatText(*f)
	case *bool:
		return "on"
	case *string:
		return *f
	case *[]float64:
		return floats(*f)
	case *recipe.ClassWeights:
		if f.Balanced {
			return "balanced"
		}
		return floats(f.Values)
	case *[2]float64:
		return floatText(f[0]) + ".." + floatText(f[1])
	}
	panic("a key of a type that nothing reads")
}
