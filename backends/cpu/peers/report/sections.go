package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/incc-lang/incc/backends/cpu/kernel"
)

// sections are the parts of the report, in the order of the document. The names of rows
// begin with them.
var sections = []string{"tiers", "inference", "int8", "torchvision", "torch", "timm", "share", "layers", "passes", "cold", "gen", "growth", "training", "memory", "directions", "steps"}

// measure measures the rows of a section that are wanted.
func (r *report) measure(section string) error {
	return map[string]func() error{
		"tiers": r.tiers, "inference": r.inference, "int8": r.int8, "torchvision": r.torchvision, "timm": r.timm, "torch": r.torchInference, "share": r.share, "layers": r.layers, "passes": r.passes, "cold": r.cold, "gen": r.gen,
		"growth": r.growth, "training": r.training, "memory": r.memory, "directions": r.directions, "steps": r.steps,
	}[section]()
}

// onAVX2 ends the name of a section that was measured with INCC_ISA=avx2. It stands beside
// the section of the machine's best tier.
const onAVX2 = "-avx2"

// held says whether incc is held to AVX2 by INCC_ISA. ONNX Runtime is too, then.
func held() bool { return os.Getenv("INCC_ISA") == kernel.AVX2.String() }

// order lists the names of sections in the order of the document.
func order() []string {
	var names []string
	for _, s := range sections {
		names = append(names, s, s+onAVX2)
	}
	return names
}

// progress counts the rows of a section.
type progress struct{ rows, measured int }

// publish prints a section of which rows were measured, and with -write puts it into the
// document, if all of its rows were measured.
func (r *report) publish(section, title, text string, body ...string) error {
	p := r.rows[section]
	if p.measured == 0 {
		return nil
	}
	name := section
	if held() && section != "tiers" {
		name, title = section+onAVX2, title+", AVX2"
	}
	s := fmt.Sprintf("## %s\n\n%s\n\n%s\n\n%s", title, r.source(section), text, strings.Join(body, "\n"))
	fmt.Fprintf(r.out, "\n%s", s)
	if r.readme == "" {
		return nil
	}
	if p.measured < p.rows {
		return fmt.Errorf("%s keeps its section %s: only %d of %d rows were measured", r.readme, section, p.measured, p.rows)
	}
	old, err := os.ReadFile(r.readme)
	if err != nil {
		return err
	}
	whole, err := replaceSection(string(old), name, s)
	if err != nil {
		return fmt.Errorf("%s: %w", r.readme, err)
	}
	return os.WriteFile(r.readme, []byte(whole), 0o666)
}

// source says what a section was measured on, and by which command. It has no date, so
// that a section changes only where its numbers or its machine do.
func (r *report) source(section string) string {
	tier := "tier " + isa().String()
	if section == "share" || section == "tiers" {
		tier = "the tiers named below"
	}
	env := ""
	for _, name := range []string{"INCC_ISA", "INCC_VNNI"} {
		if v := os.Getenv(name); v != "" {
			env += name + "=" + v + " "
		}
	}
	return fmt.Sprintf("%s, %s, %d turns of each side: `%sgo run ./backends/cpu/peers/report -pairs %d -threads %d -only '^%s/'`",
		processor(), tier, r.pairs, env, r.pairs, r.threads, section)
}

func beginOf(section string) string { return "<!-- begin " + section + " -->\n" }
func endOf(section string) string   { return "<!-- end " + section + " -->\n" }

// replaceSection returns the document with another text between the markers of a section.
// A document without these markers gets them in front of the next section that it has, or
// at its end.
func replaceSection(doc, section, text string) (string, error) {
	text = beginOf(section) + strings.TrimRight(text, "\n") + "\n" + endOf(section)
	begins, ends := strings.Count(doc, beginOf(section)), strings.Count(doc, endOf(section))
	if begins == 0 && ends == 0 {
		at, known := len(doc), false
		for _, next := range order() {
			if i := strings.Index(doc, beginOf(next)); known && i >= 0 {
				at = i
				break
			}
			known = known || next == section
		}
		if !known {
			return "", fmt.Errorf("unknown section %q (want one of %s)", section, strings.Join(sections, ", "))
		}
		if at < len(doc) {
			return doc[:at] + text + "\n" + doc[at:], nil
		}
		return strings.TrimRight(doc, "\n") + "\n\n" + text, nil
	}
	from, to := strings.Index(doc, beginOf(section)), strings.Index(doc, endOf(section))
	if begins != 1 || ends != 1 || to < from {
		return "", fmt.Errorf("the markers of section %s are damaged: want one line %q and behind it one line %q",
			section, strings.TrimSpace(beginOf(section)), strings.TrimSpace(endOf(section)))
	}
	return doc[:from] + text + doc[to+len(endOf(section)):], nil
}
