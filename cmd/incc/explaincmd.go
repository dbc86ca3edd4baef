package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "explain an op, statement, block, pass, built-in network, topic or the code of an error",
		UsageText: "incc explain [WORD]",
		Description: `Example:

   incc explain conv
   incc explain let
   incc explain fold-bn
   incc explain googlenet
   incc explain E0301
   incc explain data

Without an argument it lists what can be explained.`,
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return usagef("incc explain needs one word, not %d", c.NArg())
			}
			word := c.Args().First()
			text, ok := explain(word)
			if !ok && c.App.Command(word) != nil {
				return fmt.Errorf("%s is a command: incc help %s explains it", word, word)
			}
			if !ok {
				return fmt.Errorf("unknown word %s%s\nincc explain lists the words that it explains", diag.Quote(word), didYouMean(word, explainNames()))
			}
			return say(c.App.Writer, strings.TrimSuffix(text, "\n"))
		},
	}
}

// explainNames lists the words that incc explain takes.
func explainNames() []string {
	return slices.Concat(dsl.ExplainNames(), passNames(false), specs.Names(), slices.Sorted(maps.Keys(topics)))
}

// explain returns the page about a word. Without one it lists all words.
func explain(word string) (text string, ok bool) {
	text, ok = dsl.Explain(word)
	switch {
	case word == "":
		head, codes, _ := strings.Cut(text, "\ncodes of errors and warnings:")
		list := func(names []string) string {
			return "  " + strings.Join(diag.Wrap(strings.Join(names, " "), 78), "\n  ") + "\n"
		}
		return head + "\npasses:\n" + list(passNames(false)) + "\nbuilt-in networks:\n" + list(specs.Names()) + "\ntopics:\n" + listTopics() + "\ncodes of errors and warnings:" + codes, true
	case ok && topics[word] != nil: // a key of the language is called like a topic
		return topics[word]() + "\nIn a spec, " + text, true
	case ok:
		return text, true
	}
	if p := passes.Lookup(word); p != nil {
		return explainPass(p), true
	}
	if name, ok := topicNames[word]; ok {
		return explain(name)
	}
	if page := topics[word]; page != nil {
		return page(), true
	}
	if text, _, ok := specs.Source(word); ok {
		return explainSpec(word, text), true
	}
	return "", false
}

// contracts say what passes keep.
var contracts = [...]struct {
	contract passes.Contract
	text     string
}{
	{passes.Exact, "the same bits"},
	{passes.Rounding, "the same function, with other rounding errors"},
	{passes.Signature, "kept outputs have the same bits, other outputs are removed"},
	{passes.Redesign, "another function with the same shapes, for networks that are trained afterwards"},
}

func explainPass(p *passes.Pass) string {
	var b strings.Builder
	doc := "A pass that " + p.Doc
	if p.Ref != "" {
		doc += " (" + p.Ref + ")"
	}
	fmt.Fprintf(&b, "%s\n\n%s.\n", p.Name, strings.Join(diag.Wrap(doc, helpWidth), "\n"))
	for _, c := range contracts {
		if c.contract == p.Contract {
			b.WriteString("\n" + strings.Join(diag.Wrap(fmt.Sprintf("%s: %s.", c.contract, c.text), helpWidth), "\n") + "\n")
		}
	}
	if n, ok := passes.LevelOf(p); ok {
		fmt.Fprintf(&b, "It runs from -O%d on, or by --passes %s.\n", n, p.Name)
	} else {
		fmt.Fprintf(&b, "It runs only by name: --passes %s.\n", p.Name)
	}
	if p.Inference {
		b.WriteString("It is for inference: a network that is still to be trained does not get it.\n")
	}
	arguments := func(head, mark string, list []passes.Arg) {
		if len(list) == 0 {
			return
		}
		var rows [][2]string
		for _, a := range list {
			name := mark + a.Name
			if mark == "," {
				name += "=" + a.Default
			}
			rows = append(rows, [2]string{name, a.Doc})
		}
		fmt.Fprintf(&b, "\n%s:\n  %s\n", head, strings.ReplaceAll(twoColumns(rows, helpWidth-2), "\n", "\n  "))
	}
	arguments("variants, the first by default", p.Name+"=", p.Variants)
	arguments("arguments, behind a comma", ",", p.Args)
	fmt.Fprintf(&b, "\n  incc passes googlenet --passes %s\n", p.Name)
	return b.String()
}

// explainSpec is the comment at the head of a built-in network.
func explainSpec(name string, text []byte) string {
	var words []string
	for line := range strings.Lines(string(text)) {
		c, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		if c = strings.TrimSpace(c); strings.HasPrefix(c, "Counts:") {
			words = append(words, "\n")
		}
		words = append(words, strings.Fields(c)...)
	}
	about, counts, _ := strings.Cut(strings.Join(words, " "), "\n")
	fill := func(s string) string { return strings.Join(diag.Wrap(strings.TrimSpace(s), helpWidth), "\n") + "\n" }
	return fmt.Sprintf("%s\n\n%s\n%s\n  incc summary %s --depth 1\n  incc new %s -o mine.incc\n", name, fill(about), fill(counts), name, name)
}
